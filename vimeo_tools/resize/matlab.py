"""MATLAB's imresize: arrays in, arrays out, equal to MATLAB's to the last sample.

What public ports get wrong, and what is followed here: the class of the picture holds after each
axis (a uint8 picture is rounded twice), halves are rounded away from zero, the axis with the
smaller scale goes first, and sums run in float64 in the order of the input samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from vimeo_tools.resize import compiled, numpy_sums
from vimeo_tools.resize.arguments import (
    ChannelAxis,
    Size,
    Target,
    arrange,
    check_array,
    check_options,
    check_threads,
    resolve_target,
)
from vimeo_tools.resize.backends import backend
from vimeo_tools.resize.classes import Array, im2double, im2uint8
from vimeo_tools.resize.contributions import Border, Method, Options

Convention = Literal["double", "uint8"]
CONVENTIONS: tuple[Convention, ...] = ("double", "uint8")
Sample = TypeVar("Sample", bound=np.generic)

__all__ = [
    "CONVENTIONS",
    "Convention",
    "backend",
    "downscale",
    "im2double",
    "im2uint8",
    "imresize",
    "imresize_batch",
]


def imresize(
    image: npt.NDArray[Sample],
    scale_or_size: float | Size | None = None,
    method: Method = "bicubic",
    *,
    antialiasing: bool = True,
    border: Border = "symmetric",
    scale: float | Sequence[float] | None = None,
    channel_axis: ChannelAxis = "auto",
) -> npt.NDArray[Sample]:
    """Resize a picture as MATLAB's ``imresize(A, scale)`` or ``imresize(A, [rows cols])`` does.

    Args:
        image: (..., H, W) or (..., H, W, C) of bool, uint8, int8, uint16, int16, int32, float32 or
            float64; see ``channel_axis``. Float samples are neither scaled nor clipped.
        scale_or_size: a positive scale for both axes (the output is ``ceil(scale * size)``), or
            ``(rows, columns)``; None in place of one of them keeps the aspect ratio, as MATLAB's
            NaN.
        method: "bicubic" ("cubic"), "bilinear" ("triangle"), "box", "nearest", "lanczos2",
            "lanczos3", or MATLAB's {f, w}: ``(function, width)`` with a function of an array of
            distances that is 0 outside -width/2..width/2.
        antialiasing: widen the kernel when an axis shrinks. Without effect on "nearest", for which
            MATLAB's default is off; "box" is the same kernel with it.
        border: "symmetric" as in current MATLAB, "replicate" as in older releases.
        scale: MATLAB's parameter "Scale": a number or (row scale, column scale), in place of
            ``scale_or_size`` or beside a size, which is then not divided by the input's.
        channel_axis: the axis that holds the channels, None where there is none; of the others the
            last two are resized. "auto": none in an array of two dimensions, else the last one,
            unless it does not look like channels.

    Returns:
        A new array of the input's dtype and layout. After each axis integers are rounded, halves
        away from zero, and clipped to the range of the type. bool is resized as 0 and 255 in
        uint8; true is what is above 128.

    Raises:
        TypeError: dtype, or the type of an argument, is not one of the above.
        ValueError: an empty array, fewer than 2 dimensions, a scale that is not positive and
            finite, a size below 1, an unknown method or border, a shape that looks wrong.
    """
    check_array(image)
    options = check_options(method, antialiasing, border)
    frames, restore = arrange(image, channel_axis)
    target = resolve_target(frames.shape[1:3], scale_or_size, scale)
    resize = partial(_resize, target=target, options=options)
    return restore(_map_frames(resize, frames, target.size, 1))


def imresize_batch(
    frames: npt.NDArray[Sample],
    scale_or_size: float | Size | None = None,
    method: Method = "bicubic",
    *,
    antialiasing: bool = True,
    border: Border = "symmetric",
    scale: float | Sequence[float] | None = None,
    channel_axis: ChannelAxis = "auto",
    threads: int = 1,
) -> npt.NDArray[Sample]:
    """`imresize` of several frames of one size in one call.

    Args:
        frames: (N, H, W) or (N, H, W, C); the rest as for `imresize`. ``channel_axis`` "auto":
            none in three dimensions, else the last one.
        threads: how many frames are resized at once.

    Returns:
        (N, h, w) or (N, h, w, C) of the input's dtype: frame by frame what `imresize` returns.

    Raises:
        TypeError, ValueError: as `imresize`.
    """
    check_array(frames)
    if frames.ndim < 3:
        raise ValueError(
            f"got an array of {frames.ndim} dimensions, shape {frames.shape}; need (N, rows, "
            "columns) or (N, rows, columns, channels)"
        )
    options = check_options(method, antialiasing, border)
    check_threads(threads)
    if frames.ndim == 3 and channel_axis == "auto":
        channel_axis = None
    stack, restore = arrange(frames, channel_axis)
    target = resolve_target(stack.shape[1:3], scale_or_size, scale)
    resize = partial(_resize, target=target, options=options)
    return restore(_map_frames(resize, stack, target.size, threads))


def downscale(
    frames: npt.NDArray[np.uint8],
    scale: int = 4,
    convention: Convention = "double",
    *,
    channel_axis: ChannelAxis = "auto",
    threads: int = 1,
) -> npt.NDArray[np.uint8]:
    """Low-quality frames by MATLAB's bicubic, in one of the two conventions in use for Vimeo90K.

    Args:
        frames: uint8; a picture or a stack, (..., H, W) or (..., H, W, C); see ``channel_axis``.
        scale: how many times smaller, an integer from 1 on.
        convention: "double" is ``im2uint8(imresize(im2double(A), 1/scale))``, as the scripts of
            BasicSR and KAIR and the data of the published RVRT weights; "uint8" is
            ``imresize(A, 1/scale)``, as mindediting. On natural frames one sample in ten differs.
        channel_axis: as for `imresize`.
        threads: how many frames of a stack are made at once.

    Returns:
        uint8, ``ceil(H / scale)`` by ``ceil(W / scale)``, otherwise of the input's shape.

    Raises:
        TypeError: frames are not a uint8 array, or scale or threads not an integer.
        ValueError: fewer than 2 dimensions, an empty array, a shape that looks wrong, scale below
            1, unknown convention.
    """
    check_array(frames)
    if frames.dtype != np.uint8:
        raise TypeError(
            f"got frames of dtype {frames.dtype}, need uint8; im2uint8() converts 0..1 floats"
        )
    if isinstance(scale, bool) or not isinstance(scale, (int, np.integer)):
        raise TypeError(f"got scale {scale!r}, need an integer such as 4 (for a quarter)")
    if scale < 1:
        raise ValueError(f"got scale {scale}, need at least 1; 4 makes frames of a quarter")
    if convention not in CONVENTIONS:
        raise ValueError(f"got convention {convention!r}, allowed are {', '.join(CONVENTIONS)}")
    check_threads(threads)
    stack, restore = arrange(frames, channel_axis)
    target = resolve_target(stack.shape[1:3], 1 / int(scale), None)
    sums = compiled if backend() == "compiled" else numpy_sums

    def shrink(frame: Array) -> Array:
        if convention == "uint8":
            return _resize(frame, target, Options("bicubic", True, "symmetric"))
        small: Array = sums.downscale_double(frame, target.scales[0], target.size)
        return small

    return restore(_map_frames(shrink, stack, target.size, threads))


def _map_frames(
    function: Callable[[Array], Array], frames: Array, size: tuple[int, int], threads: int
) -> Array:
    """``function`` of each frame, stacked; the compiled sums leave Python to other threads."""
    if len(frames) == 1:
        return function(frames[0])[None]
    out = np.empty((len(frames), *size, frames.shape[-1]), frames.dtype)

    def fill(part: range) -> None:
        for n in part:
            out[n] = function(frames[n])

    threads = min(threads, len(frames))
    if threads == 1:
        fill(range(len(frames)))
        return out
    from concurrent.futures import ThreadPoolExecutor

    # One task a thread: handing over frame by frame costs a third of what two threads gain.
    parts = [range(first, len(frames), threads) for first in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, parts))  # raises what a frame raises
    return out


def _resize(frame: Array, target: Target, options: Options) -> Array:
    """Both axes of a contiguous (H, W, C); the smaller scale first, rows first when equal."""
    if frame.dtype == np.bool_:
        above: Array = _resize(frame.astype(np.uint8) * np.uint8(255), target, options) > 128
        return above
    sums = compiled if backend() == "compiled" else numpy_sums
    axes = (0, 1) if target.scales[0] <= target.scales[1] else (1, 0)
    for axis in axes:
        frame = sums.resize_axis(frame, axis, target.size[axis], target.scales[axis], options)
    return frame
