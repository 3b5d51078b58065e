"""Some steps of a training on its first batch, as it would do them itself.

They run in a process of their own, so that one that takes more memory than there is does not take
this one with it.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median

from mindspore import Parameter, Tensor

from rvrt.config.training import TrainConfig
from rvrt.errors import TrainingError
from rvrt.runtime import device
from rvrt.runtime.world import World
from rvrt.training.data import batches, open_clips
from rvrt.training.losses import loss_named
from rvrt.training.start import build, load_weights, training_step
from vimeo_tools.errors import VimeoToolsError

_STEPS, _LEAST, _SECONDS = 20, 3, 90.0  # steps on one batch, and when they are enough
_BATCHES = 4  # that reading is timed with
_MOMENT = "/moment1."


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        losses: of each step.
        first_seconds, seconds: of the first step, which compiles, and of one later.
        batch: samples of a step here.
        sample_seconds: until one sample is read, by all workers.
        peak: bytes of memory.
        norms: of the first gradient, by part, relative to the whole.
        without: parameters whose first gradient is zero, though they are trained.
        state: bytes of a saved state.
        weights: bytes of the weights alone.
    """

    losses: list[float]
    first_seconds: float
    seconds: float
    batch: int
    sample_seconds: float
    peak: int
    norms: dict[str, float]
    without: list[str]
    state: int
    weights: int


def tried_out(config: TrainConfig, target: str) -> Trial:
    """`trial_of` in a process of its own.

    Raises:
        TrainingError: the steps cannot be done, and why; or the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_try_out, args=(config, target, theirs))
    process.start()
    theirs.close()
    try:
        found: Trial | str = ours.recv()
    except EOFError:
        process.join()
        found = (
            f"the trial of a step ended with {process.exitcode}; -9 is the system's kill where "
            f"memory is short. train.recompute={list(config.train.recompute)} and "
            f"train.micro_batch={config.train.micro_batch} decide what a step takes"
        )
    finally:
        if process.is_alive():
            process.join(10)
            process.kill()
    if isinstance(found, str):
        raise TrainingError(found)
    return found


def _try_out(config: TrainConfig, target: str, answer: Connection) -> None:
    try:
        answer.send(trial_of(config, target))
    except VimeoToolsError as error:
        answer.send(str(error))
    except (RuntimeError, MemoryError) as error:  # MindSpore's, where a card's memory is short
        answer.send(f"a step cannot be done: {device.reason(error)}")
    answer.close()


def trial_of(config: TrainConfig, target: str) -> Trial:
    """Up to 20 steps of the whole size, 90 seconds of them at most, or 3."""
    device.use(target)
    device.check_dtype(config.train.precision)
    lq, gt, sample_seconds = _first_batch(config)
    network, average = build(config, target)
    load_weights(network, config, lambda line: None)
    loss = loss_named(config.train.loss)
    optimiser, step = training_step(config, network, average, loss, World())
    trained = {parameter.name for parameter in optimiser.weights(optimiser.frozen(0))}
    losses: list[float] = []
    seconds: list[float] = []
    norms: dict[str, float] = {}
    without: list[str] = []
    end = time.perf_counter() + _SECONDS
    while len(losses) < _LEAST or (len(losses) < _STEPS and time.perf_counter() < end):
        start = time.perf_counter()
        result = step(lq, gt, len(losses))
        losses.append(result.loss)
        seconds.append(time.perf_counter() - start)
        if not (norms or result.skipped):  # float16 finds its loss scale first
            whole = result.gradient_norm or 1.0
            norms = {part: norm / whole for part, norm in result.part_norms.items()}
            without = _without_gradient(step.tensors(), trained)
    return Trial(
        losses,
        seconds[0],
        median(seconds[1:]),
        len(lq),
        sample_seconds,
        device.peak_memory(),
        norms,
        without,
        state=sum(tensor.nbytes for tensor in step.tensors().values()),
        weights=sum(parameter.nbytes for parameter in network.get_parameters()),
    )


def _first_batch(config: TrainConfig) -> tuple[Tensor, Tensor, float]:
    """LQ and GT of two parts of a batch, if it has two, and the seconds that a sample takes."""
    loop = config.train
    size = min(loop.batch_size, 2 * loop.micro_batch)  # gradients of parts are added up
    few = dataclasses.replace(loop, batch_size=size, steps=_BATCHES)
    source = open_clips(config.data, "train", config.model)
    feed = batches(source, dataclasses.replace(config, train=few), World(), 0)
    lq, gt = next(feed)
    start = time.perf_counter()
    for _ in feed:
        pass
    return lq, gt, (time.perf_counter() - start) / (size * (_BATCHES - 1))


def _without_gradient(tensors: Mapping[str, Parameter], trained: Set[str]) -> list[str]:
    """Trained parameters whose gradient was zero, off Adam's first moments after one step.

    They are the gradients times 1 - beta1 then.
    """
    names = {name.partition(_MOMENT)[2]: tensor for name, tensor in tensors.items()}
    return [name for name in names if name in trained and not names[name].asnumpy().any()]
