"""Forward time and memory of the networks, one training step, and PyTorch's Swin layer beside ours.

    python benchmarks/bench_rvrt.py forward rvrt          # 1x14x3x64x112, as published
    python benchmarks/bench_rvrt.py forward rvrt-light
    python benchmarks/bench_rvrt.py train rvrt            # one step at 1x14x3x64x64, recomputed
    python benchmarks/bench_rvrt.py layer                 # needs torch: a ratio in one run
    python benchmarks/bench_rvrt.py roofline              # all cases: takes half an hour
    python benchmarks/bench_rvrt.py roofline rvrt --what forward --way kernels

Weights and frames are random: times do not depend on them. On a machine that does other work too,
CPU time divided by the cores is what a quiet one would take at the least.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from roofline import GOAL, WAYS, WORK, measure, roofline

from rvrt.config.network import MODEL_PRESETS, Execution
from rvrt.models import build_network
from rvrt.models.rstb import SwinLayer
from rvrt.runtime import device


def peak_gib() -> float:
    """Most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def frames(*shape: int) -> Tensor:
    """Random values in 0..1."""
    return Tensor(np.random.RandomState(0).random_sample(shape).astype(np.float32))


def best(run, rounds: int) -> float:
    """Shortest of some runs, after one that is not counted."""
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def bench_forward(preset: str, rounds: int, execution: Execution) -> None:
    """The published input size."""
    model, x = build_network(MODEL_PRESETS[preset], execution), frames(1, 14, 3, 64, 112)
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        model(x).asnumpy()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(
            f"{preset} forward 1x14x3x64x112: {wall:.1f} s ({cpu:.1f} s of CPU time), "
            f"peak {peak_gib():.1f} GiB"
        )


def bench_train(preset: str, execution: Execution) -> None:
    """Loss and gradients of one step."""
    model = build_network(MODEL_PRESETS[preset], execution)
    x, target = frames(1, 14, 3, 64, 64), frames(1, 14, 3, 256, 256)

    def loss(lq: Tensor, gt: Tensor) -> Tensor:
        difference = model(lq) - gt
        return ops.sqrt(difference * difference + 1e-9).mean()

    step = ms.value_and_grad(loss, None, model.trainable_params())
    start = time.perf_counter()
    value, gradients = step(x, target)
    value.asnumpy(), gradients[-1].asnumpy()
    seconds = time.perf_counter() - start
    print(f"{preset} step 1x14x3x64x64: {seconds:.0f} s, peak {peak_gib():.1f} GiB")


def bench_layer(rounds: int) -> None:
    """One shifted Swin layer on a clip of 2x64x112, 144 channels: ours, PyTorch's, the ratio."""
    layer = SwinLayer(MODEL_PRESETS["rvrt"], (2, 8, 8), 6, shifted=True, how=Execution())
    x = frames(2 * 64 * 112, 144)
    ours = best(lambda: layer(x, (1, 2, 64, 112)).asnumpy(), rounds)
    theirs = best(torch_layer(), rounds)
    print(
        f"Swin layer: MindSpore {ours * 1e3:.0f} ms, PyTorch {theirs * 1e3:.0f} ms, "
        f"ratio {ours / theirs:.2f}"
    )


def torch_layer():
    """The same layer in plain PyTorch: roll, partition, attention, reverse, MLP."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(0)
    norm1, norm2 = nn.LayerNorm(144), nn.LayerNorm(144)
    qkv, proj = nn.Linear(144, 432), nn.Linear(144, 144)
    mlp = nn.Sequential(nn.Linear(144, 288), nn.GELU(), nn.Linear(288, 144))
    x = torch.rand(2, 64, 112, 144)
    bias, mask = torch.rand(6, 128, 128), torch.zeros(112, 1, 128, 128)

    def run():
        with torch.no_grad():
            y = torch.roll(norm1(x), (-4, -4), (1, 2))
            y = y.view(2, 8, 8, 14, 8, 144).permute(1, 3, 0, 2, 4, 5).reshape(112, 128, 144)
            q, k, v = qkv(y).view(112, 128, 3, 6, 24).permute(2, 0, 3, 1, 4)
            score = (q * 24**-0.5) @ k.transpose(-2, -1) + bias + mask
            y = (functional.softmax(score, -1) @ v).transpose(1, 2).reshape(112, 128, 144)
            y = proj(y).view(8, 14, 2, 8, 8, 144).permute(2, 0, 3, 1, 4, 5)
            y = x + torch.roll(y.reshape(2, 64, 112, 144), (4, 4), (1, 2))
            return y + mlp(norm2(y))

    return run


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("forward", "train", "layer", "roofline"))
    parser.add_argument("preset", nargs="?", choices=tuple(MODEL_PRESETS))
    parser.add_argument(
        "--what", dest="measured", choices=tuple(GOAL), help="roofline: one of them"
    )
    parser.add_argument("--way", choices=tuple(WAYS), help="roofline: one")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--chunk-mb", type=int, default=256)
    parser.add_argument("--compile-blocks", action="store_true")
    parser.add_argument("--kernels", action="store_true", help="by the compiled part")
    options = parser.parse_args()
    if options.what == "roofline" and not options.here:
        one = lambda chosen, every: [chosen] if chosen else list(every)  # noqa: E731
        presets, whats = one(options.preset, WORK), one(options.measured, GOAL)
        roofline(presets, whats, one(options.way, WAYS), sys.argv[0])
        return
    options.preset = options.preset or "rvrt"
    device.use("CPU")
    how = Execution(
        compile_blocks=options.compile_blocks,
        recompute=("all",) if options.what == "train" else (),
        chunk_mb=options.chunk_mb,
        kernels=options.kernels,
    )
    if options.what == "roofline":
        measure(options.preset, options.measured, options.way)
    elif options.what == "forward":
        bench_forward(options.preset, options.rounds, how)
    elif options.what == "train":
        bench_train(options.preset, how)
    else:
        bench_layer(options.rounds)


if __name__ == "__main__":
    main()
