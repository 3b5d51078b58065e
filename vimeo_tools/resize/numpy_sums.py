"""The resize by NumPy alone, where the compiled part was not built; the same samples.

The same two functions as in `compiled`: `resize_axis` and `downscale_double`.
"""

from __future__ import annotations

import math

import numpy as np

from vimeo_tools.resize.bands import BandedSums, banded_sums, resize_unsigned, round_sums
from vimeo_tools.resize.classes import (
    Array,
    FloatArray,
    im2double,
    im2uint8,
    to_class,
)
from vimeo_tools.resize.contributions import BICUBIC, Options
from vimeo_tools.resize.halves import settle_halves
from vimeo_tools.resize.ordered import ordered_sum
from vimeo_tools.resize.products import exact_dtype, exact_stencil, shrink_columns, shrink_rows

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
    return to_class(ordered_sum(frame, axis, out_length, scale, options), frame.dtype)


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
