"""The pictures of a report: of each sequence the whole frame and a detail, as data URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from rvrt.evaluation.sheets import Picture, most_different
from vimeo_tools.data.pictures import read_picture
from vimeo_tools.errors import FrameError, OutputError

_TITLES = {"lq": "LQ", "bicubic": "bicubic", "ours": "ours", "gt": "GT"}
_WHOLE_WIDTH = 640
_DETAIL_WIDTH = 160


@dataclass(frozen=True)
class Column:
    """One way that a sequence is shown: the whole picture and its detail, as data URIs."""

    title: str
    whole: str
    detail: str


@dataclass(frozen=True)
class ShownSequence:
    """The pictures of a sequence; ``box`` is the detail's left, top, width, height in percent."""

    box: tuple[float, float, float, float]
    columns: list[Column]


def read_pictures(home: Path, network: bool) -> ShownSequence | None:
    """Read lq.png, bicubic.png, ours.png (with a ``network``) and gt.png of a folder.

    The whole pictures become JPEGs of at most 640 pixels, the details PNGs with the exact pixels.

    Returns:
        None where there is no such folder.

    Raises:
        OutputError: a picture is missing or damaged, or GT and LQ are not of one scale.
    """
    if not home.is_dir():
        return None
    names = [name for name in _TITLES if network or name != "ours"]
    pictures = {name: _read(home / f"{name}.png") for name in names}
    scale = _scale(home, pictures)
    top, left, (rows, columns) = _detail(pictures, scale)
    shown = []
    for name, picture in pictures.items():
        by = scale if name == "lq" else 1
        crop = picture[top // by : (top + rows) // by, left // by : (left + columns) // by]
        shown.append(Column(_TITLES[name], _jpeg(picture), _png(crop)))
    height, width = pictures["gt"].shape[:2]
    box = 100 * left / width, 100 * top / height, 100 * columns / width, 100 * rows / height
    return ShownSequence(box, shown)


def _scale(home: Path, pictures: dict[str, Picture]) -> int:
    lq, *large = (picture.shape[:2] for picture in pictures.values())
    scale = large[0][0] // lq[0]
    if scale < 1 or set(large) != {(scale * lq[0], scale * lq[1])}:
        sizes = ", ".join(f"{name} {p.shape[1]}x{p.shape[0]}" for name, p in pictures.items())
        raise OutputError(f"{home}: the sizes do not belong together: {sizes}")
    return scale


def _detail(pictures: dict[str, Picture], scale: int) -> tuple[int, int, tuple[int, int]]:
    """Top, left and (height, width) of the detail in GT's pixels, on whole pixels of LQ.

    It lies where ours and bicubic differ most; without a network, where bicubic and GT do.
    """
    height, width = pictures["gt"].shape[:2]
    shrink = max(4, width / _DETAIL_WIDTH)
    rows, columns = (max(scale, round(n / shrink / scale) * scale) for n in (height, width))
    size = rows, columns
    top, left = most_different(pictures["bicubic"], pictures.get("ours", pictures["gt"]), size)
    return top // scale * scale, left // scale * scale, size


def _read(path: Path) -> Picture:
    try:
        return read_picture(path)
    except FrameError as error:
        raise OutputError(f"{error}; rvrt-eval writes it") from error


def _jpeg(picture: Picture) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((_WHOLE_WIDTH, _WHOLE_WIDTH))
    return _data_uri(image, "jpeg", quality=90, subsampling=0)


def _png(picture: Picture) -> str:
    return _data_uri(Image.fromarray(picture), "png", optimize=True)


def _data_uri(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
