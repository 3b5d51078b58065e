"""MATLAB's sum by NumPy: float64, tap after tap, at any scale.

NumPy adds as it is told, one tap of all output samples after the other; what costs time is to bring
the samples of a tap together. An axis is the middle one of (outer, length, inner). Enlarging by a
whole number takes slices of the input times the few weights there are; elsewhere rows are taken one
by one, and columns turned into rows before.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.resize.contributions import Contributions, Index, Options, contributions

Float64 = npt.NDArray[np.float64]

# Samples of the pieces that are worked on, which stay in the cache.
_CACHED_SAMPLES = 1 << 15


def ordered_sum(
    frame: npt.NDArray[Any], axis: int, out_length: int, scale: float, options: Options
) -> Float64:
    """One axis of a contiguous (H, W, C)."""
    height, width, channels = frame.shape
    in_length = frame.shape[axis]
    shape = (1, height, width * channels) if axis == 0 else (height, width, channels)
    samples = frame.reshape(shape)
    phases = _phases(in_length, out_length, scale, options)
    if phases is not None:
        out = _enlarge(samples, phases)
    elif axis == 0:
        plan = contributions(in_length, out_length, scale, *options)
        out = _sum_rows(samples[0], plan)
    else:
        columns = _columns(in_length, out_length, scale, options, channels)
        out = _sum_columns(samples.reshape(height, width * channels), *columns)
    return out.reshape((out_length, width, channels) if axis == 0 else (height, -1, channels))


# --- enlarging by a whole number ----------------------------------------------------------------


class _Phases(NamedTuple):
    """Output ``factor * i + p`` is the sum of ``weight * input[reach[i + start]]`` over its taps.

    Attributes:
        factor: how many times longer the output is.
        taps: for each p, the starts and weights.
        reach: the input's samples with the border's, which lie before and after.
    """

    factor: int
    taps: tuple[tuple[tuple[int, float], ...], ...]
    reach: Index


@lru_cache(maxsize=64)
def _phases(in_length: int, out_length: int, scale: float, options: Options) -> _Phases | None:
    """None where the axis is not enlarged by a whole number, with the same weights everywhere."""
    factor = out_length // in_length
    if factor < 2 or factor != scale or out_length != factor * in_length:
        return None
    plan = contributions(in_length, out_length, scale, *options)
    weights = plan.weights.reshape(in_length, factor, -1)
    starts = plan.positions.reshape(in_length, factor, -1) - np.arange(in_length)[:, None, None]
    if (weights != weights[0]).any() or (starts != starts[0]).any():
        return None
    first = int(starts.min())
    reach = np.empty(in_length + int(starts.max()) - first, np.int64)
    reach[plan.positions - first] = plan.indices
    taps = tuple(
        tuple(zip((s - first).tolist(), w.tolist(), strict=True))
        for s, w in zip(starts[0], weights[0], strict=True)
    )
    return _Phases(factor, taps, reach)


def _enlarge(samples: npt.NDArray[Any], phases: _Phases) -> Float64:
    outer, length, inner = samples.shape
    out = np.empty((outer, length * phases.factor, inner))
    lines = max(1, _CACHED_SAMPLES // (length * inner))
    columns = length if outer > 1 else max(8, _CACHED_SAMPLES // inner)
    more = len(phases.reach) - length
    pixels = out.view(_pixel(out))[..., 0]
    for top in range(0, outer, lines):
        strip = samples[top : top + lines]
        for left in range(0, length, columns):
            count = min(columns, length - left)
            piece = np.take(strip, phases.reach[left : left + count + more], axis=1)
            places = slice(left * phases.factor, (left + count) * phases.factor)
            _add_phases(piece, count, phases, pixels[top : top + lines, places])
    return out


def _add_phases(piece: npt.NDArray[Any], count: int, phases: _Phases, pixels: Any) -> None:
    """``count`` pixels of each phase, into the places of ``pixels``."""
    weights = {weight for taps in phases.taps for _, weight in taps}
    products = {weight: np.multiply(piece, weight, dtype=np.float64) for weight in weights}
    for phase, taps in enumerate(phases.taps):
        terms = [products[weight][:, start : start + count] for start, weight in taps]
        total = terms[0].copy() if len(terms) == 1 else np.add(terms[0], terms[1])
        for term in terms[2:]:
            total += term
        pixels[:, phase :: phases.factor] = total.view(pixels.dtype)[..., 0]


def _pixel(array: npt.NDArray[Any]) -> np.dtype[Any]:
    """The last axis as one thing to be copied: several times as fast as its three samples."""
    return np.dtype((np.void, array.shape[-1] * array.itemsize))


# --- any scale ----------------------------------------------------------------------------------


def _sum_rows(samples: npt.NDArray[Any], plan: Contributions) -> Float64:
    """(in, L) -> (out, L)."""
    rows = np.ascontiguousarray(samples, np.float64)
    out = np.empty((len(plan.weights), rows.shape[1]))
    lines = max(1, _CACHED_SAMPLES // rows.shape[1])
    for top in range(0, len(out), lines):
        place = slice(top, top + lines)
        weights = plan.weights[place].T[..., None]
        _add_taps(rows, 0, plan.indices[place].T, weights, out[place])
    return out


@lru_cache(maxsize=64)
def _columns(
    in_length: int, out_length: int, scale: float, options: Options, channels: int
) -> tuple[Index, Float64]:
    """Indices and weights of a row of interleaved channels, (taps, out * channels)."""
    plan = contributions(in_length, out_length, scale, *options)
    indices = plan.indices.T[..., None] * channels + np.arange(channels)
    weights = np.repeat(plan.weights.T, channels, axis=1)
    return indices.reshape(len(indices), -1), np.ascontiguousarray(weights)


def _sum_columns(samples: npt.NDArray[Any], indices: Index, weights: Float64) -> Float64:
    """(H, in) -> (H, out), each a row of interleaved channels."""
    out = np.empty((len(samples), indices.shape[1]))
    lines = max(1, _CACHED_SAMPLES // indices.shape[1])
    for top in range(0, len(samples), lines):
        strip = np.ascontiguousarray(samples[top : top + lines], np.float64)
        _add_taps(strip, 1, indices, weights, out[top : top + lines])
    return out


def _add_taps(source: Float64, axis: int, indices: Index, weights: Float64, out: Float64) -> None:
    """The samples of each tap times its weights, one tap after the other."""
    term = np.empty_like(out)
    for tap, (index, weight) in enumerate(zip(indices, weights, strict=True)):
        target = term if tap else out
        source.take(index, axis, target, "clip")
        target *= weight
        if tap:
            out += term
