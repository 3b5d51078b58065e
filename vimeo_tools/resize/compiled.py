"""The resize by the compiled part: `_compiled`, built from _compiled.c.

The same two functions as in `numpy_sums`: `resize_axis` and `downscale_double`.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.errors import SettingsError
from vimeo_tools.resize.contributions import BICUBIC, Options, contributions, dyadic_size
from vimeo_tools.resize.halves import settle_halves

try:
    import vimeo_tools.resize._compiled as _compiled
except ModuleNotFoundError:
    AVAILABLE = False
    REASON = "it was not built"
except ImportError as error:  # built for another system
    AVAILABLE = False
    REASON = str(error)
else:
    AVAILABLE = True
    REASON = ""

Array = npt.NDArray[Any]
_INSTRUCTIONS = "VIMEO_TOOLS_INSTRUCTIONS"

# As in _compiled.c. The "unit" kinds are integers that stand for 0..1.
_KINDS = ("uint8", "int8", "uint16", "int16", "int32", "float32", "float64", "unit8", "unit16")
_KIND = {name: number for number, name in enumerate(_KINDS)}
_MANTISSA_FLOAT, _MANTISSA_DOUBLE = 2.0**24, 2.0**53
# More exact halves than one in so many samples, as in flat graphics, and all is summed in order.
_HALVES_SHARE = 64


def known_instruction_sets() -> list[str]:
    """Those that the part was built for and this processor has, the best last."""
    return _compiled.instruction_sets()


@lru_cache(maxsize=1)
def instruction_set() -> str:
    """The one in use: the best, or what VIMEO_TOOLS_INSTRUCTIONS names (for measurements)."""
    known = known_instruction_sets()
    wanted = os.environ.get(_INSTRUCTIONS) or known[-1]
    if wanted not in known:
        raise SettingsError(f"{_INSTRUCTIONS}={wanted}: allowed here are {', '.join(known)}")
    _compiled.use_instruction_set(wanted)
    return wanted


class _Plan(NamedTuple):
    """`Contributions` as the compiled part reads them."""

    weights: npt.NDArray[np.float64]
    indices: npt.NDArray[np.int32]
    address: tuple[int, int]
    dyadic: float  # see dyadic_size


@lru_cache(maxsize=64)
def _plan(in_length: int, out_length: int, scale: float, options: Options) -> _Plan:
    plan = contributions(in_length, out_length, scale, *options)
    weights, indices = plan.weights, np.ascontiguousarray(plan.indices, np.int32)
    address = _address(weights), _address(indices)
    return _Plan(weights, indices, address, dyadic_size(weights))


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _sum_axis(
    frame: Array,
    axis: int,
    plan: _Plan,
    kinds: tuple[str, str],
    *,
    single: bool = False,
    halves: npt.NDArray[np.int64] | None = None,
) -> tuple[Array, int]:
    """One axis of a contiguous (H, W, C), and how many sums end in exactly 1/2."""
    out_length, taps = plan.weights.shape
    shape = list(frame.shape)
    shape[axis] = out_length
    name = "uint8" if kinds[1] == "unit8" else kinds[1]
    out = np.empty(shape, name)
    height, width, channels = frame.shape
    outer, inner = (1, width * channels) if axis == 0 else (height, channels)
    # Only pictures of floats may hold infinities and NaN, not floats that are sums of integers.
    finite = not (kinds[0] == kinds[1] and kinds[0].startswith("float"))
    instruction_set()
    found = _compiled.resize_axis(
        (_address(frame), _KIND[kinds[0]], _address(out), _KIND[kinds[1]]),
        (outer, frame.shape[axis], inner, out_length, taps),
        (*plan.address, single, finite),
        (0, 0) if halves is None else (_address(halves), len(halves)),
    )
    return out, found


def resize_axis(frame: Array, axis: int, out_length: int, scale: float, options: Options) -> Array:
    """One axis of a contiguous (H, W, C), in the class of the picture."""
    plan = _plan(frame.shape[axis], out_length, scale, options)
    name = frame.dtype.name
    single = frame.dtype.itemsize <= 2 and plan.dyadic * 2 ** (8 * frame.dtype.itemsize) < (
        _MANTISSA_FLOAT
    )
    return _sum_axis(frame, axis, plan, (name, name), single=single)[0]


def downscale_double(frame: Array, scale: float, size: tuple[int, int]) -> Array:
    """im2uint8(imresize(im2double(frame), scale)) of a contiguous uint8 (H, W, C)."""
    rows, columns = (
        _plan(n, m, scale, BICUBIC) for n, m in zip(frame.shape[:2], size, strict=True)
    )
    if 256 * rows.dyadic < _MANTISSA_FLOAT and 256 * rows.dyadic * columns.dyadic < (
        _MANTISSA_DOUBLE
    ):
        sums, _ = _sum_axis(frame, 0, rows, ("uint8", "float32"), single=True)
        halves = np.empty(size[0] * size[1] * frame.shape[2] // _HALVES_SHARE + 64, np.int64)
        out, found = _sum_axis(sums, 1, columns, ("float32", "uint8"), halves=halves)
        if found <= len(halves):
            settle_halves(frame, out, halves[:found], scale)
            return out
    sums, _ = _sum_axis(frame, 0, rows, ("unit8", "float64"))
    return _sum_axis(sums, 1, columns, ("float64", "unit8"))[0]


def convert(array: Array, source: str, target: str) -> Array:
    """im2double and im2uint8: samples of the kind ``source`` as the kind ``target``."""
    contiguous = np.ascontiguousarray(array)
    out = np.empty(array.shape, "float64" if target == "float64" else "uint8")
    instruction_set()
    _compiled.convert(
        _address(contiguous), _KIND[source], _address(out), _KIND[target], contiguous.size
    )
    return out
