"""The same resize by matrix products, where that is exact: scales 1/2, 1/4, 1/8, integer samples.

At these scales every output sample has the same taps, and the weights are integers over a power of
two. Sums of such products are exact in floating point as long as they need no more bits than the
mantissa has, in whatever order a BLAS adds them, so each pass becomes a few small, fast products.
`exact_stencil` decides whether that holds and returns None where it does not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from vimeo_tools.contributions import Index, border_index, contributions

FloatArray = npt.NDArray[np.floating[Any]]

# Output samples per product: measured best for 448x256x3 (benchmarks/bench_imresize.py).
_BLOCK_ROWS = 4
_BLOCK_COLUMNS = 4
# A product over interleaved channels does as many times the needed work, so wide pixels are cut.
_MAX_CHANNELS = 4
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
    border: str


@lru_cache(maxsize=64)
def exact_stencil(
    in_length: int, out_length: int, scale: float, method: str, antialiasing: bool, border: str
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
    for bits in range(21):
        scaled = plan.weights[0] * 2.0**bits
        if (scaled == np.rint(scaled)).all():
            return Stencil(tuple(plan.weights[0].tolist()), step, first, bits, border)
    return None


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
def _borders(stencil: Stencil, length: int, read: int) -> tuple[Index, Index]:
    """The samples that stand for those before and behind the input."""
    outside = np.arange(stencil.first, 0), np.arange(length, read + stencil.first)
    left, right = (border_index(positions, length, stencil.border) for positions in outside)
    return left, right


def _pad(
    samples: npt.NDArray[Any],
    stencil: Stencil,
    axis: int,
    blocks: int,
    block: int,
    dtype: np.dtype[Any],
) -> FloatArray:
    """``samples`` as ``dtype``, with the border that taps reach and zeros up to whole blocks."""
    length = samples.shape[axis]
    out_length = -(-length // stencil.step)
    taps = len(stencil.weights)
    before = -stencil.first
    read = stencil.step * (out_length - 1) + taps
    shape = list(samples.shape)
    shape[axis] = stencil.step * (blocks * block - 1) + taps
    padded: FloatArray = np.empty(shape, dtype)
    view = np.moveaxis(padded, axis, 0)
    source = np.moveaxis(samples, axis, 0)
    view[before : before + length] = source
    left, right = _borders(stencil, length, read)
    view[:before] = source[left]
    view[before + length : read] = source[right]
    view[read:] = 0
    return padded


def shrink_rows(samples: npt.NDArray[Any], stencil: Stencil, dtype: np.dtype[Any]) -> FloatArray:
    """Along axis 0 of (H, W, C): (ceil(H/step), W, C) of ``dtype``, not rounded."""
    height, width, channels = samples.shape
    out_height = -(-height // stencil.step)
    blocks = -(-out_height // _BLOCK_ROWS)
    padded = _pad(samples, stencil, 0, blocks, _BLOCK_ROWS, dtype)
    band = _band(stencil, _BLOCK_ROWS, 1, dtype)
    row = width * channels
    pitch = row * dtype.itemsize
    spans = as_strided(
        padded,
        (blocks, band.shape[1], row),
        (stencil.step * _BLOCK_ROWS * pitch, pitch, dtype.itemsize),
        writeable=False,
    )
    out: FloatArray = np.matmul(band, spans)
    return out.reshape(blocks * _BLOCK_ROWS, width, channels)[:out_height]


def shrink_columns(samples: npt.NDArray[Any], stencil: Stencil, dtype: np.dtype[Any]) -> FloatArray:
    """Along axis 1 of (H, W, C): (H, ceil(W/step), C) of ``dtype``, not rounded."""
    height, width, channels = samples.shape
    if channels > _MAX_CHANNELS:
        groups = np.split(samples, range(_MAX_CHANNELS, channels, _MAX_CHANNELS), axis=2)
        return np.concatenate([shrink_columns(g, stencil, dtype) for g in groups], axis=2)
    out_width = -(-width // stencil.step)
    blocks = -(-out_width // _BLOCK_COLUMNS)
    padded = _pad(samples, stencil, 1, blocks, _BLOCK_COLUMNS, dtype)
    band = _band(stencil, _BLOCK_COLUMNS, channels, dtype)
    pixel = channels * dtype.itemsize
    spans = as_strided(
        padded,
        (blocks, height, band.shape[1]),
        (stencil.step * _BLOCK_COLUMNS * pixel, padded.strides[0], dtype.itemsize),
        writeable=False,
    )
    out = np.empty((height, blocks * _BLOCK_COLUMNS, channels), dtype)
    block = _BLOCK_COLUMNS * channels
    blockwise = as_strided(
        out,
        (blocks, height, block),
        (block * dtype.itemsize, out.strides[0], dtype.itemsize),
    )
    np.matmul(spans, band.T, out=blockwise)
    return out[:, :out_width]
