"""The pictures of a report: whole frames, details and x-t slices of a sequence, as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rvrt.evaluation.metrics import luma
from rvrt.evaluation.report.runs import Run
from rvrt.evaluation.sheets import Picture, most_different, strongest_window
from vimeo_tools.data.pictures import read_picture
from vimeo_tools.errors import FrameError, OutputError

LQ, BICUBIC, GT = "LQ", "bicubic", "GT"
_FILES = {LQ: "lq", BICUBIC: "bicubic", GT: "gt"}
_DETAIL = 64  # pixels of GT that a detail is wide
_SLICE_WIDTH = 640


@dataclass(frozen=True)
class Quality:
    """How large and fine the whole pictures are: their longest side, and JPEG's quality."""

    side: int
    jpeg: int


# From the best on: a report takes the first with which its page is small enough.
QUALITIES = (
    Quality(640, 90),
    Quality(640, 80),
    Quality(480, 80),
    Quality(400, 70),
    Quality(320, 60),
    Quality(240, 50),
)


@dataclass(frozen=True)
class Detail:
    """A part of the frame, exact, in every version.

    Attributes:
        title: why it is shown.
        kind: class in the page's style.
        box: its left, top, width and height in percent of the frame.
        columns: data URIs by version.
    """

    title: str
    kind: str
    box: tuple[float, float, float, float]
    columns: dict[str, str]


@dataclass(frozen=True)
class ShownSequence:
    """The pictures of a sequence by version: LQ, bicubic, the runs' names, GT."""

    whole: dict[str, str]
    details: list[Detail]
    slices: dict[str, str]
    frames: int


def read_pictures(key: str, runs: Sequence[Run], quality: Quality) -> ShownSequence | None:
    """The pictures that the runs kept of a sequence.

    Whole pictures become JPEGs, details PNGs with the exact pixels.

    Returns:
        None where a run kept none.

    Raises:
        OutputError: a picture is missing or damaged, or sizes do not belong together.
    """
    homes = [run.folder / "pictures" / key.replace("/", "_") for run in runs]
    if not all(home.is_dir() for home in homes):
        return None
    pictures = {name: _read(homes[0] / f"{_FILES[name]}.png") for name in (LQ, BICUBIC)}
    for run, home in zip(runs, homes, strict=True):
        if run.has_network:
            pictures[run.name] = _read(home / "ours.png")
    pictures[GT] = _read(homes[0] / "gt.png")
    scale = _scale(homes[0], pictures)
    slices = _slices(homes, runs)
    return ShownSequence(
        {name: _jpeg(picture, quality) for name, picture in pictures.items()},
        [
            _detail(title, kind, pictures, scale, corner)
            for title, kind, corner in _places(pictures)
        ],
        {name: _jpeg(_narrow(picture, scale), quality) for name, picture in slices.items()},
        len(slices[GT]) if slices else 1,
    )


def _slices(homes: Sequence[Path], runs: Sequence[Run]) -> dict[str, Picture]:
    """x-t slices by version; none of a sequence of one frame."""
    if not (homes[0] / "xt_gt.png").exists():
        return {}
    found = {name: _read(homes[0] / f"xt_{_FILES[name]}.png") for name in (LQ, BICUBIC)}
    for run, home in zip(runs, homes, strict=True):
        if run.has_network and (home / "xt_ours.png").exists():
            found[run.name] = _read(home / "xt_ours.png")
    found[GT] = _read(homes[0] / "xt_gt.png")
    return found


def _narrow(picture: Picture, scale: int) -> Picture:
    """The middle columns of a slice, the same place in LQ and GT."""
    width = picture.shape[1]
    kept = min(width, _SLICE_WIDTH)
    start = (width - kept) // 2 // scale * scale
    return picture[:, start : start + kept]


def _scale(home: Path, pictures: Mapping[str, Picture]) -> int:
    lq, *large = (picture.shape[:2] for picture in pictures.values())
    scale = large[0][0] // lq[0]
    if scale < 1 or set(large) != {(scale * lq[0], scale * lq[1])}:
        sizes = ", ".join(f"{name} {p.shape[1]}x{p.shape[0]}" for name, p in pictures.items())
        raise OutputError(f"{home}: the sizes do not belong together: {sizes}")
    return scale


def _places(pictures: Mapping[str, Picture]) -> list[tuple[str, str, tuple[int, int]]]:
    """Title, class, and top and left of the details, in GT's pixels.

    They lie where the last version is most of all better, and worse, than the one before it: a
    network than bicubic, a run than the run before. Without a network, where bicubic is worst.
    """
    names = list(pictures)[1:-1]
    gt, size = pictures[GT], _size(pictures[GT])
    if len(names) == 1:
        corner = most_different(pictures[BICUBIC], gt, size)
        return [("bicubic is farthest from GT", "loss", corner)]
    before, after = names[-2:]
    errors = [np.square(luma(pictures[name]) - luma(gt)) for name in (before, after)]
    better = errors[0] - errors[1]
    places = [(f"{after} gains most over {before}", "gain", strongest_window(better, size))]
    if (better < 0).any():
        places.append((f"{after} loses most to {before}", "loss", strongest_window(-better, size)))
    return places


def _size(gt: Picture) -> tuple[int, int]:
    height, width = gt.shape[:2]
    columns = min(width, _DETAIL)
    return max(1, min(height, round(columns * 9 / 16))), columns


def _detail(
    title: str, kind: str, pictures: Mapping[str, Picture], scale: int, corner: tuple[int, int]
) -> Detail:
    (rows, columns), (height, width) = _size(pictures[GT]), pictures[GT].shape[:2]
    # On whole pixels of LQ.
    rows, columns = (max(scale, side // scale * scale) for side in (rows, columns))
    top, left = (place // scale * scale for place in corner)
    crops = {}
    for name, picture in pictures.items():
        by = scale if name == LQ else 1
        crop = picture[top // by : (top + rows) // by, left // by : (left + columns) // by]
        crops[name] = _data_uri(Image.fromarray(crop), "png", optimize=True)
    box = 100 * left / width, 100 * top / height, 100 * columns / width, 100 * rows / height
    return Detail(title, kind, box, crops)


def _read(path: Path) -> Picture:
    try:
        return read_picture(path)
    except FrameError as error:
        raise OutputError(f"{error}; rvrt-eval writes it") from error


def _jpeg(picture: Picture, quality: Quality) -> str:
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((quality.side, quality.side))
    return _data_uri(image, "jpeg", quality=quality.jpeg, subsampling=0)


def _data_uri(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
