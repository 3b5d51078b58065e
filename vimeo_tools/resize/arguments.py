"""What callers may hand in: pictures of any layout, scales, sizes, options; else a refusal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Union

import numpy as np

from vimeo_tools.resize.classes import CLASSES, Array
from vimeo_tools.resize.contributions import BORDERS, KERNELS, Border, Method, Options

Size = Sequence[Union[int, None]]  # noqa: UP007 (Sequence of a union, Python 3.10)
ChannelAxis = Union[int, None, Literal["auto"]]  # noqa: UP007
_INTEGER = (int, np.integer)
_REAL = (int, float, np.integer, np.floating)
# More channels than this, and more than rows or columns, is taken for a layout mistaken.
_USUAL_CHANNELS = 5


class Arrangement(NamedTuple):
    """A picture or a stack as (N, H, W, C), and the way back for frames of another size."""

    frames: Array
    restore: Callable[[Array], Array]


def check_array(image: object) -> None:
    """Raise a TypeError or ValueError unless this is a non-empty array of one of ``CLASSES``."""
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"got {type(image).__name__}, need a numpy.ndarray (numpy.asarray makes one)"
        )
    if image.dtype.name not in CLASSES:
        raise TypeError(f"got an array of dtype {image.dtype}, allowed are {', '.join(CLASSES)}")
    if image.ndim < 2:
        raise ValueError(
            f"got an array of {image.ndim} dimensions, shape {image.shape}; need at least "
            "(rows, columns)"
        )
    if image.size == 0:
        raise ValueError(f"got an empty array of shape {image.shape}, need at least one sample")


def arrange(image: Array, channel_axis: ChannelAxis) -> Arrangement:
    """The array as contiguous (N, H, W, C).

    Raises:
        TypeError: channel_axis is not an integer, None or "auto".
        ValueError: no such axis, too few others, or "auto" and a last axis that does not look like
            channels.
    """
    axis = _find_channels(image.shape, channel_axis)
    rest = [n for n in range(image.ndim) if n != axis]
    if len(rest) < 2:
        raise ValueError(f"got shape {image.shape} and channel_axis={axis}: need rows and columns")
    row, column = rest[-2:]
    leading = rest[:-2]
    if axis is not None and axis < row:  # channels first are so many grey pictures
        leading, axis = sorted([*leading, axis]), None
    order = [*leading, row, column, *([] if axis is None else [axis])]
    lead_shape = tuple(image.shape[n] for n in leading)
    channels = 1 if axis is None else image.shape[axis]
    size = image.shape[row], image.shape[column]
    frames = np.ascontiguousarray(image.transpose(order)).reshape(-1, *size, channels)

    def restore(resized: Array) -> Array:
        tail = resized.shape[1:3] if axis is None else resized.shape[1:]
        return resized.reshape(*lead_shape, *tail).transpose(np.argsort(order))

    return Arrangement(frames, restore)


def _find_channels(shape: tuple[int, ...], channel_axis: Any) -> int | None:
    if channel_axis is None or (isinstance(channel_axis, str) and channel_axis == "auto"):
        if channel_axis is None or len(shape) == 2:
            return None
        rows, columns, channels = shape[-3:]
        if channels > _USUAL_CHANNELS and channels >= min(rows, columns):
            raise ValueError(
                f"got shape {shape}, which would be {rows}x{columns} pixels of {channels} "
                "channels; say which axis holds the channels: channel_axis=-3 for (channels, "
                "rows, columns), channel_axis=None for a stack of grey pictures, channel_axis=-1 "
                "if it is meant as it is"
            )
        return len(shape) - 1
    if isinstance(channel_axis, bool) or not isinstance(channel_axis, _INTEGER):
        raise TypeError(f"got channel_axis {channel_axis!r}, need an integer, None or 'auto'")
    if not -len(shape) <= channel_axis < len(shape):
        raise ValueError(f"got channel_axis {channel_axis}, the array has the shape {shape}")
    return int(channel_axis) % len(shape)


def check_options(method: Method, antialiasing: bool, border: Border) -> Options:
    """The options, or a TypeError or ValueError that says which are allowed."""
    if isinstance(method, (tuple, list)):
        if len(method) != 2 or not callable(method[0]) or not _is_positive(method[1]):
            raise TypeError(
                f"got method {method!r}, need a name or (kernel, width): a function of an array "
                "of distances and the positive width outside which it is 0"
            )
        method = (method[0], float(method[1]))
    elif not isinstance(method, str) or method not in KERNELS:
        raise ValueError(
            f"got method {method!r}, allowed are {', '.join(KERNELS)} and (kernel, width)"
        )
    if border not in BORDERS:
        raise ValueError(f"got border {border!r}, allowed are {', '.join(BORDERS)}")
    return Options(method, bool(antialiasing), border)


def _is_positive(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, _REAL):
        return False
    return bool(math.isfinite(value) and value > 0)


class Target(NamedTuple):
    """Scales and size, each of (rows, columns)."""

    scales: tuple[float, float]
    size: tuple[int, int]


def resolve_target(
    shape: tuple[int, ...],
    scale_or_size: float | Size | None,
    scale: float | Sequence[float] | None,
) -> Target:
    """What MATLAB derives from a scale, a size, or both: neither overrides the other."""
    rows, columns = shape
    if _is_number(scale_or_size):
        if scale is not None:
            raise TypeError(f"got the scale {scale_or_size!r} and scale={scale!r}; give one")
        scale, scale_or_size = scale_or_size, None  # type: ignore[assignment]
    scales = None if scale is None else _check_scales(scale)
    if scale_or_size is None:
        if scales is None:
            raise TypeError("got None, need a scale or a size as (rows, columns)")
        return Target(scales, (math.ceil(scales[0] * rows), math.ceil(scales[1] * columns)))
    height, width = _check_size(scale_or_size)
    if height is None and width is not None:
        found = Target((width / columns,) * 2, (math.ceil(width * rows / columns), width))
    elif width is None and height is not None:
        found = Target((height / rows,) * 2, (height, math.ceil(height * columns / rows)))
    elif height is not None and width is not None:
        found = Target((height / rows, width / columns), (height, width))
    else:
        raise ValueError("got size (None, None), need rows, columns or both")
    return found if scales is None else found._replace(scales=scales)


def _is_number(value: object) -> bool:
    return isinstance(value, _REAL) and not isinstance(value, bool)


def _check_scales(scale: Any) -> tuple[float, float]:
    pair = (scale, scale) if _is_number(scale) else scale
    if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
        raise TypeError(f"got scale {scale!r}, need a number or (row scale, column scale)")
    if not all(_is_positive(s) for s in pair):
        raise ValueError(f"got scale {scale!r}, need a positive finite number")
    return float(pair[0]), float(pair[1])


def _check_size(size: Any) -> tuple[int | None, int | None]:
    if not isinstance(size, (tuple, list, np.ndarray)):
        raise TypeError(f"got {size!r}, need a scale or a size as (rows, columns)")
    if len(size) != 2:
        raise ValueError(f"got size {size!r}, need two integers (rows, columns)")
    for n in size:
        if n is not None and (isinstance(n, bool) or not isinstance(n, _INTEGER)):
            raise TypeError(
                f"got size {size!r}, need two integers (rows, columns); None in place of one "
                "keeps the aspect ratio"
            )
        if n is not None and n < 1:
            raise ValueError(f"got size {size!r}, need at least 1 row and 1 column")
    height, width = (None if n is None else int(n) for n in size)
    return height, width


def check_threads(threads: int) -> None:
    """Raise a TypeError or ValueError unless this is an integer from 1 on."""
    if isinstance(threads, bool) or not isinstance(threads, _INTEGER):
        raise TypeError(f"got threads {threads!r}, need an integer")
    if threads < 1:
        raise ValueError(f"got threads {threads}, need at least 1")
