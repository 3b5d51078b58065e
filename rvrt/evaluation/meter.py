"""The scores of a sequence's frames, in order: of each, and of each two after each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rvrt.errors import EvaluationError
from rvrt.evaluation.metrics import METRICS, MORE_METRICS, Metric, Picture
from rvrt.evaluation.temporal import (
    PAIR_METRICS,
    WHOLE,
    Pair,
    PairMetric,
    Region,
    import_opencv,
)

Means = dict[str, float]  # by the names of metrics


@dataclass(frozen=True)
class MetricSet:
    """The metrics of an evaluation: of a frame, and of two frames after each other."""

    frame: Mapping[str, Metric]
    pair: Mapping[str, PairMetric]

    @property
    def names(self) -> list[str]:
        """Of all."""
        return [*self.frame, *self.pair]


def choose_metrics(more: Iterable[str] = ()) -> MetricSet:
    """All of METRICS, and others by name.

    Raises:
        EvaluationError: there is no such metric.
        MetricError: one needs a package that is not installed.
    """
    more = list(dict.fromkeys(more))
    unknown = [name for name in more if name not in {**METRICS, **MORE_METRICS, **PAIR_METRICS}]
    if unknown:
        names = ", ".join([*MORE_METRICS, *PAIR_METRICS])
        raise EvaluationError(
            f"metric {unknown[0]!r}: beside {', '.join(METRICS)} there are {names}"
        )
    frame = {name: MORE_METRICS[name] for name in more if name in MORE_METRICS}
    pair = {name: PAIR_METRICS[name] for name in more if name in PAIR_METRICS}
    if "tof" in pair:
        import_opencv()
    return MetricSet({**METRICS, **frame}, pair)


@dataclass
class Meter:
    """Measures frames of a sequence one after another.

    Attributes:
        metrics: which.
        region: the part of every frame that counts.
        frames: the scores of each frame so far; the first has none of the pair metrics.
    """

    metrics: MetricSet
    region: Region = WHOLE
    frames: list[Means] = field(default_factory=list)
    _before: Pair | None = None

    def add(self, restored: Picture | None, gt: Picture) -> Means:
        """Measure the next frame.

        Args:
            restored: (H, W, 3) uint8; None for one that holds NaN: all its scores are NaN.
            gt: of the same shape.

        Returns:
            Its scores.

        Raises:
            MetricError: the shapes differ.
        """
        now = None if restored is None else Pair(restored, gt)
        if now is None:
            scores = dict.fromkeys(self.metrics.frame, math.nan)
        else:
            cut = self.region.of(now.restored), self.region.of(now.gt)
            scores = {name: float(metric(*cut)) for name, metric in self.metrics.frame.items()}
        if self.frames:
            for name, metric in self.metrics.pair.items():
                scores[name] = self._of_pair(metric, self._before, now)
        self._before = now
        self.frames.append(scores)
        return scores

    def _of_pair(self, metric: PairMetric, before: Pair | None, now: Pair | None) -> float:
        if before is None or now is None:
            return math.nan
        return float(metric(before, now, self.region))


def mean_of_frames(scores: Iterable[Mapping[str, float]]) -> Means:
    """The mean of each metric over those that have it; NaN where any is NaN."""
    values: dict[str, list[float]] = {}
    for score in scores:
        for name, value in score.items():
            values.setdefault(name, []).append(value)
    return {name: math.fsum(each) / len(each) for name, each in values.items()}
