"""RGB and YUV of any depth, by the formulas of ITU-R BT.601, BT.709 and BT.2020, in float.

swscale's own conversion of more than 8 bits makes white 65280 of 65535, or 65472, as the range is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vimeo_tools.data.pictures import AnyFrame
from vimeo_tools.errors import VideoError

Planes = tuple[AnyFrame, AnyFrame, AnyFrame]

RGB = 0
BT709 = 1
UNSPECIFIED = 2
BT601 = 6
HD_HEIGHT = 720
# The shares of red and blue in Y, by the number of the matrix in ITU-T H.273.
_SHARES = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    BT601: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_HDR = {16: "PQ (SMPTE ST 2084)", 18: "HLG (ARIB STD-B67)"}


@dataclass(frozen=True)
class Colours:
    """What the numbers of a video mean; by the tables of ITU-T H.273, 2 is "not specified".

    Attributes:
        matrix: between RGB and YUV; 0 for RGB itself.
        primaries: of red, green and blue.
        transfer: between levels and light.
        full_range: black is 0 and white the largest number, not 16 and 235 (of 8 bits).
    """

    matrix: int = BT709
    primaries: int = BT709
    transfer: int = BT709
    full_range: bool = False

    def check(self) -> None:
        """Refuse what would come out in wrong colours.

        Raises:
            VideoError: HDR, or a matrix that is not known here; does not name the file.
        """
        if self.transfer in _HDR:
            raise VideoError(
                f"HDR, its transfer is {_HDR[self.transfer]}: networks have learned pictures of "
                "standard range, and it would come out flat; map it to standard range first "
                "(tone mapping)"
            )
        if self.matrix not in {RGB, UNSPECIFIED, *_SHARES}:
            raise VideoError(
                f"its colour matrix is number {self.matrix} of ITU-T H.273; RGB, BT.601, BT.709, "
                "BT.2020 (not constant luminance), FCC and SMPTE 240M are known here; convert it"
            )

    def named(self, height: int) -> Colours:
        """With the matrix that is meant where none is named: BT.709 from 720 rows on, else BT.601.

        Args:
            height: of the picture as it is stored.
        """
        if self.matrix != UNSPECIFIED:
            return self
        guess = BT709 if height >= HD_HEIGHT else BT601
        return Colours(guess, self.primaries, self.transfer, self.full_range)

    @property
    def shares(self) -> tuple[float, float, float]:
        """Of red, green and blue in Y."""
        red, blue = _SHARES[self.matrix]
        return red, 1 - red - blue, blue


def rgb_from_yuv(planes: Planes, bits: int, colours: Colours) -> npt.NDArray[np.uint16]:
    """(H, W, 3) uint16 in 0..65535 of three (H, W) planes of that many bits, rounded to nearest."""
    black, luma, chroma = _ranges(bits, colours.full_range)
    y, blue, red = (plane.astype(np.float32) for plane in planes)
    y = (y - np.float32(black)) / np.float32(luma)
    blue, red = ((c - np.float32(2 ** (bits - 1))) / np.float32(chroma) for c in (blue, red))
    of_red, of_green, of_blue = map(np.float32, colours.shares)
    r = y + 2 * (1 - of_red) * red
    b = y + 2 * (1 - of_blue) * blue
    g = (y - of_red * r - of_blue * b) / of_green
    levels = np.rint(np.clip(np.stack([r, g, b], axis=-1), 0, 1) * np.float32(65535))
    return np.asarray(levels, np.uint16)


def yuv_from_rgb(
    frame: AnyFrame, bits: int, colours: Colours, across: int = 1, down: int = 1
) -> Planes:
    """Y, Cb and Cr of that many bits of (H, W, 3) uint8 or uint16 RGB, rounded once.

    Args:
        frame: of sides that are multiples of `across` and `down`.
        bits: of a sample.
        colours: what its numbers are to mean.
        across: columns for each of chroma, 1 or 2; it lies on the left one.
        down: rows for each of chroma, 1 or 2; it lies between them.
    """
    black, luma, chroma = _ranges(bits, colours.full_range)
    r, g, b = np.moveaxis(frame.astype(np.float32) / np.float32(np.iinfo(frame.dtype).max), -1, 0)
    of_red, of_green, of_blue = map(np.float32, colours.shares)
    y = of_red * r + of_green * g + of_blue * b
    middle, half = np.float32(2 ** (bits - 1)), np.float32(chroma / 2)
    blue = middle + half / (1 - of_blue) * _fewer(b - y, across, down)
    red = middle + half / (1 - of_red) * _fewer(r - y, across, down)
    return (
        to_levels(np.float32(black) + np.float32(luma) * y, bits),
        to_levels(blue, bits),
        to_levels(red, bits),
    )


def _fewer(chroma: npt.NDArray[np.float32], across: int, down: int) -> npt.NDArray[np.float32]:
    """One sample for so many columns and rows, as a triangle over those around it weighs them."""
    if across == 2:
        wide = np.pad(chroma, ((0, 0), (1, 1)), mode="edge")
        chroma = (wide[:, :-2:2] + 2 * wide[:, 1:-1:2] + wide[:, 2::2]) / np.float32(4)
    if down == 2:
        chroma = (chroma[::2] + chroma[1::2]) / np.float32(2)
    return chroma


def to_levels(values: npt.NDArray[np.floating[Any]], bits: int) -> AnyFrame:
    """Numbers in 0..2**bits - 1 rounded to nearest, uint8 or, of more than 8 bits, uint16."""
    levels = np.rint(np.clip(values, 0, 2**bits - 1))
    return levels.astype(np.uint8) if bits == 8 else levels.astype(np.uint16)


def _ranges(bits: int, full_range: bool) -> tuple[float, float, float]:
    """Y of black, Y of white less that, and the whole range of chroma."""
    if full_range:
        return 0, 2**bits - 1, 2**bits - 1
    unit = 2 ** (bits - 8)
    return 16 * unit, 219 * unit, 224 * unit
