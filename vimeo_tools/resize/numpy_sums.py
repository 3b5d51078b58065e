"""The resize by NumPy alone, where the compiled part was not built; the same samples.

The same two functions as in `compiled`: `resize_axis` and `downscale_double`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vimeo_tools.resize.bands import BandedSums, banded_sums, resize_unsigned, round_sums
from vimeo_tools.resize.classes import (
    Array,
    FloatArray,
    im2double,
    im2uint8,
    to_class,
)
from vimeo_tools.resize.contributions import BICUBIC, Contributions, Options, contributions
from vimeo_tools.resize.halves import settle_halves
from vimeo_tools.resize.products import exact_dtype, exact_stencil, shrink_columns, shrink_rows

# The ordered sum works on strips of about this many samples, which stay in the cache, but not on
# narrower ones than this.
_CACHED_SAMPLES = 8192
_LEAST_WIDTH = 32
# Sums in float64 of two axes are within 1e-9 of each other in any order and unit, for any number of
# taps that a picture can need: what is nearer to a half is settled by the sum in MATLAB's order.
_HALF = 1e-6
# More halves than one in so many samples, as in flat graphics, and all is summed in order.
_HALVES_SHARE = 64


def resize_axis(frame: Array, axis: int, out_length: int, scale: float, options: Options) -> Array:
    """One axis of a contiguous (H, W, C), in the class of the picture."""
    in_length = frame.shape[axis]
    if frame.dtype.kind == "u":
        stencil = exact_stencil(in_length, out_length, scale, *options)
        exact = stencil and exact_dtype(8 * frame.dtype.itemsize, stencil)
        if stencil and exact:
            shrink = shrink_rows if axis == 0 else shrink_columns
            return to_class(shrink(frame, stencil, exact), frame.dtype)
        banded = resize_unsigned(frame, axis, out_length, scale, options)
        if banded is not None:
            return banded
    plan = contributions(in_length, out_length, scale, *options)
    return to_class(_ordered_sum(frame, axis, plan), frame.dtype)


def _ordered_sum(frame: Array, axis: int, plan: Contributions) -> npt.NDArray[np.float64]:
    """One axis of (H, W, C) in float64, the taps one after the other: the order counts."""
    height, width, channels = frame.shape
    out_length = len(plan.weights)
    fitting = max(_CACHED_SAMPLES // out_length, _LEAST_WIDTH)
    if axis == 0:
        samples = frame.reshape(height, width * channels)
        out = np.empty((out_length, width * channels))
        for start in range(0, width * channels, fitting):
            piece = slice(start, start + fitting)
            out[:, piece] = _sum_taps(samples[:, piece], plan)
        return out.reshape(out_length, width, channels)
    out = np.empty((height, out_length, channels))
    rows = max(fitting // channels, 1)
    for start in range(0, height, rows):
        strip = frame[start : start + rows].swapaxes(0, 1)
        summed = _sum_taps(strip.reshape(width, -1), plan)
        out[start : start + rows] = summed.reshape(out_length, -1, channels).swapaxes(0, 1)
    return out


def _sum_taps(samples: Array, plan: Contributions) -> npt.NDArray[np.float64]:
    """(in, L) -> (out, L)."""
    samples = np.ascontiguousarray(samples, np.float64)
    total = np.zeros((len(plan.weights), samples.shape[1]))
    for weight, index in zip(plan.weights.T, plan.indices.T, strict=True):
        tap = samples[index]
        tap *= weight[:, None]
        total += tap
    return total


def downscale_double(frame: Array, scale: float, size: tuple[int, int]) -> Array:
    """im2uint8(imresize(im2double(frame), scale)) of a contiguous uint8 (H, W, C)."""
    sums = _exact_sums(frame, scale)
    if sums is not None:
        banded = BandedSums(sums, _HALF)
    else:
        rows = banded_sums(frame, 0, size[0], scale, BICUBIC, np.float64, 255)
        banded = banded_sums(rows.sums, 1, size[1], scale, BICUBIC, np.float64, 1024)
        banded = banded._replace(error=_HALF)
    rounded, halves = round_sums(banded, np.dtype(np.uint8))
    if len(halves) * _HALVES_SHARE <= rounded.size:
        settle_halves(frame, rounded, halves, scale)
        return rounded
    double: Array = im2double(frame)
    for axis in (0, 1):
        double = resize_axis(double, axis, size[axis], scale, BICUBIC)
    return im2uint8(double)


def _exact_sums(frame: Array, scale: float) -> FloatArray | None:
    """Both axes of a uint8 frame in 0..255, free of rounding, or None where that cannot be had."""
    rows, columns = (
        exact_stencil(n, math.ceil(scale * n), scale, *BICUBIC) for n in frame.shape[:2]
    )
    if rows is None or columns is None:
        return None
    first, second = exact_dtype(8, rows), exact_dtype(8, rows, columns)
    if first is None or second is None:
        return None
    return shrink_columns(shrink_rows(frame, rows, first), columns, second)
