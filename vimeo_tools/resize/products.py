"""The same resize by matrix products, where that is exact: scales 1/2, 1/4, 1/8, integer samples.

At these scales every output sample has the same taps, and the weights are integers over a power of
two. Sums of such products are exact in floating point as long as they need no more bits than the
mantissa has, in whatever order a BLAS adds them, so each pass becomes a few small, fast products.
`exact_stencil` decides whether that holds and returns None where it does not.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from vimeo_tools.resize.contributions import (
    Border,
    Index,
    Method,
    border_index,
    contributions,
    dyadic_bits,
)

FloatArray = npt.NDArray[np.floating[Any]]

# Output samples per product: measured best for 448x256x3 (benchmarks/bench_imresize.py).
_BLOCK_ROWS = 4
_BLOCK_COLUMNS = 4
# Blocks whose input, as floats, stays in the cache.
_STRIP_BLOCKS = 8
# A product over interleaved channels does as many times the needed work, so wide pixels are cut.
_MAX_CHANNELS = 4
_thread = threading.local()
_MANTISSA_BITS: dict[np.dtype[Any], int] = {np.dtype(np.float32): 24, np.dtype(np.float64): 53}


class Stencil(NamedTuple):
    """Output sample ``i`` is ``sum_t weights[t] * input[step * i + first + t]``, exactly.

    Attributes:
        weights: taps, every one an integer / 2**fraction_bits.
        step: input samples from one output sample to the next.
        first: offset of the first tap; negative, the taps reach over the border.
        fraction_bits: see ``weights``.
        border: how samples outside the input are found.
    """

    weights: tuple[float, ...]
    step: int
    first: int
    fraction_bits: int
    border: Border


@lru_cache(maxsize=64)
def exact_stencil(
    in_length: int,
    out_length: int,
    scale: float,
    method: Method,
    antialiasing: bool,
    border: Border,
) -> Stencil | None:
    """The axis as a stencil with dyadic weights, or None if it is not one."""
    step = round(1 / scale)
    if step < 2 or step * scale != 1 or out_length != -(-in_length // step):
        return None
    plan = contributions(in_length, out_length, scale, method, antialiasing, border)
    first = int(plan.positions[0, 0])
    regular = first + step * np.arange(out_length)
    if (plan.weights != plan.weights[0]).any() or (plan.positions[:, 0] != regular).any():
        return None
    if first > 0 or first + plan.weights.shape[1] < step:  # "nearest" leaves samples out
        return None
    bits = dyadic_bits(plan.weights[0])
    if bits is None:
        return None
    return Stencil(tuple(plan.weights[0].tolist()), step, first, bits, border)


def exact_dtype(bits_of_samples: int, *stencils: Stencil) -> np.dtype[Any] | None:
    """The smallest float type in which the stencils' sums are exact, None if there is none.

    Args:
        bits_of_samples: the samples are integers below 2**bits_of_samples.
        stencils: those that are applied without rounding between them.
    """
    needed = float(2**bits_of_samples)
    for stencil in stencils:
        needed *= sum(abs(weight) for weight in stencil.weights) * 2**stencil.fraction_bits
    for dtype, mantissa in _MANTISSA_BITS.items():
        if needed < 2**mantissa:
            return dtype
    return None


@lru_cache(maxsize=64)
def _band(stencil: Stencil, block: int, channels: int, dtype: np.dtype[Any]) -> FloatArray:
    """(block*channels, span*channels): ``block`` neighbouring outputs from the span they need."""
    taps = len(stencil.weights)
    band = np.zeros((block, stencil.step * (block - 1) + taps), dtype)
    for i in range(block):
        band[i, i * stencil.step : i * stencil.step + taps] = stencil.weights
    return np.kron(band, np.eye(channels, dtype=dtype))


@lru_cache(maxsize=64)
def _reach(stencil: Stencil, length: int, outputs: int) -> Index:
    """The samples, border included, from the first tap of output 0 to the last of the last."""
    read = stencil.step * (outputs - 1) + len(stencil.weights)
    return border_index(np.arange(stencil.first, stencil.first + read), length, stencil.border)


def _fill(target: FloatArray, source: npt.NDArray[Any], reach: Index, position: int) -> None:
    """``target[i] = source[reach[i]]`` on axis 0, where ``reach`` is the border rule applied to
    ``position + i``: one plain copy of what lies inside."""
    start = max(0, -position)
    stop = max(start, min(len(reach), len(source) - position))
    target[start:stop] = source[position + start : position + stop]
    target[:start] = source[reach[:start]]
    target[stop:] = source[reach[stop:]]


def _scratch(use: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """An array of this thread, with anything in it, kept for the next frame of the same size.

    Between decodes of frames, memory fresh from the system costs more time than the sums.
    """
    kept: FloatArray | None = getattr(_thread, use, None)
    if kept is None or kept.shape != shape or kept.dtype != dtype:
        kept = np.empty(shape, dtype)
        setattr(_thread, use, kept)
    return kept


def shrink_rows(samples: npt.NDArray[Any], stencil: Stencil, dtype: np.dtype[Any]) -> FloatArray:
    """Along axis 0 of (H, W, C): (ceil(H/step), W, C) of ``dtype``, not rounded.

    The result lies in memory that the next call in this thread reuses.
    """
    height, width, channels = samples.shape
    out_height = -(-height // stencil.step)
    blocks = -(-out_height // _BLOCK_ROWS)
    reach = _reach(stencil, height, blocks * _BLOCK_ROWS)
    band = _band(stencil, _BLOCK_ROWS, 1, dtype)
    block_step = stencil.step * _BLOCK_ROWS
    rows = samples.reshape(height, width * channels)
    out = _scratch("rows", (blocks, _BLOCK_ROWS, rows.shape[1]), dtype)
    longest = block_step * (_STRIP_BLOCKS - 1) + band.shape[1]
    strip = _scratch("strip", (longest, rows.shape[1]), dtype)
    for first in range(0, blocks, _STRIP_BLOCKS):
        count = min(_STRIP_BLOCKS, blocks - first)
        read = block_step * (count - 1) + band.shape[1]
        start = first * block_step
        _fill(strip[:read], rows, reach[start : start + read], start + stencil.first)
        spans = as_strided(
            strip,
            (count, band.shape[1], strip.shape[1]),
            (block_step * strip.strides[0], *strip.strides),
            writeable=False,
        )
        np.matmul(band, spans, out=out[first : first + count])
    return out.reshape(blocks * _BLOCK_ROWS, width, channels)[:out_height]


def shrink_columns(samples: npt.NDArray[Any], stencil: Stencil, dtype: np.dtype[Any]) -> FloatArray:
    """Along axis 1 of (H, W, C): (H, ceil(W/step), C) of ``dtype``, not rounded."""
    height, width, channels = samples.shape
    if channels > _MAX_CHANNELS:
        groups = np.split(samples, range(_MAX_CHANNELS, channels, _MAX_CHANNELS), axis=2)
        return np.concatenate([shrink_columns(g, stencil, dtype) for g in groups], axis=2)
    out_width = -(-width // stencil.step)
    blocks = -(-out_width // _BLOCK_COLUMNS)
    reach = _reach(stencil, width, blocks * _BLOCK_COLUMNS)
    padded = _scratch("columns", (height, len(reach), channels), dtype)
    _fill(padded.swapaxes(0, 1), samples.swapaxes(0, 1), reach, stencil.first)
    band = _band(stencil, _BLOCK_COLUMNS, channels, dtype)
    block = _BLOCK_COLUMNS * channels
    spans = as_strided(
        padded,
        (blocks, height, band.shape[1]),
        (stencil.step * block * dtype.itemsize, padded.strides[0], dtype.itemsize),
        writeable=False,
    )
    out = np.empty((height, blocks * _BLOCK_COLUMNS, channels), dtype)
    blockwise = as_strided(
        out, (blocks, height, block), (block * dtype.itemsize, out.strides[0], dtype.itemsize)
    )
    np.matmul(spans, band.T, out=blockwise)
    return out[:, :out_width]
