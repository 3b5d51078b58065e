"""Whole networks: figures of small ones against stored ones, seconds and memory of large ones."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from rvrt.checking.expected import FIGURES
from rvrt.checking.lines import Line, tried
from rvrt.config.network import MODEL_PRESETS, NetworkConfig
from rvrt.config.training import LoopConfig, OptimiserConfig
from rvrt.models import build_network
from rvrt.models.skeleton import Skeleton
from rvrt.runtime import device
from rvrt.training.losses import charbonnier
from rvrt.training.optimiser import Optimiser
from rvrt.training.step import TrainStep

_Array = NDArray[np.float32]
SMALL = (1, 4, 3, 36, 40)
_FORWARD, _STEP = (1, 14, 3, 64, 112), (1, 14, 3, 64, 64)
_PUBLISHED = ("rvrt", "rvrt-light")
_ALLOWED = {"float32": 1e-4, "float16": 2e-2}
_ALLOWED_STEP = 1e-3
_REPEATS = 3
_SPREAD = 0.5  # of the weights, small enough for rounding not to grow from layer to layer


@dataclass(frozen=True)
class _Timed:
    """What calls gave, and what they took."""

    given: Any
    compiling: float
    seconds: float


def small(target: str, quick: bool) -> Iterator[Line]:
    """The debug networks, whose figures are known: forward, and two steps of training.

    `quick` leaves out the steps, and on a CPU float16, which is slow there.
    """
    for preset in ("rvrt-debug", "rvrt-light-debug"):
        for dtype in ("float32",) if quick and target == "CPU" else ("float32", "float16"):
            what = f"{preset} forward {_named(SMALL)}"
            yield tried(what, dtype, partial(_compared, what, preset, target, dtype))
        if not quick:
            what = f"{preset} step {_named(SMALL)}"
            yield tried(what, "float32", partial(_step_compared, what, preset, target))


def published(target: str) -> Iterator[Line]:
    """The published networks at their published sizes: seconds and memory.

    On a CPU in float32 alone, as float16 gains nothing there, and each but once after the first.
    """
    for preset in _PUBLISHED:
        for dtype in ("float32",) if target == "CPU" else ("float32", "float16"):
            what = f"{preset} forward {_named(_FORWARD)}"
            yield tried(what, dtype, partial(_forward, what, preset, target, dtype))
            what = f"{preset} step {_named(_STEP)}"
            yield tried(what, dtype, partial(_step, what, preset, target, dtype))


def figures(preset: str, target: str, dtype: str = "float32") -> list[float]:
    """What a debug network makes of the fixed frames: mean, deviation, and some of its pixels."""
    return _figures(_restoring(preset, target, dtype)(frames(SMALL)))


def step_figures(preset: str, target: str) -> list[float]:
    """Loss and gradient norm of two steps of a debug network."""
    step, lq, gt = _training(preset, target, "float32", SMALL)
    results = [step(lq, gt, number) for number in range(2)]
    return [value for result in results for value in (result.loss, result.gradient_norm)]


def frames(shape: tuple[int, ...]) -> _Array:
    """Waves that move, in 0..1: the same everywhere."""
    t, c, y, x = np.meshgrid(*(np.arange(n) for n in shape[1:]), indexing="ij")
    wave = np.sin(0.31 * x + 0.5 * t + c) + np.cos(0.23 * y - 0.4 * t) * np.sin(0.11 * (x + y))
    return np.broadcast_to(0.5 + 0.2 * wave, shape).astype(np.float32)


def fill(network: nn.Cell) -> nn.Cell:
    """Give a network weights that depend on names and shapes alone."""
    for parameter in network.get_parameters():
        rng = np.random.RandomState(zlib.crc32(parameter.name.encode()))
        values = rng.uniform(-1, 1, parameter.shape)
        if len(parameter.shape) > 1:
            values *= _SPREAD * np.sqrt(3 * parameter.shape[0] / values.size)
        elif parameter.name.endswith("gamma"):
            values = 1 + 0.1 * values
        else:
            values *= 0.05
        parameter.set_data(Tensor(values.astype(np.float32)))
    return network


def _named(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _figures(restored: _Array) -> list[float]:
    pixels = restored.reshape(-1)[:: restored.size // 24][:24]
    return [float(restored.mean()), float(restored.std()), *map(float, pixels)]


def _largest(found: list[float], expected: list[float]) -> float:
    """Of the differences, as parts of what is expected where that is above 1."""
    differences = np.subtract(found, expected) / np.maximum(1, np.abs(expected))
    return float(np.abs(differences).max())


def _restoring(preset: str, target: str, dtype: str) -> Callable[[_Array], _Array]:
    network = fill(build_network(MODEL_PRESETS[preset], device.execution(target, dtype=dtype)))
    network.set_train(False)
    if dtype != "float32" and isinstance(network, Skeleton):
        network.hold_weights()
    run = device.compiled(network)

    def restore(lq: _Array) -> _Array:
        restored: _Array = run(Tensor(lq)).asnumpy()
        return restored

    return restore


def _training(
    preset: str, target: str, dtype: str, shape: tuple[int, ...]
) -> tuple[TrainStep, Tensor, Tensor]:
    config: NetworkConfig = MODEL_PRESETS[preset]
    network = fill(build_network(config, device.execution(target, dtype=dtype, training=True)))
    network.set_train(True)
    optimiser = Optimiser(network, OptimiserConfig(), 100, config.flow_prefix)
    step = TrainStep(network, charbonnier, optimiser, LoopConfig(precision=dtype, clip_norm=1.0))
    *begin, h, w = shape
    gt = frames((*begin, config.upscale * h, config.upscale * w))
    return step, Tensor(frames(shape)), Tensor(gt)


def _repeats(target: str) -> int:
    """Timed calls: a CPU takes most of a minute for each."""
    return 1 if target == "CPU" else _REPEATS


def _timed(call: Callable[[], Any], repeats: int) -> _Timed:
    """One call that compiles, and `repeats` that do not."""
    seconds = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        given = call()
        seconds.append(time.perf_counter() - started)
    usual = sorted(seconds[1:])[repeats // 2]
    return _Timed(given, max(0.0, seconds[0] - usual), usual)


def _line(what: str, dtype: str, timed: _Timed) -> Line:
    memory = device.peak_memory()
    return Line(what, dtype, compiling=timed.compiling, seconds=timed.seconds, memory=memory)


def _compared(what: str, preset: str, target: str, dtype: str) -> Line:
    restore, lq = _restoring(preset, target, dtype), frames(SMALL)
    timed = _timed(lambda: restore(lq), 1)
    difference = _largest(_figures(timed.given), FIGURES[f"{preset} forward"])
    return replace(_line(what, dtype, timed), difference=difference, allowed=_ALLOWED[dtype])


def _step_compared(what: str, preset: str, target: str) -> Line:
    difference = _largest(step_figures(preset, target), FIGURES[f"{preset} step"])
    return Line(
        what, "float32", difference=difference, allowed=_ALLOWED_STEP, memory=device.peak_memory()
    )


def _forward(what: str, preset: str, target: str, dtype: str) -> Line:
    restore, lq = _restoring(preset, target, dtype), frames(_FORWARD)
    timed = _timed(lambda: restore(lq), _repeats(target))
    finite = bool(np.isfinite(timed.given).all())
    return replace(_line(what, dtype, timed), problem="" if finite else "not finite")


def _step(what: str, preset: str, target: str, dtype: str) -> Line:
    step, lq, gt = _training(preset, target, dtype, _STEP)
    timed = _timed(lambda: step(lq, gt, 0), _repeats(target))
    return replace(_line(what, dtype, timed), problem="not finite" if timed.given.skipped else "")
