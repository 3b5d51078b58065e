"""Runs one forward or training step on the pretend GPU three times and prints what it asked for."""

from __future__ import annotations

import argparse
import dataclasses
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rvrt.config.network import MODEL_PRESETS
from rvrt.config.training import LoopConfig, OptimiserConfig
from rvrt.models import build_network
from rvrt.runtime import device
from tests.pretend_gpu.counting import Counts, counts, reset

# What adds up at places that a table names, as the gradient of a gather does in MindSpore.
_SCATTER = re.compile("UnsortedSegment|Scatter|GatherGrad|GatherD(im)?Grad|IndexAdd")


@dataclass(frozen=True)
class Case:
    """What is measured; `shape` is (B, T, 3, H, W)."""

    preset: str
    shape: tuple[int, ...]
    dtype: str
    recompute: tuple[str, ...]


def forward(case: Case) -> Callable[[], object]:
    """One call of the network, as it restores, its result fetched."""
    from mindspore import Tensor  # after rvrt, which gives it the libraries

    how = device.execution("GPU", dtype=case.dtype)
    network = build_network(MODEL_PRESETS[case.preset], how)
    network.set_train(False)
    network.hold_weights()
    run = device.compiled(network)
    lq = Tensor(np.random.default_rng(0).random(case.shape, np.float32))
    return lambda: run(lq).asnumpy()


def step(case: Case) -> Callable[[], object]:
    """One step of a training with clipping and an average of the weights."""
    from mindspore import Tensor

    from rvrt.training.losses import charbonnier
    from rvrt.training.optimiser import Optimiser
    from rvrt.training.step import TrainStep

    config = MODEL_PRESETS[case.preset]
    how = device.execution("GPU", dtype=case.dtype, training=True)
    how = dataclasses.replace(how, recompute=case.recompute)
    network, average = build_network(config, how), build_network(config, how)
    network.set_train(True)
    optimiser = Optimiser(network, OptimiserConfig(), 100, config.flow_prefix)
    loop = LoopConfig(precision=case.dtype, clip_norm=1.0, ema=0.999)
    train = TrainStep(network, charbonnier, optimiser, loop, average)
    lq = Tensor(np.random.default_rng(0).random(case.shape, np.float32))
    *begin, h, w = case.shape
    gt = Tensor(np.zeros((*begin, config.upscale * h, config.upscale * w), np.float32))
    return lambda: train(lq, gt, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", choices=list(MODEL_PRESETS))
    parser.add_argument("what", choices=["fwd", "step"])
    parser.add_argument("shape", type=lambda text: tuple(map(int, text.split("x"))))
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    parser.add_argument("--recompute", default="all", help="parts, or none; of a step")
    parser.add_argument("--top", type=int, default=0, help="most frequent calls to print")
    given = parser.parse_args()
    device.use("GPU")
    parts = tuple(part for part in given.recompute.split(",") if part != "none")
    case = Case(given.preset, given.shape, given.dtype, parts)
    call = step(case) if given.what == "step" else forward(case)
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
    scatters = sum(n for name, n in found.calls.items() if _SCATTER.search(name))
    return (
        f"{found.launches} launches, {found.uploads} uploads, {found.downloads} downloads, "
        f"{found.copies} copies, {found.waits} waits, {scatters} scatters, "
        f"{found.peak / 2**30:.1f} GiB at the peak"
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
