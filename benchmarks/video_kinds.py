"""Twelve kinds of video through rvrt-restore: what each input is, and what came out.

    python benchmarks/video_kinds.py FOLDER

Makes the inputs in FOLDER/in, restores them into FOLDER/out by the command, with rvrt-small, and
prints a table of what PyAV says of both. An input that is refused shows the message.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from click.testing import CliRunner

from rvrt.cli.restore import main as restore

SIZE = 48, 64
FRAMES = 8


def pictures(size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Smooth pictures that move a little."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    still = np.stack([rows * 3 + 30, columns * 2 + 20, 180 - rows + columns], axis=-1)
    return [(still + 3 * index).astype(np.uint8) for index in range(FRAMES)]


def write(path: Path, codec: str, layout: str, **how: Any) -> None:
    """A video; `how` holds size, unit and ticks, sound, turned, aspect, options, marks."""
    frames = how.get("frames") or pictures(how.get("size", SIZE))
    height, width = frames[0].shape[:2]
    unit = how.get("unit", Fraction(1, 25))
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=how.get("rate", 25), options=how.get("options", {}))
        stream.height, stream.width, stream.pix_fmt = height, width, layout
        context = stream.codec_context
        context.time_base = unit
        if "aspect" in how:
            context.sample_aspect_ratio = how["aspect"]
        if "turned" in how:
            stream.set_display_rotation(how["turned"])
        marks = how.get("marks", {})
        for name, value in marks.items():
            setattr(context, name, value)
        sound = out.add_stream("aac", rate=16000) if how.get("sound") else None
        for tick, frame in zip(how.get("ticks", range(FRAMES)), frames, strict=True):
            name = "rgba" if frame.shape[2] == 4 else "rgb24"
            picture = av.VideoFrame.from_ndarray(frame, format=name).reformat(format=layout)
            picture.pts, picture.time_base = tick, unit
            for mark, value in marks.items():
                setattr(picture, mark, value)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
        if sound is not None:
            wave = np.sin(np.arange(5120) / 8).astype(np.float32)[None]
            block = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            block.sample_rate, block.pts = 16000, 0
            out.mux([*sound.encode(block), *sound.encode(None)])


def glass() -> list[np.ndarray]:
    """Pictures with a half transparent half."""
    alpha = np.full((*SIZE, 1), 255, np.uint8)
    alpha[:, 32:] = 128
    return [np.concatenate([picture, alpha], axis=-1) for picture in pictures()]


def solid() -> list[np.ndarray]:
    """Pictures whose alpha hides nothing."""
    alpha = np.full((*SIZE, 1), 255, np.uint8)
    return [np.concatenate([picture, alpha], axis=-1) for picture in pictures()]


def marks(matrix: int, primaries: int, transfer: int, reach: int) -> dict[str, int]:
    """By ITU-T H.273."""
    return {
        "colorspace": matrix,
        "color_primaries": primaries,
        "color_trc": transfer,
        "color_range": reach,
    }


UNEVEN = [0, 3003, 6006, 12000, 12100, 30030, 33033, 36036]
BT2020 = marks(9, 9, 14, 1)
# Name of the input: how to make it, name of the output, options.
KINDS: dict[str, tuple[Callable[[Path], None], str, list[str]]] = {
    "sd-bt601-sound.mp4": (
        lambda p: write(p, "libx264", "yuv420p", sound=True, marks=marks(6, 6, 6, 1)), ".mp4", []),
    "variable-rate.mp4": (
        lambda p: write(p, "libx264", "yuv420p", unit=Fraction(1, 90000), ticks=UNEVEN),
        ".mp4", []),
    "ntsc-30000-1001.mov": (
        lambda p: write(p, "libx264", "yuv420p", rate=Fraction(30000, 1001),
                        unit=Fraction(1001, 30000)), ".mov", []),
    "full-range-bt709.mp4": (
        lambda p: write(p, "libx264", "yuv420p", marks=marks(1, 1, 1, 2)), ".mp4", []),
    "bt2020-10-bit.mkv": (
        lambda p: write(p, "libx265", "yuv420p10le", marks=BT2020,
                        options={"x265-params": "log-level=error"}),
        ".mp4", ["--codec", "hevc"]),
    "hdr-pq.mkv": (
        lambda p: write(p, "ffv1", "yuv420p10le", marks=marks(9, 9, 16, 1)), ".mp4", []),
    "turned-90.mov": (
        lambda p: write(p, "libx264", "yuv420p", turned=90, aspect=Fraction(16, 11)), ".mp4", []),
    "anamorphic-pal.mkv": (
        lambda p: write(p, "mpeg2video", "yuv420p", size=(72, 90), aspect=Fraction(16, 15)),
        ".mkv", []),
    "prores-422-10-bit.mov": (
        lambda p: write(p, "prores_ks", "yuv422p10le", marks=marks(1, 1, 1, 1)),
        ".mov", ["--codec", "prores"]),
    "odd-51x37-444.mkv": (
        lambda p: write(p, "ffv1", "yuv444p", size=(37, 51)), ".mkv", ["--codec", "ffv1"]),
    "opaque-alpha.mkv": (
        lambda p: write(p, "ffv1", "bgra", frames=solid()), ".mp4", ["--codec", "av1"]),
    "transparent.mkv": (lambda p: write(p, "ffv1", "bgra", frames=glass()), ".mp4", []),
    "rgb-16-bit.mkv": (
        lambda p: write(p, "ffv1", "gbrp16le"), ".mkv", ["--codec", "ffv1"]),
    "animation.gif": (
        lambda p: write(p, "gif", "rgb8", unit=Fraction(1, 10), rate=10), ".mp4", []),
}  # fmt: skip
_NAMES = {0: "RGB", 1: "709", 2: "-", 6: "601", 9: "2020", 14: "2020", 16: "PQ"}


def facts(path: Path) -> str:
    """What PyAV says of a video, as cells of a table."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = list(container.decode(stream))
        sound = "yes" if container.streams.audio else "no"
    first = shown[0]
    times = [float(p.pts * p.time_base) for p in shown]
    steps = {round(b - a, 3) for a, b in pairwise(times)}
    marks_of = (first.colorspace, first.color_primaries, first.color_trc)
    colour = "/".join(_NAMES.get(int(value), str(value)) for value in marks_of)
    reach = {0: "-", 1: "limited", 2: "full"}[int(first.color_range)]
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1
    step = f"{min(steps):g}" if len(steps) == 1 else f"{min(steps):g} to {max(steps):g}"
    return (
        f"{stream.codec_context.codec.canonical_name} {first.format.name} | "
        f"{first.width}x{first.height}, {aspect}, {first.rotation} | {len(shown)}, {step} s, "
        f"{stream.time_base} | {colour} {reach} | {sound}"
    )


def main(folder: Path) -> None:
    """Make, restore, print."""
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    print("| | codec, pixels | size, pixel aspect, turned | frames, steps, time base | "
          "matrix/primaries/transfer, range | sound |\n|---|---|---|---|---|---|")  # fmt: skip
    for name, (make, suffix, options) in KINDS.items():
        source = folder / "in" / name
        target = folder / "out" / f"{source.stem}{suffix}"
        make(source)
        print(f"| {name} | {facts(source)} |")
        done = CliRunner().invoke(restore, [str(source), str(target), "--overwrite", *options])
        told = " ".join(options) or "as it is"
        notes = [line for line in done.output.splitlines() if line.startswith(str(source))]
        if done.exit_code:
            lines = [line for line in done.output.splitlines() if line.startswith("Error: ")]
            print(f"| {told} | refused: {lines[-1].partition(f'{source}: ')[2]} | | | | |")
        else:
            print(f"| {told} | {facts(target)} |", flush=True)
        for note in notes:
            print(f"| | note: {note.partition(': ')[2]} | | | | |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
