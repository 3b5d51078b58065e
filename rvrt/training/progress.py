"""How fast a training goes, and the one line that shows it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, TypeVar

from rvrt.training.step import StepResult
from vimeo_tools.running.progress import progress

Item = TypeVar("Item")

_LINE = "{percentage:3.0f}% {bar:12} {n_fmt}/{total_fmt} [{elapsed} < {remaining}]{postfix}"
_SECONDS_A_LINE = 30.0  # in a log
_RECENT = 0.9  # weight of the past in the times that are shown


class Progress:
    """A context manager around the loop.

    Args:
        first_step, steps: of the run.
        samples: of one step, over all ranks.
        show: False for all ranks but one.
    """

    def __init__(self, first_step: int, steps: int, samples: int, show: bool = True) -> None:
        self.steps = 0
        self.seconds = 0.0
        self.waited = 0.0
        self._samples = samples
        self._recent = 0.0
        self._last = time.perf_counter()
        self._bar: Any = None
        if show:
            self._bar = progress(
                steps, "step", done=first_step, form=_LINE, log_every=_SECONDS_A_LINE
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def seconds_per_step(self) -> float:
        """Mean so far, in steps alone: validation and saving do not count."""
        return self.seconds / max(1, self.steps)

    @property
    def waiting_share(self) -> float:
        """Part of the steps' time that went by without data, from 0 to 1."""
        return self.waited / self.seconds if self.seconds else 0.0

    def timed(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The batches, while the time that they are waited for is taken.

        The wait for the first is not counted: it is the start of the workers.
        """
        start, first = time.perf_counter(), True
        for batch in batches:
            now = time.perf_counter()
            self._last = now if first else start
            self.waited += 0.0 if first else now - start
            first = False
            yield batch
            start = time.perf_counter()

    def back_to(self, step: int) -> None:
        """Show that only so many steps count as done."""
        if self._bar is not None:
            self._bar.n = step
            self._bar.refresh()

    def step(self, result: StepResult) -> float:
        """Count one step and show it; returns its seconds, those of waiting for data included."""
        seconds = time.perf_counter() - self._last
        self.steps += 1
        self.seconds += seconds
        past = _RECENT if self.steps > 1 else 0.0
        self._recent = past * self._recent + (1 - past) * seconds
        if self._bar is not None:
            self._bar.set_postfix_str(
                f"loss {result.loss:.4g}, rate {result.rate:.2e}, "
                f"{self._samples / self._recent:.3g} samples/s, {self._recent:.3g} s/step, "
                f"{self.waiting_share:.1%} waiting for data",
                refresh=False,
            )
            self._bar.update()
        return seconds
