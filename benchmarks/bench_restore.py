"""Frames a second of rvrt-restore's way through a network, without reading and writing files.

    python benchmarks/bench_restore.py NETWORK WIDTHxHEIGHT FRAMES [GIB]

NETWORK is rvrt-small or the name of a preset (rvrt, rvrt-light), which gets fresh weights: they
take as long as trained ones. Prints one row of a table: frames a second of wall and of processor
time, the largest tile, and the peak memory of the process. GIB as --max-memory, 6 if not given.
"""

from __future__ import annotations

import math
import sys
import time

import numpy as np

from rvrt import PRESETS, Cutting, Restorer, build_network
from rvrt.restoration.network import open_network
from rvrt.runtime import device


def main(name: str, size: str, frames: int, gib: float) -> None:
    """Print the row."""
    width, height = map(int, size.split("x"))
    if name in PRESETS:
        device.use("CPU")
        cell = build_network(PRESETS[name], device.execution("CPU")).set_train(False)
    else:
        cell = open_network(name).cell
    rng = np.random.default_rng(0)
    lq = rng.integers(0, 256, (frames, height, width, 3), np.uint8)
    restorer = Restorer(cell, Cutting(max_memory=gib * 2**30, padding="borders"))
    list(restorer.restore(lq[:2, :64, :64]))  # what is done once
    plan = restorer.plan(lq)
    wall, busy = time.perf_counter(), time.process_time()
    done = sum(1 for _ in restorer.restore(lq))
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    tile = f"{plan.largest[0]} x {plan.largest[2]}x{plan.largest[1]}"
    tiles = math.prod(len(spans) for spans in (plan.times, plan.rows, plan.columns))
    print(
        f"| {name} | {size} | {done} | {done / wall:.3g} | {done / busy:.3g} | {tiles} of {tile} | "
        f"{restorer.peak_memory() / 2**20:.0f} MiB |"
    )


if __name__ == "__main__":
    gib_given = float(sys.argv[4]) if len(sys.argv) > 4 else 6.0
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), gib_given)
