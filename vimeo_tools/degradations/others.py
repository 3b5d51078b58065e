"""Low-quality frames as other programs make them, to be recognised; see `detect`.

Written from what each program does with one sample, in NumPy: none of them is needed here, and each
formula is held against the program itself by the tests. All shrink by a whole number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.degradations.base import Degradation, Frame, Levels, rounded
from vimeo_tools.resize.classes import im2double, im2uint8
from vimeo_tools.resize.matlab import imresize

# Where a program rounds in float32, its result may lie on either side of a half this near.
_FLOAT32 = 4e-4
_EXACT_HALF = 1e-6  # where its builds round exact halves one way or the other
_PILLOW_BITS = 22
_Place = Callable[[int], float]


def block_middle(scale: int) -> float:
    """The middle of the first block of scale x scale GT pixels."""
    return (scale - 1) / 2


@dataclass(frozen=True)
class OtherMaker(Degradation):
    """A way of another program.

    Attributes:
        name: by which detection knows it.
        words: the same for a person.
        function: (H, W) or (H, W, C) uint8 and the scale -> levels, see `Degradation.levels`.
        tie: see `Degradation`.
        middle: of the first sample, in GT pixels.
    """

    name: str
    words: str
    function: Callable[[Frame, int], Levels | Frame]
    tie: float = 0.0
    middle: _Place = block_middle

    tag = "OTHER"

    def apply(self, frame: Frame, scale: int) -> Frame:
        """As `Degradation.apply`."""
        return rounded(self.levels(frame, scale))

    def levels(self, frame: Frame, scale: int) -> Levels:
        """As `Degradation.levels`."""
        return self.function(frame, scale).astype(np.float64)


# --- MATLAB's bicubic, not quite ----------------------------------------------------------------


def _half_even(frame: Frame, scale: int) -> Levels:
    rows, columns = (-(-n // scale) for n in frame.shape[:2])
    first = np.clip(np.rint(imresize(frame.astype(np.float64), (rows, frame.shape[1]))), 0, 255)
    both: Levels = np.clip(np.rint(imresize(first, (rows, columns))), 0, 255)
    return both


def _replicate(frame: Frame, scale: int) -> Frame:
    return imresize(frame, 1 / scale, border="replicate")


def _replicate_double(frame: Frame, scale: int) -> Frame:
    small: Frame = im2uint8(imresize(im2double(frame), 1 / scale, border="replicate"))
    return small


# --- Pillow, and torch where it does as Pillow --------------------------------------------------


def _keys(x: npt.NDArray[np.float64], a: float) -> npt.NDArray[np.float64]:
    """Keys' cubic kernel of parameter a."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    kernel: npt.NDArray[np.float64] = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    return kernel


class _Filter(NamedTuple):
    kernel: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
    support: float


_BICUBIC = _Filter(lambda x: _keys(x, -0.5), 2)
_LANCZOS = _Filter(_lanczos, 3)
_BILINEAR = _Filter(lambda x: np.maximum(1 - np.abs(x), 0), 1)
_BOX = _Filter(lambda x: np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0), 0.5)


class _Taps(NamedTuple):
    """(out, taps) each: what is summed for each sample."""

    places: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float64]


