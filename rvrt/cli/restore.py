"""rvrt-restore: parse, call one function."""

from __future__ import annotations

import dataclasses
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from rvrt.cli.options import DEVICE, DTYPE, PATH, PLUGIN, VERSION, computing, message_for_errors
from rvrt.weights.pretrained import DEFAULT, OF_THE_AUTHORS, pretrained, weights_path

_CODECS = ("h264", "hevc", "av1", "ffv1", "prores")


def _time(text: str) -> Fraction:
    """Seconds of an option's text."""
    from rvrt.restoration.parts import parse_time

    seconds = parse_time(text)
    if seconds is None:
        raise click.BadParameter(f"{text!r}: need seconds as in 12.5, or 0:01:02.5")
    return seconds


@click.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="OUTPUT", type=PATH)
@click.option(
    "--weights",
    type=PATH,
    help="Made by rvrt-convert or by training.  "
    f"[default: {DEFAULT}, which comes with the package]",
)
@click.option("--start", type=_time, metavar="TIME", help="Begin there: 12.5, or 0:01:02.5.")
@click.option("--end", type=_time, metavar="TIME", help="End there; what follows is not read.")
@click.option(
    "--cuts",
    default="auto",
    show_default=True,
    metavar="auto|none|FILE",
    help="Scenes are restored apart: found, all one, or beginning at the frames (12) or times "
    "(0:00:12.5) of a file, a line each.",
)
@click.option(
    "--preview",
    type=click.IntRange(min=1),
    metavar="N",
    help="N frames from the middle alone: OUTPUT's name with .preview.png, bicubic beside ours, "
    "and .preview.mp4.",
)
@click.option(
    "--scale",
    type=click.IntRange(min=1),
    help="Enlarge less than the network: its frames, scaled down by MATLAB's bicubic.",
)
@click.option(
    "--codec", type=click.Choice(_CODECS), default="h264", show_default=True, help="Of a video."
)
@click.option(
    "--crf", type=int, help="Loss of a video, from 0.  [default: 14 of h264, 18 of hevc, 22 of av1]"
)
@click.option(
    "--pix-fmt",
    metavar="NAME",
    help="As FFmpeg names them: yuv420p10le.  [default: 4:2:0, of 8 bits or, if the input has more "
    "than 8, of 10]",
)
@click.option("--lossless", is_flag=True, help="h264, hevc: no loss; ffv1 has none.")
@click.option(
    "--png-bits",
    type=click.Choice(["8", "16"]),
    help="Of a folder of frames.  [default: 16 if the input has more than 8]",
)
@click.option(
    "--max-memory",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GIB",
    help="Cut the video into tiles that need no more, of a card's memory where there is one. "
    "Without it: 3/4 of what is free now.",
)
@click.option(
    "--tile",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Side of tiles, in pixels of the input, in place of one that fits the memory.",
)
@click.option(
    "--tile-frames",
    type=click.IntRange(min=6),
    default=30,
    show_default=True,
    help="Frames seen at once, at most: more are slower to reach the disk, fewer lose quality.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=25,
    show_default=True,
    help="Frames a second of a folder of frames.",
)
@click.option("--sound/--no-sound", default=True, help="Copy the sound of a video, or leave it.")
@click.option(
    "--subtitles/--no-subtitles", default=True, help="Copy the subtitles of a video, or leave them."
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace what another run made under OUTPUT's name, once the new is whole.",
)
@DEVICE
@computing
@DTYPE
@PLUGIN
@VERSION
def main(source: Path, target: Path, weights: Path | None, **given: Any) -> None:
    """Enlarge a video by the network's scale (4 for published weights).

    INPUT is a folder of frames or a video file, of any length and size, or a folder of videos.
    OUTPUT is a folder of PNG frames, or a video file (.mp4, .mkv, .mov; needs PyAV); of a folder of
    videos, a folder of videos. A run that was stopped goes on where it stopped when the same
    command is given again.
    """
    with message_for_errors():
        from rvrt.restoration.batch import jobs_of
        from rvrt.restoration.encoding import Encoding
        from rvrt.restoration.jobs import Job
        from rvrt.restoration.network import open_network
        from rvrt.restoration.parts import Choice

        weights = _default_weights() if weights is None else weights_path(weights)
        job = Job(
            source,
            target,
            weights,
            Choice(
                given["start"],
                given["end"],
                given["cuts"],
                Fraction(given["rate"]).limit_denominator(1001),
            ),
            given["scale"],
            int(given["png_bits"]) if given["png_bits"] else None,
            Encoding(given["codec"], given["crf"], given["pix_fmt"], given["lossless"]),
            given["sound"],
            given["subtitles"],
            given["overwrite"],
        )
        jobs = jobs_of(job)
        network = open_network(weights, target=given["target_device"], dtype=given["dtype"])
        failed = [one for one in jobs if not _restored(one, network, given, len(jobs) > 1)]
    if failed:
        click.echo(f"{len(failed)} of {len(jobs)} videos failed", err=True)
        sys.exit(1)


def _restored(job: Any, network: Any, given: dict[str, Any], one_of_many: bool) -> bool:
    """Whether a job was done; what went wrong with one of many is said, and the next one begins."""
    from rvrt.restoration.memory import memory_limits
    from rvrt.restoration.preview import preview
    from rvrt.restoration.restore import restore
    from rvrt.restoration.restorer import Cutting, Restorer
    from vimeo_tools.errors import VimeoToolsError

    asked = given["max_memory"]
    limit, host = memory_limits(given["target_device"], asked and asked * 2**30)
    cutting = Cutting(
        tile=given["tile"],
        tile_frames=given["tile_frames"],
        max_memory=limit,
        host_memory=host,
        padding="borders",
        scratch=job.folder,
    )
    try:
        if given["preview"]:
            cutting = dataclasses.replace(cutting, scratch=None)
            made = preview(job, Restorer(network.cell, cutting), given["preview"])
            click.echo("\n".join(str(path) for path in made))
        else:
            done = restore(job, Restorer(network.cell, cutting))
            click.echo(f"{job.target}: {done.text()} ({network.computed_by})")
            for note in done.notes:
                click.echo(f"{job.source}: {note}", err=True)
    except VimeoToolsError as error:
        if not one_of_many:
            raise
        click.echo(f"Error: {error}", err=True)
        return False
    return True


def _default_weights() -> Path:
    """Those that come with the package; who expects more of them is told where to go."""
    chosen = pretrained(DEFAULT)
    click.echo(
        f"weights: {DEFAULT}, a small network, trained on {chosen.trained_on}\n"
        f"The published quality needs RVRT's own: take 002_RVRT_videosr_bi_Vimeo_14frames.pth of "
        f"{OF_THE_AUTHORS}, rvrt-convert it, and give it as --weights",
        err=True,
    )
    return chosen.path
