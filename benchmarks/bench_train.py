"""Time and memory of a training step.

    python benchmarks/bench_train.py rvrt-debug                      # 1x14x3x64x64, steps timed
    python benchmarks/bench_train.py rvrt --recompute all            # as published
    python benchmarks/bench_train.py rvrt --frames 6 --size 48 --recompute alignment upsampler

Weights and frames are random: times do not depend on them. Memory is the most that the process has
held (RSS); run one command for each figure.
"""

from __future__ import annotations

import argparse
import time

import mindspore as ms
import numpy as np
from bench_rvrt import frames, peak_gib
from mindspore import Tensor, nn, ops

from rvrt.config.network import MODEL_PRESETS, RECOMPUTABLE, Execution
from rvrt.models import build_network
from rvrt.runtime import device


def build_step(preset: str, execution: Execution):
    """Loss, gradients and Adam, as a function of LQ and GT."""
    model = build_network(MODEL_PRESETS[preset], execution)
    optimiser = nn.Adam(model.trainable_params(), 1e-4, 0.9, 0.99)

    def loss(lq: Tensor, gt: Tensor) -> Tensor:
        difference = model(lq) - gt
        return ops.sqrt(difference * difference + 1e-9).mean()

    gradients = ms.value_and_grad(loss, None, optimiser.parameters)

    def step(lq: Tensor, gt: Tensor) -> float:
        value, grads = gradients(lq, gt)
        optimiser(grads)
        return float(value.asnumpy())

    return step


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", choices=tuple(MODEL_PRESETS))
    parser.add_argument("--frames", type=int, default=14)
    parser.add_argument("--size", type=int, default=64, help="side of the LQ crop")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--recompute", nargs="*", default=[], choices=("all", *RECOMPUTABLE))
    parser.add_argument("--chunk-mb", type=int, default=256)
    parser.add_argument("--compile-blocks", action="store_true")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    device.use("CPU")
    ms.set_seed(1)
    how = Execution(
        compile_blocks=options.compile_blocks,
        recompute=tuple(options.recompute),
        chunk_mb=options.chunk_mb,
        dtype=options.dtype,
    )
    step = build_step(options.preset, how)
    side = options.size
    half = frames(1, options.frames // 2, 3, side, side).asnumpy()
    lq = Tensor(np.concatenate([half, half[:, ::-1]], 1))  # mirrored, as in training
    gt = frames(1, options.frames, 3, 4 * side, 4 * side)
    for n in range(options.steps):
        wall, cpu = time.perf_counter(), time.process_time()
        loss = step(lq, gt)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(
            f"{options.preset} 1x{options.frames}x3x{side}x{side} step {n + 1}: {wall:.1f} s "
            f"({cpu:.1f} s of CPU time), loss {loss:.7f}, peak {peak_gib():.2f} GiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
