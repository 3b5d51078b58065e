"""What two threads gain in resizing stacks, by the clock, each pair in turn in one run.

    python benchmarks/bench_threads.py

A quiet machine with two processors is needed: elsewhere the figures say what else it does.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from vimeo_tools import downscale, imresize_batch
from vimeo_tools.resize.backends import describe_backend


def gain(resize: Callable[[int], object], rounds: int) -> str:
    """Milliseconds with one thread and with two, and the median of their ratios."""
    pairs = []
    for _ in range(rounds):
        times = []
        for threads in (1, 2):
            start = time.perf_counter()
            resize(threads)
            times.append(1e3 * (time.perf_counter() - start))
        pairs.append(times)
    one, two = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    return f"{one:7.2f} ms, {two:7.2f} ms with two threads: {ratio:.2f}"


def main() -> None:
    """Print one line a case."""
    rng = np.random.default_rng(0)
    few, many, large = (
        rng.integers(0, 256, (count, *size, 3), dtype=np.uint8)
        for count, size in ((14, (256, 448)), (140, (256, 448)), (4, (2160, 3840)))
    )
    print(describe_backend())
    print("14 of 448x256 to 1/4, double ", gain(lambda n: downscale(few, 4, threads=n), 41))
    print("140 of 448x256 to 1/4, double", gain(lambda n: downscale(many, 4, threads=n), 21))
    print(
        "140 of 448x256 to 1/3, uint8 ", gain(lambda n: imresize_batch(many, 1 / 3, threads=n), 9)
    )
    print("14 of 448x256 to x2, uint8   ", gain(lambda n: imresize_batch(few, 2, threads=n), 9))
    print("4 of 3840x2160 to 1/4, double", gain(lambda n: downscale(large, 4, threads=n), 5))


if __name__ == "__main__":
    main()
