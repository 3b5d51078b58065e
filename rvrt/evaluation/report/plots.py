"""The plots of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rvrt.evaluation.report.svg import Plot, Values

_BINS = (6, 40)
_WIDTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
BICUBIC = "bicubic"


def distribution(series: Mapping[str, Values], metric: str) -> str:
    """How the PSNR spreads over the sequences.

    Args:
        series: PSNR of each sequence in dB, finite, one or more; by class, "bicubic" first.
        metric: what it is, for the axis.
    """
    edges = bin_edges(np.concatenate(list(series.values())))
    counts = {kind: np.histogram(values, edges)[0] for kind, values in series.items()}
    most = max(int(count.max()) for count in counts.values())
    label = f"Histogram of {metric}: " + "; ".join(
        f"{kind} from {values.min():.2f} to {values.max():.2f}" for kind, values in series.items()
    )
    plot = Plot(label, (edges[0], edges[-1]), (0, most), (metric, "sequences"), whole=True)
    for kind, count in counts.items():
        plot.bars(edges.tolist(), count.tolist(), kind)
    return plot.text()


def bin_edges(values: Values) -> Values:
    """Bins of a round width at multiples of it, for all series."""
    least, most = values.min(), values.max()
    bins = np.clip(np.sqrt(len(values)), *_BINS)
    width = next((width for width in _WIDTHS if (most - least) / width <= bins), _WIDTHS[-1])
    first, last = np.floor(least / width), np.floor(most / width) + 1
    return width * np.arange(first, last + 1, dtype=np.float64)


def against(baseline: Values, series: Mapping[str, Values], names: tuple[str, str]) -> str:
    """A dot for each sequence: above the diagonal it is better than the baseline.

    Args:
        baseline: PSNR of each sequence in dB, finite.
        series: the same of others, by class.
        names: of the baseline's axis and of the others'.
    """
    every = np.concatenate([baseline, *series.values()])
    margin = 0.03 * max(float(np.ptp(every)), 0.1)
    span = (float(every.min()) - margin, float(every.max()) + margin)
    better = "; ".join(
        f"{int((values > baseline).sum())} of {len(values)} above it" for values in series.values()
    )
    label = f"{names[1]} over {names[0]}, a dot for each sequence, and the diagonal: {better}"
    plot = Plot(label, span, span, names)
    plot.line(span, span, "diagonal")
    for kind, values in series.items():
        plot.dots(baseline, values, kind)
    return plot.text()


def curve(key: str, series: Mapping[str, Sequence[float]], metric: str) -> str | None:
    """A metric by frame; None where nothing is finite.

    Args:
        key: of the sequence.
        series: a value for each measured frame, NaN where there is none; by class.
        metric: what it is, for the axis.
    """
    finite = [value for values in series.values() for value in values if math.isfinite(value)]
    if not finite:
        return None
    count = max(map(len, series.values()))
    label = (
        f"{metric} of {key} by frame, {count} frames, from {min(finite):.4g} to {max(finite):.4g}"
    )
    plot = Plot(label, (1, count), (min(finite), max(finite)), ("measured frame", metric))
    for kind, values in series.items():
        plot.line(range(1, len(values) + 1), values, kind)
    return plot.text()
