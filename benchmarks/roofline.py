"""How near the networks come to what the processor can do: `bench_rvrt.py roofline`.

The bound is the arithmetic of all convolutions, products and attentions at the rate of one large
float32 product: the fastest of NumPy's, MindSpore's and this package's, on the same processors, in
the same run. Where the time goes is measured around calls that wait for their result; what the
gradient calls by itself counts as the rest.
"""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from rvrt.config.network import MODEL_PRESETS, Execution
from rvrt.models import build_network
from rvrt.models.kernels import backends, calls

# TFLOP: forward at 1x14x3x64x112, a step at 1x14x3x64x64 with everything computed twice.
WORK = {"rvrt": (2.37, 5.0), "rvrt-light": (2.03, 4.28)}
GOAL = {"forward": 2.2, "step": 3.0}
WAYS = {
    "kernels": Execution(kernels=True),
    "operators": Execution(),
    "blocks": Execution(compile_blocks=True),
}
_SIDE = 3072

# What stands in which line. Everything below a line counts as that line.
_KERNELS = {
    "product": "products, with what follows them",
    "layer": "Swin layers",
    "samples": "attention to samples",
    "neighbours": "attention to neighbours",
    "warp": "warps",
    "weight_gradient": "gradients of convolutions' weights",
    "layer_gradient": "gradients of Swin layers",
    "samples_gradient": "gradients of attention to samples",
}
_CELLS = {
    "products": (ops.MatMul, ops.BatchMatMul, ops.Conv2D),
    "element-wise": (nn.LayerNorm,),
}
_FUNCTIONS = {
    "gathers and copies": ("gather", "cat", "stack", "transpose", "tile", "flip", "broadcast_to"),
    "element-wise": (
        *("softmax", "erf", "sigmoid", "relu", "maximum", "minimum", "tanh", "floor", "reciprocal"),
        *("cast", "ones_like", "zeros", "logical_and", "greater", "less", "reduce_sum"),
    ),
}
_OPERATORS = ("__add__", "__radd__", "__mul__", "__rmul__", "__sub__", "__rsub__", "__truediv__")


class Clock:
    """Seconds by line, counted once where calls lie within each other."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inside = False

    def around(self, line: str, call: Callable) -> Callable:
        """The same call, timed."""

        @wraps(call, updated=())
        def timed(*args, **kwargs):
            if self._inside:
                return call(*args, **kwargs)
            self._inside = True
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds[line] += time.perf_counter() - start
                self._inside = False

        return timed

    def _places(self) -> Iterator[tuple[object, str, str]]:
        for name, line in _KERNELS.items() if backends.AVAILABLE else ():
            yield calls._kernels, name, line
        for line, cells in _CELLS.items():
            yield from ((cell, "__call__", line) for cell in cells)
        for line, names in _FUNCTIONS.items():
            yield from ((ops, name, line) for name in names)
        yield from ((Tensor, name, "element-wise") for name in _OPERATORS)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time what the networks call."""
        before = []
        for owner, name, line in self._places():
            before.append((owner, name, getattr(owner, name)))
            setattr(owner, name, self.around(line, before[-1][2]))
        try:
            yield
        finally:
            for owner, name, call in reversed(before):
                setattr(owner, name, call)


@dataclass(frozen=True)
class Seconds:
    """By the clock, and of all processors together."""

    wall: float
    cpu: float


def seconds_of(call: Callable[[], object]) -> Seconds:
    """Of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def _rate(call: Callable[[], object], work: float = 2 * _SIDE**3) -> Seconds:
    """Seconds for a TFLOP of a product, the best of some."""
    call()
    runs = [seconds_of(call) for _ in range(3)]
    tera = work / 1e12
    return Seconds(min(run.wall for run in runs) / tera, min(run.cpu for run in runs) / tera)


def rates() -> dict[str, Seconds]:
    """Seconds for a TFLOP of a large float32 product, by who computes it."""
    a, b = np.random.default_rng(0).random((2, _SIDE, _SIDE), np.float32)
    x, y = Tensor(a), Tensor(b)
    found = {
        "NumPy": _rate(lambda: a @ b),
        "MindSpore": _rate(lambda: ops.MatMul()(x, y).asnumpy()),
    }
    if backends.backend() == "compiled":
        # Ours keeps up to 144 inputs at once, as the networks have them.
        maps = [np.ascontiguousarray(part) for part in np.split(a[:, :1152], 8, 1)]
        weight, bias = np.ascontiguousarray(b[:, :1152]), np.zeros(_SIDE, np.float32)
        ours = lambda: calls.product(maps, weight, bias)  # noqa: E731
        found["ours"] = _rate(ours, 2 * _SIDE * _SIDE * 1152)
    return found


def _job(preset: str, what: str, how: Execution) -> Callable[[], object]:
    """A forward pass, or a training step without its update."""
    network = build_network(MODEL_PRESETS[preset], how)
    rng = np.random.default_rng(0)
    if what == "forward":
        x = Tensor(rng.random((1, 14, 3, 64, 112), np.float32))
        return lambda: network(x).asnumpy()
    lq = Tensor(rng.random((1, 14, 3, 64, 64), np.float32))
    gt = Tensor(rng.random((1, 14, 3, 256, 256), np.float32))

    def loss(lq: Tensor, gt: Tensor) -> Tensor:
        difference = network(lq) - gt
        return ops.sqrt(difference * difference + 1e-9).mean()

    step = ms.value_and_grad(loss, None, network.trainable_params())
    return lambda: step(lq, gt)[1][-1].asnumpy()


def measure(preset: str, what: str, way: str) -> None:
    """Print one case: seconds, ratio, peak, and where the time goes."""
    how = WAYS[way]
    if what == "step":
        how = Execution(kernels=how.kernels, compile_blocks=how.compile_blocks, recompute=("all",))
    found = rates()
    run = _job(preset, what, how)
    if how.compile_blocks:
        run()  # compiling is not the speed
    clock, cores = Clock(), calls.threads()
    with clock.running():
        took = seconds_of(run)
    work = WORK[preset][what == "step"]
    wall_bound = work * min(rate.wall for rate in found.values())
    cpu_bound = work * min(rate.cpu for rate in found.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{preset} {what}, {way} ({backends.describe_backend() if how.kernels else 'MindSpore'})")
    speeds = (f"{name} {1e3 / rate.wall:.0f}" for name, rate in found.items())
    print(f"  a large product: {', '.join(speeds)} GFLOP/s; goal: {GOAL[what]} times its time")
    ratios = took.wall / wall_bound, took.cpu / cpu_bound
    print(f"  {took.wall:.1f} s, {ratios[0]:.2f} times the bound of {wall_bound:.1f} s")
    print(
        f"  {took.cpu:.1f} s of processor time on {cores}, {ratios[1]:.2f} times {cpu_bound:.1f} s"
    )
    print(f"  {peak:.2f} GiB at the most")
    waiting = max(0.0, took.wall - took.cpu / cores)
    print(f"  {waiting:6.2f} s of it waiting, also for what else the machine does")
    for line, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
        print(f"  {seconds:6.2f} s {line}")
    print(f"  {took.wall - sum(clock.seconds.values()):6.2f} s the rest: Python, gradients, graphs")


def roofline(presets: list[str], whats: list[str], ways: list[str], script: str) -> None:
    """Each case in a process of its own, so that each has its own peak."""
    import subprocess
    import sys

    for preset in presets:
        for what in whats:
            for way in ways:
                case = [sys.executable, script, "roofline", preset, "--what", what, "--way", way]
                subprocess.run([*case, "--here"], check=False, env=os.environ)
