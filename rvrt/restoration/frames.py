"""What goes into a network and what comes out: extended, mirrored, folded, rounded."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rvrt.config.network import NetworkConfig
from rvrt.errors import RestoreError
from rvrt.restoration.tiling import TIME_STEP, Picture
from vimeo_tools.data.colours import to_levels
from vimeo_tools.data.pictures import AnyFrame, ArraySequence, DeepSource, Frame
from vimeo_tools.resize.matlab import imresize

# Sides grow to multiples of the attention's window by flipping: without that the network fills its
# windows up with zeros, which shows at borders (docs/weights.md). "authors": no more than that, as
# in their test program, which gives an odd sequence its last frame once more. "borders": small
# frames grow to what the optical flow needs, and an odd sequence gets its last frame but one.
Padding = Literal["authors", "borders"]
PADDINGS: tuple[Padding, ...] = ("authors", "borders")


class MirroredSequence(ArraySequence):
    """T frames, then the same backwards, as septuplets are given; (T, H, W, 3) uint8 or uint16."""

    def __init__(self, frames: AnyFrame) -> None:
        super().__init__(mirror(frames))


class PaddedSequence:
    """A sequence as a network takes it.

    Attributes:
        mirrored: whether frame i is known to equal the last but i.
        frames: how many there are with the added ones, an even number.
        height: rows with the added ones.
        width: columns with the added ones.
    """

    def __init__(self, source: DeepSource, config: NetworkConfig, padding: Padding) -> None:
        self._source = source
        count, sides = len(source.names), (source.height, source.width)
        step, *windows = config.multiples
        least = config.smallest_side if padding == "authors" else config.padded_side
        self.frames = _multiple(count, math.lcm(step, TIME_STEP))
        self.mirrored = isinstance(source, MirroredSequence) and self.frames == count
        self.height, self.width = (
            _multiple(max(side, least), window) for side, window in zip(sides, windows, strict=True)
        )
        self._times = _indices(count, self.frames, flip=padding == "authors")
        self._rows, self._columns = (
            _indices(side, padded, flip=True)
            for side, padded in zip(sides, (self.height, self.width), strict=True)
        )

    def read(self, start: int, stop: int) -> Picture:
        """(stop - start, 3, height, width) float32 in 0..1; see DeepSource."""
        times = self._times[start:stop]
        first = int(times.min())
        frames = self._source.read(first, int(times.max()) + 1)[times - first]
        clip: Picture = frames[:, self._rows[:, None], self._columns].transpose(0, 3, 1, 2)
        return np.ascontiguousarray(clip, np.float32) / np.float32(np.iinfo(frames.dtype).max)


def _multiple(number: int, step: int) -> int:
    return math.ceil(number / step) * step


def _indices(count: int, padded: int, flip: bool) -> NDArray[np.intp]:
    """Where each place is taken from: mirrored at the end, the last repeated (flip) or not."""
    return np.pad(np.arange(count), (0, padded - count), mode="symmetric" if flip else "reflect")


def mirror(frames: NDArray[Any]) -> NDArray[Any]:
    """T frames, then the same backwards: frame i equals frame 2T - 1 - i.

    Args:
        frames: (T, ...) of any dtype.

    Returns:
        (2T, ...).
    """
    return np.concatenate([frames, frames[::-1]])


def fold(restored: Picture) -> Picture:
    """The mean of each frame and its mirror image; the inverse of `mirror` for equal halves.

    Args:
        restored: (2T, ...) float32.

    Returns:
        (T, ...) float32.
    """
    half = len(restored) // 2
    folded: Picture = (restored[:half] + restored[: half - 1 : -1]) / np.float32(2)
    return folded


def to_uint8(picture: Picture) -> Frame:
    """(3, H, W) float in 0..1 to (H, W, 3) uint8: clamped, times 255, rounded to nearest (halves to
    even).

    Raises:
        RestoreError: the picture holds NaN or infinity, which no uint8 stands for.
    """
    return _rounded(picture, 8).astype(np.uint8, copy=False)


def finished(picture: Picture, factor: float, bits: int) -> AnyFrame:
    """A restored picture as it is stored.

    Args:
        picture: (3, H, W) float32, 0..1 but neither clamped nor rounded.
        factor: by which it is scaled down, by MATLAB's bicubic imresize of the clamped picture; 1
            for not at all.
        bits: 8 or 16.

    Returns:
        (factor * H, factor * W, 3) uint8 or uint16, rounded to nearest.

    Raises:
        RestoreError: the picture holds NaN or infinity.
    """
    if factor != 1 and np.isfinite(picture).all():
        # In double, where imresize equals MATLAB's sample for sample.
        clamped = np.clip(picture, 0, 1).transpose(1, 2, 0).astype(np.float64, order="C")
        return _rounded(imresize(clamped, factor).transpose(2, 0, 1), bits)
    return _rounded(picture, bits)


def _rounded(picture: NDArray[np.floating[Any]], bits: int) -> AnyFrame:
    if not np.isfinite(picture).all():
        raise RestoreError(
            "a restored picture holds NaN or infinity, which no picture stands for; weights of "
            "another network or half precision are the usual reasons"
        )
    levels = np.clip(picture, 0, 1) * picture.dtype.type(2**bits - 1)
    return np.ascontiguousarray(to_levels(levels, bits).transpose(1, 2, 0))
