"""Which input samples make an output sample, and with what weight: one axis of MATLAB's imresize.

Planning only; no picture is touched here. Results are cached and read-only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

_EPS = float(np.finfo(np.float64).eps)
# Beyond this many taps a plan would not fit in memory; no real picture comes near.
_MAX_TAPS = 1 << 20


def _box(x: Float64) -> Float64:
    return ((x >= -0.5) & (x < 0.5)).astype(np.float64)


def _triangle(x: Float64) -> Float64:
    rising: Float64 = (x + 1) * ((x >= -1) & (x < 0))
    falling: Float64 = (1 - x) * ((x >= 0) & (x <= 1))
    return rising + falling


def _cubic(x: Float64) -> Float64:
    """Keys 1981 with a = -0.5. Multiplied out: numpy's power differs between processors."""
    a = np.abs(x)
    a2 = a * a
    a3 = a2 * a
    near: Float64 = (1.5 * a3 - 2.5 * a2 + 1) * (a <= 1)
    far: Float64 = (-0.5 * a3 + 2.5 * a2 - 4 * a + 2) * ((a > 1) & (a <= 2))
    return near + far


def _lanczos(lobes: int) -> Callable[[Float64], Float64]:
    def kernel(x: Float64) -> Float64:
        pi_x = np.pi * x
        value = (np.sin(pi_x) * np.sin(pi_x / lobes) + _EPS) / (pi_x * pi_x / lobes + _EPS)
        windowed: Float64 = value * (np.abs(x) < lobes)
        return windowed

    return kernel


# method -> (kernel, support)
_CUBIC = (_cubic, 4.0)
_TRIANGLE = (_triangle, 2.0)
_BOX = (_box, 1.0)
KERNELS: dict[str, tuple[Callable[[Float64], Float64], float]] = {
    "nearest": _BOX,
    "box": _BOX,
    "triangle": _TRIANGLE,
    "bilinear": _TRIANGLE,
    "cubic": _CUBIC,
    "bicubic": _CUBIC,
    "lanczos2": (_lanczos(2), 4.0),
    "lanczos3": (_lanczos(3), 6.0),
}
BORDERS = ("symmetric", "replicate")


class Contributions(NamedTuple):
    """Output sample ``i`` is ``sum_p weights[i, p] * input[indices[i, p]]``.

    Attributes:
        weights: (out, taps) float64; each row sums to 1.
        positions: (out, taps) int64, 0-based, before the border rule: may lie outside the input.
        indices: (out, taps) int64, 0-based, after the border rule.
    """

    weights: Float64
    positions: Index
    indices: Index


def border_index(positions: Index, length: int, border: str) -> Index:
    """Map 0-based positions, inside or outside ``[0, length)``, to samples of the input.

    ``"symmetric"`` repeats the picture mirrored, edge sample included (current MATLAB);
    ``"replicate"`` repeats the edge sample (older releases).
    """
    if border == "replicate":
        return np.clip(positions, 0, length - 1)
    folded = np.mod(positions, 2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)


@lru_cache(maxsize=64)
def contributions(
    in_length: int, out_length: int, scale: float, method: str, antialiasing: bool, border: str
) -> Contributions:
    """Plan one axis.

    Args:
        in_length: samples of the input along the axis.
        out_length: samples of the output.
        scale: output samples per input sample; below 1 the kernel is widened if ``antialiasing``.
        method: a key of ``KERNELS``.
        antialiasing: as MATLAB's option; never applies to ``"nearest"``, MATLAB's default there.
        border: one of ``BORDERS``.

    Raises:
        ValueError: the scale is so small that the kernel would span over a million samples.

    Source: the coordinates and the kernel of MATLAB's imresize; Keys, "Cubic convolution
    interpolation for digital image processing", IEEE ASSP 29(6), 1981, for the cubic.
    """
    kernel, support = KERNELS[method]
    widen = antialiasing and scale < 1 and method != "nearest"
    width = support / scale if widen else support
    if width > _MAX_TAPS:
        raise ValueError(
            f"scale {scale!r}: one output sample would need {width:.3g} input samples, "
            f"at most {_MAX_TAPS} are supported; give a larger scale or size"
        )
    # MATLAB's 1-based coordinates, in its order of operations: the last bit counts.
    x = np.arange(1, out_length + 1, dtype=np.float64)
    u = x / scale + 0.5 * (1 - 1 / scale)
    left = np.floor(u - width / 2)
    taps = np.arange(math.ceil(width) + 2, dtype=np.float64)
    one_based = left[:, None] + taps
    distance = u[:, None] - one_based
    weights = scale * kernel(scale * distance) if widen else kernel(distance)
    # Tap after tap: numpy's own sum pairs the terms, which moves the last bit.
    weights = weights / np.add.accumulate(weights, axis=1)[:, -1:]
    used = weights.any(axis=0)
    weights = np.ascontiguousarray(weights[:, used])
    positions = one_based[:, used].astype(np.int64) - 1
    plan = Contributions(weights, positions, border_index(positions, in_length, border))
    for array in plan:
        array.setflags(write=False)
    return plan
