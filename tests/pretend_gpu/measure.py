"""Runs one forward or training step on the pretend GPU three times and prints what it asked for."""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable

import numpy as np

from rvrt.config.network import MODEL_PRESETS
from rvrt.models import build_network
from rvrt.runtime import device
from tests.pretend_gpu.counting import Counts, counts, reset


def forward(preset: str, shape: tuple[int, ...], dtype: str) -> Callable[[], object]:
    """One call of the network on frames (B, T, 3, H, W), its result fetched."""
    from mindspore import Tensor  # after rvrt, which gives it the libraries

    how = device.execution("GPU", dtype=dtype)
    network = build_network(MODEL_PRESETS[preset], how)
    network.set_train(False)
    run = device.compiled(network)
    lq = Tensor(np.random.default_rng(0).random(shape, np.float32))
    return lambda: run(lq).asnumpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", choices=list(MODEL_PRESETS))
    parser.add_argument("what", choices=["fwd"])
    parser.add_argument("shape", type=lambda text: tuple(map(int, text.split("x"))))
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    parser.add_argument("--top", type=int, default=0, help="most frequent calls to print")
    given = parser.parse_args()
    device.use("GPU")
    call = forward(given.preset, given.shape, given.dtype)
    for number in range(3):
        reset()
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"call {number}: {wall:.2f} s, {cpu:.2f} s of CPU; {described(counts())}", flush=True)
    for name, times in most_frequent(counts(), given.top):
        print(f"{times:8d} {name}")


def described(found: Counts) -> str:
    """One line."""
    return (
        f"{found.launches} launches, {found.uploads} uploads, {found.downloads} downloads, "
        f"{found.copies} copies, {found.waits} waits, {found.peak / 2**30:.1f} GiB at the peak"
    )


def most_frequent(found: Counts, number: int) -> list[tuple[str, int]]:
    """Calls and how often, with C++ names in the clear."""
    rows = found.calls.most_common(number)
    text = "\n".join(name for name, _ in rows)
    done = subprocess.run(["c++filt"], input=text, capture_output=True, text=True, check=True)
    names = [name.partition("(")[0] for name in done.stdout.splitlines()]
    return [(name, times) for name, (_, times) in zip(names, rows, strict=True)]


if __name__ == "__main__":
    main()
