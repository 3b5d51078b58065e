"""Commands side by side in one run: in turn, so that a drifting machine slows both; medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def measure(
    candidates: dict[str, Callable[[], object]],
    rounds: int,
    calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of a call of each candidate, by ``clock``.

    Over ``rounds`` turns, each the mean of ``calls``, after a turn that is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds + 1):
        for name, call in candidates.items():
            start = clock()
            for _ in range(calls):
                call()
            if turn:
                seconds[name].append((clock() - start) / calls)
    return {name: statistics.median(times) for name, times in seconds.items()}


def show(title: str, medians: dict[str, float], base: str, unit: float = 1.0) -> None:
    """Print medians and their ratios to ``base``; ``unit`` as 1e-3 for milliseconds."""
    print(f"\n{title}")
    suffix = {1.0: "s", 1e-3: "ms"}[unit]
    for name, median in medians.items():
        ratio = median / medians[base]
        print(f"  {name:<44} {median / unit:9.3f} {suffix}   x {ratio:.2f} of {base}")
