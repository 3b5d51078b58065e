"""MATLAB's imresize: arrays in, arrays out, equal to MATLAB's to the last sample.

What public ports get wrong, and what is followed here: the class of the picture holds after each
axis (a uint8 picture is rounded twice), halves are rounded away from zero, the axis with the
smaller scale goes first, and sums run in float64 in the order of the input samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from vimeo_tools.resize.classes import (
    Array,
    FloatArray,
    check_class,
    im2double,
    im2uint8,
    round_half_up,
    to_class,
)
from vimeo_tools.resize.contributions import BORDERS, KERNELS, Contributions, contributions
from vimeo_tools.resize.products import exact_dtype, exact_stencil, shrink_columns, shrink_rows

Convention = Literal["double", "uint8"]
CONVENTIONS: tuple[Convention, ...] = ("double", "uint8")

__all__ = [
    "CONVENTIONS",
    "Convention",
    "downscale",
    "im2double",
    "im2uint8",
    "imresize",
    "imresize_batch",
]

# method, antialiasing, border: the arguments of contributions() that come from the user.
Options = tuple[str, bool, str]
_BICUBIC: Options = ("bicubic", True, "symmetric")
_INTEGER = (int, np.integer)
_REAL = (int, float, np.integer, np.floating)
# The general resize works on strips of about this many samples, which stay in the cache.
_CACHED_SAMPLES = 32768
# Ties are settled in groups of this many samples, to bound the memory for flat graphics.
_TIE_GROUP = 4096


def imresize(
    image: Array,
    scale_or_size: float | Sequence[int],
    method: str = "bicubic",
    *,
    antialiasing: bool = True,
    border: str = "symmetric",
) -> Array:
    """Resize a picture as MATLAB's ``imresize(A, scale)`` or ``imresize(A, [rows cols])`` does.

    Args:
        image: (H, W) or (H, W, C) of uint8, uint16, float32 or float64. Float samples are neither
            scaled nor clipped.
        scale_or_size: a positive scale for both axes (the output is ``ceil(scale * size)``), or
            ``(rows, columns)``.
        method: "bicubic" ("cubic"), "bilinear" ("triangle"), "box", "nearest", "lanczos2",
            "lanczos3".
        antialiasing: widen the kernel when an axis shrinks. Without effect on "nearest", for which
            MATLAB's default is off; "box" is the same kernel with it.
        border: "symmetric" as in current MATLAB, "replicate" as in older releases.

    Returns:
        A new array of the input's dtype. After each axis uint8 and uint16 samples are rounded,
        halves away from zero, and clipped to the range of the type.

    Raises:
        TypeError: dtype, or the type of an argument, is not one of the above.
        ValueError: an empty array, other than 2 or 3 dimensions, a scale that is not positive and
            finite, a size below 1, an unknown method or border.
    """
    _check_picture(image, dimensions=(2, 3))
    scales, size = _resolve_size(image.shape[:2], scale_or_size)
    options = _check_options(method, antialiasing, border)
    frame = image if image.ndim == 3 else image[:, :, None]
    resized = _resize(np.ascontiguousarray(frame), scales, size, options)
    return resized if image.ndim == 3 else resized[:, :, 0]


def imresize_batch(
    frames: Array,
    scale_or_size: float | Sequence[int],
    method: str = "bicubic",
    *,
    antialiasing: bool = True,
    border: str = "symmetric",
) -> Array:
    """`imresize` of several frames of one size in one call.

    Args:
        frames: (N, H, W) or (N, H, W, C); the rest as for `imresize`.

    Returns:
        (N, h, w) or (N, h, w, C) of the input's dtype: frame by frame what `imresize` returns.

    Raises:
        TypeError, ValueError: as `imresize`.
    """
    _check_picture(frames, dimensions=(3, 4))
    return np.stack(
        [
            imresize(frame, scale_or_size, method, antialiasing=antialiasing, border=border)
            for frame in frames
        ]
    )


def downscale(frames: Array, scale: int = 4, convention: Convention = "double") -> Array:
    """Low-quality frames by MATLAB's bicubic, in one of the two conventions in use for Vimeo90K.

    Args:
        frames: uint8; one picture (H, W) or (H, W, C), or a stack of frames (N, H, W, C).
        scale: how many times smaller, an integer from 1 on.
        convention: "double" is ``im2uint8(imresize(im2double(A), 1/scale))``, as the scripts of
            BasicSR and KAIR and the data of the published RVRT weights; "uint8" is
            ``imresize(A, 1/scale)``, as mindediting. On natural frames one sample in ten differs.

    Returns:
        uint8, ``ceil(H / scale)`` by ``ceil(W / scale)``, otherwise of the input's shape.

    Raises:
        TypeError: frames are not uint8, or scale is not an integer.
        ValueError: wrong number of dimensions, an empty array, scale below 1, unknown convention.
    """
    _check_picture(frames, dimensions=(2, 3, 4))
    if frames.dtype != np.uint8:
        raise TypeError(
            f"got frames of dtype {frames.dtype}, need uint8; im2uint8() converts 0..1 floats"
        )
    if isinstance(scale, bool) or not isinstance(scale, _INTEGER):
        raise TypeError(f"got scale {scale!r}, need an integer such as 4 (for a quarter)")
    if scale < 1:
        raise ValueError(f"got scale {scale}, need at least 1; 4 makes frames of a quarter")
    if convention not in CONVENTIONS:
        raise ValueError(f"got convention {convention!r}, allowed are {', '.join(CONVENTIONS)}")
    if frames.ndim == 4:
        return np.stack([downscale(frame, scale, convention) for frame in frames])
    if convention == "uint8":
        return imresize(frames, 1 / int(scale))
    return _downscale_double(frames, 1 / int(scale))


# --- checks -------------------------------------------------------------------------------------


def _check_picture(image: Array, dimensions: tuple[int, ...]) -> None:
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"got {type(image).__name__}, need a numpy.ndarray (numpy.asarray makes one)"
        )
    check_class(image)
    if image.ndim not in dimensions:
        allowed = " or ".join(str(n) for n in dimensions)
        raise ValueError(
            f"got an array of {image.ndim} dimensions, shape {image.shape}; allowed are {allowed}"
        )
    if image.size == 0:
        raise ValueError(f"got an empty array of shape {image.shape}, need at least one sample")


def _check_options(method: str, antialiasing: bool, border: str) -> Options:
    if method not in KERNELS:
        raise ValueError(f"got method {method!r}, allowed are {', '.join(KERNELS)}")
    if border not in BORDERS:
        raise ValueError(f"got border {border!r}, allowed are {', '.join(BORDERS)}")
    return method, bool(antialiasing), border


def _resolve_size(
    shape: tuple[int, ...], scale_or_size: float | Sequence[int]
) -> tuple[tuple[float, float], tuple[int, int]]:
    """((row scale, column scale), (rows, columns)) as MATLAB derives one from the other."""
    rows, columns = shape
    if isinstance(scale_or_size, _REAL) and not isinstance(scale_or_size, bool):
        scale = float(scale_or_size)
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"got scale {scale_or_size!r}, need a positive finite number")
        return (scale, scale), (math.ceil(scale * rows), math.ceil(scale * columns))
    if not isinstance(scale_or_size, (tuple, list, np.ndarray)):
        raise TypeError(f"got {scale_or_size!r}, need a scale or a size as (rows, columns)")
    if len(scale_or_size) != 2:
        raise ValueError(f"got size {scale_or_size!r}, need two integers (rows, columns)")
    if any(isinstance(n, bool) or not isinstance(n, _INTEGER) for n in scale_or_size):
        raise TypeError(f"got size {scale_or_size!r}, need two integers (rows, columns)")
    if min(scale_or_size) < 1:
        raise ValueError(f"got size {scale_or_size!r}, need at least 1 row and 1 column")
    size = int(scale_or_size[0]), int(scale_or_size[1])
    return (size[0] / rows, size[1] / columns), size


# --- the resize ---------------------------------------------------------------------------------


def _resize(
    frame: Array,
    scales: tuple[float, float],
    size: tuple[int, int],
    options: Options,
) -> Array:
    """Both axes of (H, W, C); the smaller scale first, rows first when equal."""
    axes = (0, 1) if scales[0] <= scales[1] else (1, 0)
    for axis in axes:
        frame = _resize_axis(frame, axis, size[axis], scales[axis], options)
    return frame


def _resize_axis(frame: Array, axis: int, out_length: int, scale: float, options: Options) -> Array:
    """One axis of (H, W, C), in the class of the picture."""
    in_length = frame.shape[axis]
    if frame.dtype.kind == "u":
        stencil = exact_stencil(in_length, out_length, scale, *options)
        exact = stencil and exact_dtype(8 * frame.dtype.itemsize, stencil)
        if stencil and exact:
            shrink = shrink_rows if axis == 0 else shrink_columns
            return to_class(shrink(frame, stencil, exact), frame.dtype)
    plan = contributions(in_length, out_length, scale, *options)
    return to_class(_ordered_sum(frame, axis, plan), frame.dtype)


def _ordered_sum(frame: Array, axis: int, plan: Contributions) -> npt.NDArray[np.float64]:
    """The plain sum over the taps, one after the other: the order decides the last bit."""
    moved = np.ascontiguousarray(np.moveaxis(frame, axis, 0), dtype=np.float64)
    samples = moved.reshape(moved.shape[0], -1)
    out_length = plan.weights.shape[0]
    total = np.zeros((out_length, samples.shape[1]))
    width = max(_CACHED_SAMPLES // out_length, 1)
    for start in range(0, samples.shape[1], width):
        strip = samples[:, start : start + width]
        for weight, index in zip(plan.weights.T, plan.indices.T, strict=True):
            tap = strip[index]
            tap *= weight[:, None]
            total[:, start : start + width] += tap
    return np.moveaxis(total.reshape(out_length, *moved.shape[1:]), 0, axis)


def _downscale_double(image: Array, scale: float) -> Array:
    """im2uint8(imresize(im2double(image), scale)) of uint8."""
    frame = image if image.ndim == 3 else image[:, :, None]
    sums = _exact_sums(frame, scale)
    if sums is None:
        return im2uint8(imresize(im2double(image), scale))
    rounded = _round_as_double(frame, sums, scale)
    return rounded if image.ndim == 3 else rounded[:, :, 0]


def _exact_sums(frame: Array, scale: float) -> FloatArray | None:
    """Both axes of a uint8 frame in 0..255, free of rounding, or None where that cannot be had."""
    rows, columns = (
        exact_stencil(n, math.ceil(scale * n), scale, *_BICUBIC) for n in frame.shape[:2]
    )
    if rows is None or columns is None:
        return None
    first, second = exact_dtype(8, rows), exact_dtype(8, rows, columns)
    if first is None or second is None:
        return None
    return shrink_columns(shrink_rows(frame, rows, first), columns, second)


def _round_as_double(frame: Array, sums: FloatArray, scale: float) -> Array:
    """Round exact sums; an exact half falls as MATLAB's own rounding errors make it fall."""
    shifted = round_half_up(sums, 255)
    rounded = shifted.astype(np.uint8)
    found = np.flatnonzero((shifted == rounded) & (shifted > 0))  # faster than argwhere
    ties = np.stack(np.unravel_index(found, rounded.shape), axis=1)
    rows, columns = (
        contributions(n, m, scale, *_BICUBIC)
        for n, m in zip(frame.shape[:2], rounded.shape[:2], strict=True)
    )
    for start in range(0, len(ties), _TIE_GROUP):
        group = ties[start : start + _TIE_GROUP]
        rounded[tuple(group.T)] = _ordered_samples(frame, group, rows, columns)
    return rounded


def _ordered_samples(
    frame: Array, where: npt.NDArray[np.int64], rows: Contributions, columns: Contributions
) -> npt.NDArray[np.uint8]:
    """The output samples at ``where`` (K, 3), summed on im2double samples in MATLAB's order."""
    i, j, channel = where.T
    patch = im2double(
        frame[rows.indices[i][:, :, None], columns.indices[j][:, None, :], channel[:, None, None]]
    )
    column_sums = np.zeros((len(where), patch.shape[2]))
    for tap in range(patch.shape[1]):
        column_sums += rows.weights[i, tap, None] * patch[:, tap]
    total = np.zeros(len(where))
    for tap in range(patch.shape[2]):
        total += columns.weights[j, tap] * column_sums[:, tap]
    return im2uint8(total)
