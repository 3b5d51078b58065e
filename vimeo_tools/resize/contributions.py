"""Which input samples make an output sample, and with what weight: one axis of MATLAB's imresize.

Planning only; no picture is touched here. Results are cached and read-only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple, Union, get_args

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

Kernel = Callable[[Float64], Float64]
MethodName = Literal[
    "nearest", "box", "triangle", "bilinear", "cubic", "bicubic", "lanczos2", "lanczos3"
]
# A name, or a kernel of one's own and its width: MATLAB's {f, w}.
Method = Union[MethodName, tuple[Kernel, float]]  # noqa: UP007 (mypy needs it beside Literal)
Border = Literal["symmetric", "replicate"]

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


def _lanczos(lobes: int) -> Kernel:
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
KERNELS: dict[str, tuple[Kernel, float]] = {
    "nearest": _BOX,
    "box": _BOX,
    "triangle": _TRIANGLE,
    "bilinear": _TRIANGLE,
    "cubic": _CUBIC,
    "bicubic": _CUBIC,
    "lanczos2": (_lanczos(2), 4.0),
    "lanczos3": (_lanczos(3), 6.0),
}
BORDERS: tuple[Border, ...] = get_args(Border)


class Options(NamedTuple):
    """The arguments of `contributions` that come from the user."""

    method: Method
    antialiasing: bool
    border: Border


BICUBIC = Options("bicubic", True, "symmetric")


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


def border_index(positions: Index, length: int, border: Border) -> Index:
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
    in_length: int,
    out_length: int,
    scale: float,
    method: Method,
    antialiasing: bool,
    border: Border,
) -> Contributions:
    """Plan one axis.

    Args:
        in_length: samples of the input along the axis.
        out_length: samples of the output.
        scale: output samples per input sample; below 1 the kernel is widened if ``antialiasing``.
        method: a key of ``KERNELS``, or a kernel and its width; it gets distances as an array.
        antialiasing: as MATLAB's option; never applies to ``"nearest"``, MATLAB's default there.
        border: one of ``BORDERS``.

    Raises:
        ValueError: the scale is so small that the kernel would span over a million samples, or a
            kernel of the user's gives weights that are not finite or have the sum 0.

    Source: the coordinates and the kernel of MATLAB's imresize; Keys, "Cubic convolution
    interpolation for digital image processing", IEEE ASSP 29(6), 1981, for the cubic.
    """
    kernel, support = KERNELS[method] if isinstance(method, str) else method
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
    weights = np.asarray(scale * kernel(scale * distance) if widen else kernel(distance))
    if weights.shape != distance.shape:
        raise ValueError(
            f"kernel {kernel!r}: got {weights.shape} weights for {distance.shape} distances; "
            "it has to take an array and return one of the same shape"
        )
    # Tap after tap: numpy's own sum pairs the terms, which moves the last bit.
    totals = np.add.accumulate(weights, axis=1)[:, -1:]
    if not (np.isfinite(totals).all() and totals.all()):
        raise ValueError(
            f"kernel {kernel!r} of width {support}: the weights of an output sample must be "
            "finite and their sum not 0"
        )
    weights = weights / totals
    used = weights.any(axis=0)
    weights = np.ascontiguousarray(weights[:, used])
    positions = one_based[:, used].astype(np.int64) - 1
    plan = Contributions(weights, positions, border_index(positions, in_length, border))
    for array in plan:
        array.setflags(write=False)
    return plan


def dyadic_bits(weights: Float64) -> int | None:
    """The smallest n for which every weight is an integer / 2**n; None where none is up to 20."""
    for bits in range(21):
        scaled = weights * 2.0**bits
        if (scaled == np.rint(scaled)).all():
            return bits
    return None


def dyadic_size(weights: Float64) -> float:
    """How large sums become as integers, 2**bits * the sum of the magnitudes of a row's weights.

    ``bits`` is that of `dyadic_bits`; infinity where there is none. Sums of integers up to ``top``
    are exact in any order in a float whose mantissa holds ``(top + 1) * dyadic_size``, the half
    that rounding adds included.
    """
    bits = dyadic_bits(weights)
    return math.inf if bits is None else float(np.abs(weights * 2.0**bits).sum(axis=1).max())
