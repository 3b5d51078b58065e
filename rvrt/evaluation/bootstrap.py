"""How sure a mean gain is: the paired bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 10_000
_AT_ONCE = 2_000_000  # numbers drawn at a time
_PERCENT = (2.5, 97.5)


@dataclass(frozen=True)
class Gain:
    """A mean gain and its 95 % interval; the ends are NaN for fewer than two sequences."""

    mean: float
    low: float
    high: float
    count: int


def paired_gain(gains: NDArray[np.float64], seed: int = 0) -> Gain:
    """The mean of gains and the interval that 95 % of the means of resampled sequences lie in.

    Sequences are drawn with replacement, as many as there are, 10,000 times; each keeps both its
    scores. Source: Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), percentiles.

    Args:
        gains: of each sequence, one or more; those that are not finite are left out.
        seed: the same one gives the same interval.
    """
    gains = gains[np.isfinite(gains)]
    count = len(gains)
    if count < 2:
        mean = float(gains.mean()) if count else np.nan
        return Gain(mean, np.nan, np.nan, count)
    rng = np.random.default_rng(seed)
    rows = max(1, _AT_ONCE // count)
    means = [
        gains[rng.integers(0, count, (min(rows, _RESAMPLES - start), count))].mean(axis=1)
        for start in range(0, _RESAMPLES, rows)
    ]
    low, high = np.percentile(np.concatenate(means), _PERCENT)
    return Gain(float(gains.mean()), float(low), float(high), count)
