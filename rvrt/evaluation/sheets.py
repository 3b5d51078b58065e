"""A sheet of pictures to judge a restoration by: bicubic | ours | GT, with a zoomed detail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rvrt.evaluation.metrics import luma, psnr
from vimeo_tools.running.atomic import whole_file

Picture = NDArray[np.uint8]

_COLUMNS = ("bicubic", "ours", "GT")
_TILE_WIDTH = 448
_TILE_WIDTH_AT_MOST = 640
_ZOOM = 4
_GAP = 10
_PAPER, _TEXT, _FAINT, _MARK = "#17191d", "#eceef1", "#9aa1ab", "#ffb224"


@dataclass(frozen=True)
class SheetRow:
    """One picture, three ways: uint8 RGB of shape (H, W, 3), the same for all, 8x8 or more.

    Raises:
        ValueError: another dtype or shape.
    """

    label: str
    bicubic: Picture
    ours: Picture
    gt: Picture

    def __post_init__(self) -> None:
        shape = self.gt.shape
        if len(shape) != 3 or shape[2] != 3 or min(shape[:2]) < 8:
            raise ValueError(f"{self.label}: GT has shape {shape}; need (H, W, 3) from 8x8")
        for name, picture in zip(_COLUMNS, self.pictures(), strict=True):
            if picture.dtype != np.uint8 or picture.shape != shape:
                raise ValueError(
                    f"{self.label}: {name} is {picture.dtype} {picture.shape}; need uint8 {shape}"
                )

    def pictures(self) -> tuple[Picture, Picture, Picture]:
        """Bicubic, ours, GT."""
        return self.bicubic, self.ours, self.gt


def most_different(a: Picture, b: Picture, size: tuple[int, int]) -> tuple[int, int]:
    """Top and left of the window of ``size`` (height, width) where two pictures differ most.

    The measure is the sum of the absolute differences of Y; see `strongest_window`.

    Args:
        a: (H, W, 3) uint8.
        b: of the same shape.
        size: from 1x1 to (H, W).
    """
    return strongest_window(np.abs(luma(a) - luma(b)), size)


def strongest_window(values: NDArray[np.float64], size: tuple[int, int]) -> tuple[int, int]:
    """Top and left of the window of ``size`` (height, width) with the largest sum.

    Of equal windows, the one nearest the centre is taken.

    Args:
        values: (H, W).
        size: from 1x1 to (H, W).
    """
    height, width = size
    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = (sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]) + sums[
        :-height, :-width
    ]
    y, x = np.nonzero(windows >= windows.max() - 1e-6)
    centre = (windows.shape[0] - 1) / 2, (windows.shape[1] - 1) / 2
    nearest = np.argmin((y - centre[0]) ** 2 + (x - centre[1]) ** 2)
    return int(y[nearest]), int(x[nearest])


def write_sheet(path: Path, rows: Sequence[SheetRow]) -> None:
    """Write a PNG with the pictures of each row, their PSNR on Y, and a detail of each.

    The detail is taken where ours and bicubic differ most, marked by a frame, and shown with its
    pixels as squares.

    Raises:
        ValueError: there are no rows.
        OutputError: the file cannot be written.
    """
    if not rows:
        raise ValueError("a sheet needs one row or more")
    strips = [_strip(row) for row in rows]
    width = max(strip.width for strip in strips)
    sheet = Image.new("RGB", (width, sum(strip.height for strip in strips)), _PAPER)
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    with whole_file(path) as part:
        sheet.save(part)


def _strip(row: SheetRow) -> Image.Image:
    """One row of the sheet: its label, three pictures, three details, with a caption each."""
    tiles = [_tile(picture) for picture in row.pictures()]
    width, height = tiles[0].size
    scale = width / row.gt.shape[1]
    zoom = max(2, round(_ZOOM * scale))
    size = max(1, height // zoom), width // zoom
    top, left = most_different(row.ours, row.bicubic, size)
    crop = slice(top, top + size[0]), slice(left, left + size[1])
    font_size = max(13, width // 28)
    font = ImageFont.load_default(font_size)
    line = 2 * font_size
    details_top = line + height + _GAP // 2
    captions_top = details_top + size[0] * zoom
    strip = Image.new("RGB", (3 * (width + _GAP) + _GAP, captions_top + round(1.5 * line)), _PAPER)
    draw = ImageDraw.Draw(strip)
    draw.text((_GAP, line // 2), row.label, _TEXT, font, anchor="lm")
    draw.text((strip.width - _GAP, line // 2), "PSNR on Y", _FAINT, font, anchor="rm")
    for column, (picture, tile) in enumerate(zip(row.pictures(), tiles, strict=True)):
        x = _GAP + column * (width + _GAP)
        _mark(tile, [scale * side for side in (left, top, left + size[1], top + size[0])])
        strip.paste(tile, (x, line))
        strip.paste(_enlarged(picture[crop], zoom), (x, details_top))
        below = captions_top + line // 2
        draw.text((x, below), _COLUMNS[column], _FAINT, font, anchor="lm")
        draw.text((x + width, below), _score(row, column), _TEXT, font, anchor="rm")
    return strip


def _score(row: SheetRow, column: int) -> str:
    gt = luma(row.gt)
    ours, bicubic = psnr(luma(row.ours), gt), psnr(luma(row.bicubic), gt)
    gain = f" ({ours - bicubic:+.2f})" if np.isfinite(ours - bicubic) else ""
    return (f"{bicubic:.2f} dB", f"{ours:.2f} dB{gain}", "")[column]


def _tile(picture: Picture) -> Image.Image:
    """The whole picture, about as wide as a tile: a small one enlarged, a large one shrunk."""
    height, width = picture.shape[:2]
    if width <= _TILE_WIDTH_AT_MOST:
        return _enlarged(picture, max(1, min(_TILE_WIDTH // width, 2 * _TILE_WIDTH // height)))
    shrunk = max(1, round(height * _TILE_WIDTH_AT_MOST / width))
    return Image.fromarray(picture).resize((_TILE_WIDTH_AT_MOST, shrunk))


def _mark(tile: Image.Image, box: list[float]) -> None:
    left, top, right, bottom = map(round, box)
    ImageDraw.Draw(tile).rectangle((left - 1, top - 1, right, bottom), outline=_MARK, width=2)


def _enlarged(picture: Picture, times: int) -> Image.Image:
    """Each pixel as a square."""
    height, width = picture.shape[:2]
    return Image.fromarray(picture).resize(
        (width * times, height * times), Image.Resampling.NEAREST
    )