def _widened(length: int, out: int, kernel: _Filter) -> _Taps:
    """A kernel as wide as an output sample; what lies outside is left out, the rest made up to 1.

    GT pixels whose middles lie within the support count.
    """
    scale = length / out
    reach = kernel.support * scale
    middles = (np.arange(out) + 0.5) * scale
    first = np.maximum((middles - reach + 0.5).astype(np.intp), 0)
    last = np.minimum((middles + reach + 0.5).astype(np.intp), length)
    places = first[:, None] + np.arange((last - first).max())
    weights = kernel.kernel((places - middles[:, None] + 0.5) / scale)
    weights = np.where(places < last[:, None], weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return _Taps(np.minimum(places, length - 1), weights)


def _sum(samples: npt.NDArray[np.float64], taps: _Taps, axis: int) -> npt.NDArray[np.float64]:
    shape = [1] * samples.ndim
    shape[axis] = -1
    total = np.zeros(1)
    for places, weights in zip(taps.places.T, taps.weights.T, strict=True):
        total = total + samples.take(places, axis) * weights.reshape(shape)
    return total


def _pillow(kernel: _Filter) -> Callable[[Frame, int], Levels]:
    """Columns first; weights are whole 2**-22ths, and each axis is rounded to uint8."""

    def shrink(frame: Frame, scale: int) -> Levels:
        levels = frame.astype(np.float64)
        for axis in (1, 0):
            places, weights = _widened(frame.shape[axis], -(-frame.shape[axis] // scale), kernel)
            whole = np.trunc(weights * 2**_PILLOW_BITS + np.copysign(0.5, weights))
            sums = _sum(levels, _Taps(places, whole), axis) + 2 ** (_PILLOW_BITS - 1)
            levels = np.clip(np.floor(sums / 2**_PILLOW_BITS), 0, 255)
        return levels

    return shrink


def _torch_antialias(frame: Frame, scale: int) -> Levels:
    levels = frame.astype(np.float64)
    for axis in (1, 0):
        out = frame.shape[axis] // scale
        levels = _sum(levels, _widened(frame.shape[axis], out, _BICUBIC), axis)
    return levels


# --- OpenCV, and torch without antialias --------------------------------------------------------


def _narrow(weights_of: Callable[[float], tuple[float, ...]]) -> Callable[[Frame, int], Levels]:
    """A kernel of a few GT pixels around the middle of each block, the border's repeated."""

    def shrink(frame: Frame, scale: int) -> Levels:
        levels = frame.astype(np.float64)
        for axis in (0, 1):
            length = frame.shape[axis]
            middles = scale * np.arange(length // scale) + block_middle(scale)
            weights = np.array(weights_of(middles[0] % 1))
            before = len(weights) // 2 - 1
            places = np.floor(middles).astype(np.intp)[:, None] + np.arange(len(weights)) - before
            each = np.broadcast_to(weights, places.shape)
            levels = _sum(levels, _Taps(np.clip(places, 0, length - 1), each), axis)
        return levels

    return shrink


def _cubic(part: float) -> tuple[float, ...]:
    weights = _keys(np.array([1 + part, part, 1 - part, 2 - part]), -0.75)
    return tuple(weights.tolist())


def _linear(part: float) -> tuple[float, ...]:
    return 1 - part, part


def _area(frame: Frame, scale: int) -> Levels:
    rows, columns = (n // scale for n in frame.shape[:2])
    whole = frame[: rows * scale, : columns * scale]
    blocks = whole.reshape(rows, scale, columns, scale, *frame.shape[2:])
    mean: Levels = blocks.sum(axis=(1, 3), dtype=np.int64) / scale**2
    return mean


def _area_rounded(frame: Frame, scale: int) -> Levels:
    mean = _area(frame, scale)
    rounded_mean: Levels = np.floor(mean + 0.5) if scale == 2 else np.rint(mean)
    return rounded_mean


def _linear_rounded(frame: Frame, scale: int) -> Levels:
    up: Levels = np.floor(_narrow(_linear)(frame, scale) + 0.5)
    return up


def _every(first: _Place) -> Callable[[Frame, int], Frame]:
    """One GT sample of each block."""

    def shrink(frame: Frame, scale: int) -> Frame:
        rows, columns = (n // scale * scale for n in frame.shape[:2])
        start = int(first(scale))
        return frame[start:rows:scale, start:columns:scale]

    return shrink


def _upper_left(_scale: int) -> float:
    return 0


def _middle_pixel(scale: int) -> float:
    return scale // 2


OTHER_MAKERS = (
    OtherMaker(
        "mindediting", "MATLAB's bicubic with halves rounded to even (mindediting's)", _half_even
    ),
    OtherMaker(
        "uint8-replicate",
        "MATLAB's bicubic, uint8 convention, with a replicated border (old releases of MATLAB)",
        _replicate,
    ),
    OtherMaker(
        "double-replicate",
        "MATLAB's bicubic, double convention, with a replicated border (old releases of MATLAB)",
        _replicate_double,
    ),
    OtherMaker("pillow-bicubic", "Pillow's bicubic", _pillow(_BICUBIC)),
    OtherMaker("pillow-lanczos", "Pillow's lanczos", _pillow(_LANCZOS)),
    OtherMaker("pillow-bilinear", "Pillow's bilinear", _pillow(_BILINEAR)),
    OtherMaker("pillow-box", "Pillow's box", _pillow(_BOX)),
    OtherMaker("pillow-nearest", "Pillow's nearest", _every(_middle_pixel), middle=_middle_pixel),
    OtherMaker("opencv-cubic", "OpenCV's cubic", _narrow(_cubic), _EXACT_HALF),
    OtherMaker("opencv-area", "OpenCV's area", _area_rounded),
    OtherMaker("opencv-linear", "OpenCV's linear", _linear_rounded),
    OtherMaker("opencv-nearest", "OpenCV's nearest", _every(_upper_left), middle=_upper_left),
    OtherMaker("torch-bicubic", "torch's bicubic without antialias", _narrow(_cubic), _FLOAT32),
    OtherMaker("torch-bilinear", "torch's bilinear without antialias", _narrow(_linear), _FLOAT32),
    OtherMaker("torch-area", "torch's area (a mean of blocks)", _area, _FLOAT32),
    OtherMaker("torch-antialias", "torch's bicubic with antialias", _torch_antialias, _FLOAT32),
)
