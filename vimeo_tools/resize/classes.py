"""MATLAB's picture classes: which there are, how one becomes another, how they round."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vimeo_tools.resize import compiled
from vimeo_tools.resize.backends import backend

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]
UInt8Array = npt.NDArray[np.uint8]

# Those that can be resized; im2double and im2uint8 take the second group.
CLASSES = ("bool", "uint8", "int8", "uint16", "int16", "int32", "float32", "float64")
CONVERTED = ("uint8", "uint16", "float32", "float64")
_CACHED_SAMPLES = 1 << 15
_FITS_INT32 = 2.0**61  # a sum of squares
_UNIT_KINDS = {"uint8": "unit8", "uint16": "unit16"}


def _check_converted(array: Array) -> None:
    if array.dtype.name not in CONVERTED:
        raise TypeError(f"got an array of dtype {array.dtype}, allowed are {', '.join(CONVERTED)}")


def im2double(image: Array) -> npt.NDArray[np.float64]:
    """MATLAB's im2double: uint8 / 255, uint16 / 65535, floats as they are; float64.

    Raises:
        TypeError: dtype is not uint8, uint16, float32 or float64.
    """
    array = np.asarray(image)
    _check_converted(array)
    name = array.dtype.name
    if backend() == "compiled":
        return compiled.convert(array, _UNIT_KINDS.get(name, name), "float64")
    maximum = np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1
    double: npt.NDArray[np.float64] = np.divide(array, maximum, dtype=np.float64)
    return double


def im2uint8(image: Array) -> UInt8Array:
    """MATLAB's im2uint8 (and imwrite of a double): floats clipped to 0..1, times 255, rounded.

    Halves are rounded up and NaN becomes 0; uint16 is divided by 257 and rounded; uint8 is copied.

    Raises:
        TypeError: dtype is not uint8, uint16, float32 or float64.
    """
    array = np.asarray(image)
    _check_converted(array)
    if array.dtype == np.uint8:
        return np.array(array, dtype=np.uint8)
    if array.dtype == np.uint16:
        levels: UInt8Array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
        return levels
    if backend() == "compiled":
        return compiled.convert(array, array.dtype.name, "unit8")
    return _unit_to_levels(np.ascontiguousarray(array))


def _unit_to_levels(array: Array) -> UInt8Array:
    """im2uint8 of floats, in pieces that stay in the cache."""
    levels = np.empty(array.shape, np.uint8)
    source, target = array.reshape(-1), levels.reshape(-1)
    for start in range(0, len(source), _CACHED_SAMPLES):
        with np.errstate(over="ignore"):
            piece = np.multiply(source[start : start + _CACHED_SAMPLES], 255, dtype=np.float64)
        piece += 0.5
        # Integers are clipped in a fraction of the time of floats. False for NaN too.
        if np.dot(piece, piece) < _FITS_INT32:
            rounded = np.clip(piece.astype(np.int32), 0, 255)
        else:
            rounded = np.minimum(np.fmax(piece, 0), 255)  # NaN is 0
        target[start : start + _CACHED_SAMPLES] = rounded
    return levels


def to_class(values: FloatArray, dtype: np.dtype[Any]) -> Array:
    """``values`` as ``dtype``: integers rounded and clipped, floats cast. May overwrite values."""
    if dtype.kind == "f":
        return np.ascontiguousarray(values, dtype=dtype)
    limits = np.iinfo(dtype)
    if limits.min == 0:
        return round_half_up(values, int(limits.max)).astype(dtype)
    np.add(values, np.copysign(0.5, values), out=values)  # halves away from zero
    return np.clip(values, limits.min, limits.max, out=values).astype(dtype)


def round_half_up(values: FloatArray, maximum: int) -> FloatArray:
    """In place: 1/2 added and clipped so that truncation yields 0..maximum, halves upwards.

    From 0 on this is MATLAB's rounding, halves away from zero; below, all is clipped to 0.
    """
    np.add(values, 0.5, out=values)
    return np.clip(values, 0, maximum + 0.5, out=values)
