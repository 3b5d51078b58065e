"""MATLAB's picture classes: which there are, how one becomes another, how they round."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]
UInt8Array = npt.NDArray[np.uint8]

CLASSES = ("uint8", "uint16", "float32", "float64")


def check_class(image: Array) -> None:
    """Raise a TypeError unless the dtype is one of ``CLASSES``."""
    if image.dtype.name not in CLASSES:
        raise TypeError(f"got an array of dtype {image.dtype}, allowed are {', '.join(CLASSES)}")


def im2double(image: Array) -> npt.NDArray[np.float64]:
    """MATLAB's im2double: uint8 / 255, uint16 / 65535, floats as they are; float64.

    Raises:
        TypeError: dtype is not uint8, uint16, float32 or float64.
    """
    array = np.asarray(image)
    check_class(array)
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
    check_class(array)
    if array.dtype == np.uint8:
        return np.array(array, dtype=np.uint8)
    if array.dtype == np.uint16:
        levels: UInt8Array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
        return levels
    unit = np.nan_to_num(im2double(array), nan=0, posinf=1, neginf=0)
    rounded: UInt8Array = round_half_up(np.clip(unit, 0, 1) * 255, 255).astype(np.uint8)
    return rounded


def to_class(values: FloatArray, dtype: np.dtype[Any]) -> Array:
    """``values`` as ``dtype``: integers rounded and clipped, floats cast. May overwrite values."""
    if dtype.kind == "f":
        return np.ascontiguousarray(values, dtype=dtype)
    return round_half_up(values, int(np.iinfo(dtype).max)).astype(dtype)


def round_half_up(values: FloatArray, maximum: int) -> FloatArray:
    """In place: 1/2 added and clipped so that truncation yields 0..maximum, halves upwards.

    From 0 on this is MATLAB's rounding, halves away from zero; below, all is clipped to 0.
    """
    np.add(values, 0.5, out=values)
    return np.clip(values, 0, maximum + 0.5, out=values)
