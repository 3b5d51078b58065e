"""The same sums as matrix products at any scale, for integer samples, with a proven error bound.

Neighbouring output samples read neighbouring input samples: a band of the weight matrix times a
strip of the picture. A product adds in any order, so its sums may be off by a bound that follows
from the precision. Samples whose sum is nearer than that to a half, few in a thousand, are summed
again in MATLAB's order; the others are rounded alike whatever the order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.resize.contributions import Contributions, Options, contributions, dyadic_size

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]
Places = npt.NDArray[np.int64]

# Output samples per product.
_BLOCK = 16
# More samples in doubt than one in so many, as in pictures of stripes, and all is summed in order.
_DOUBTFUL_SHARE = 16
# Rounded in pieces of this many samples, which stay in the cache.
_CACHED_SAMPLES = 1 << 15
# A product over interleaved channels does as many times the needed work.
_MAX_CHANNELS = 4


class _Band(NamedTuple):
    """``out[outputs] = matrix @ samples[inputs]`` along the axis."""

    outputs: slice
    inputs: slice
    matrix: FloatArray


class BandedSums(NamedTuple):
    """Sums of one axis and how far each may be from the sum in MATLAB's order."""

    sums: FloatArray
    error: float


@lru_cache(maxsize=64)
def _bands(
    in_length: int,
    out_length: int,
    scale: float,
    options: Options,
    channels: int,
    dtype: np.dtype[Any],
) -> tuple[_Band, ...]:
    """The weight matrix, borders folded in, cut into bands; ``channels`` interleaved samples."""
    plan = contributions(in_length, out_length, scale, *options)
    bands = []
    for start in range(0, out_length, _BLOCK):
        stop = min(start + _BLOCK, out_length)
        indices = plan.indices[start:stop]
        low, high = int(indices.min()), int(indices.max()) + 1
        matrix = np.zeros((stop - start, high - low))
        np.add.at(
            matrix, (np.arange(stop - start)[:, None], indices - low), plan.weights[start:stop]
        )
        bands.append(
            _Band(
                slice(start * channels, stop * channels),
                slice(low * channels, high * channels),
                np.kron(matrix, np.eye(channels)).astype(dtype),
            )
        )
    return tuple(bands)


def banded_sums(
    frame: Array,
    axis: int,
    out_length: int,
    scale: float,
    options: Options,
    dtype: npt.DTypeLike,
    top: float,
) -> BandedSums:
    """One axis of a contiguous (H, W, C) whose samples are at most ``top`` in magnitude."""
    real = np.dtype(dtype)
    height, width, channels = frame.shape
    if axis == 1 and channels > _MAX_CHANNELS:
        groups = [
            banded_sums(part, axis, out_length, scale, options, dtype, top)
            for part in np.split(frame, range(_MAX_CHANNELS, channels, _MAX_CHANNELS), axis=2)
        ]
        return BandedSums(np.concatenate([g.sums for g in groups], axis=2), groups[0].error)
    samples = frame.astype(real).reshape(height, width * channels)
    repeated = 1 if axis == 0 else channels
    bands = _bands(frame.shape[axis], out_length, scale, options, repeated, real)
    if axis == 0:
        out = np.empty((out_length, width * channels), real)
        for outputs, inputs, matrix in bands:
            np.matmul(matrix, samples[inputs], out=out[outputs])
        sums = out.reshape(out_length, width, channels)
    else:
        out = np.empty((height, out_length * channels), real)
        for outputs, inputs, matrix in bands:
            np.matmul(samples[:, inputs], matrix.T, out=out[:, outputs])
        sums = out.reshape(height, out_length, channels)
    plan = contributions(frame.shape[axis], out_length, scale, *options)
    return BandedSums(sums, _error(plan, real, top))


def _error(plan: Contributions, real: np.dtype[Any], top: float) -> float:
    """By the number of roundings, in any order, fused or not (Higham 2002, section 3.1).

    taps + 2 for weights, products and sums, one for the 1/2 that is added; twice, as both sums may
    be off. 0 where all is exact.
    """
    if (top + 1) * dyadic_size(plan.weights) < 2.0 ** (np.finfo(real).nmant + 1):
        return 0.0
    largest = top * float(np.abs(plan.weights).sum(axis=1).max()) + 1
    return 2 * (plan.weights.shape[1] + 3) * float(np.finfo(real).eps) / 2 * largest


def round_sums(banded: BandedSums, dtype: np.dtype[Any]) -> tuple[Array, Places]:
    """The sums as unsigned integers, and where (flat) the rounding is in doubt. Overwrites them."""
    top = int(np.iinfo(dtype).max)
    sums, error = banded.sums.reshape(-1), banded.error
    rounded = np.empty(sums.shape, dtype)
    doubtful = []
    for start in range(0, len(sums), _CACHED_SAMPLES):
        piece = sums[start : start + _CACHED_SAMPLES]
        target = rounded[start : start + _CACHED_SAMPLES]
        piece += 0.5
        # What is below 0 or above the top is not in doubt: moved to the middle of its step.
        np.clip(piece, 0.5 if error else 0, top + 0.5, out=piece)
        target[...] = piece
        if error:
            piece -= target
            piece -= 0.5
            np.abs(piece, out=piece)
            doubtful.append(np.flatnonzero(piece >= 0.5 - error) + start)
    places = np.concatenate(doubtful) if doubtful else np.empty(0, np.int64)
    return rounded.reshape(banded.sums.shape), places


def resize_unsigned(
    frame: Array, axis: int, out_length: int, scale: float, options: Options
) -> Array | None:
    """One axis of a contiguous (H, W, C) of uint8 or uint16; None where too much is in doubt."""
    real = np.float32 if frame.dtype == np.uint8 else np.float64
    top = float(np.iinfo(frame.dtype).max)
    banded = banded_sums(frame, axis, out_length, scale, options, real, top)
    if banded.error >= 0.25:
        return None
    rounded, places = round_sums(banded, frame.dtype)
    if len(places) * _DOUBTFUL_SHARE > rounded.size:
        return None
    plan = contributions(frame.shape[axis], out_length, scale, *options)
    where = np.unravel_index(places, rounded.shape)
    total = np.zeros(len(places))
    for tap in range(plan.weights.shape[1]):
        source = list(where)
        source[axis] = plan.indices[where[axis], tap]
        total += plan.weights[where[axis], tap] * frame[tuple(source)]
    rounded[where] = np.clip(total + 0.5, 0, top + 0.5)
    return rounded
