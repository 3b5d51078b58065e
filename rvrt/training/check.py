"""A training tried out before it begins: data, recipe, memory, gradients, time, disk.

Nothing is written. The steps are tried in a process of its own, so that one that takes more memory
than there is becomes a finding and not the end.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from rvrt.config.published import departures
from rvrt.config.training import TrainConfig
from rvrt.errors import TrainingError
from rvrt.runtime import device
from rvrt.runtime.world import World
from rvrt.training.data import batches, open_clips, open_tested, refuse_leaks
from rvrt.training.losses import loss_named
from rvrt.training.start import build, load_weights, training_step
from vimeo_tools.errors import VimeoToolsError
from vimeo_tools.feed.dataset import SequenceSource
from vimeo_tools.feed.windows import Window

OK, WARNING, WRONG = "ok", "warning", "wrong"
_STEPS, _LEAST, _SECONDS = 20, 3, 90.0  # steps on one batch, and when they are enough
_BATCHES = 4  # that the data are timed with
_CLIPS, _FRAMES = 4, 7  # of which LQ is made again
_NAMED = 3
_HOURS_SHOWN = 72
_MOMENT = "/moment1."


class Finding(NamedTuple):
    """One line of the check.

    Attributes:
        verdict: "ok", "warning" or "wrong"; with a wrong one the training would fail or learn
            nothing.
        subject: what was looked at, in a word.
        text: what was found.
    """

    verdict: str
    subject: str
    text: str


@dataclasses.dataclass(frozen=True)
class Trial:
    """Some steps on one batch.

    Attributes:
        losses: of each step.
        first_seconds, seconds: of the first step, which compiles, and of one later.
        batch: samples of a step here.
        sample_seconds: until one sample is read, by all workers.
        peak: bytes of memory.
        norms: of the first gradient, by part.
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


def check_training(config: TrainConfig, folder: Path | None, target: str) -> Iterator[Finding]:
    """What a person should know before a training begins, as it is found.

    Args:
        config: of the training.
        folder: of the run, whose disk is looked at; None for the working directory's.
        target: CPU, GPU or Ascend.
    """
    for line in departures(config):
        yield Finding(WARNING, "recipe", line)
    try:
        source = open_clips(config.data, "train", config.model)
        tested = open_tested(config)
    except VimeoToolsError as error:
        yield Finding(WRONG, "data", str(error))
        return
    yield Finding(
        OK,
        "data",
        f"{len(source):,} clips to train on, {len(tested or ()):,} to validate on; "
        f"GT {source.gt_size}, LQ {source.lq_size}",
    )
    yield _lists(config, source, tested)
    yield _lq(config, source)
    trial = _in_a_process_of_its_own(config, target)
    if isinstance(trial, Finding):
        yield trial
        return
    yield from _steps(config, trial)
    yield _disk(config, trial, folder or Path(), source)


def _lists(config: TrainConfig, source: SequenceSource, tested: SequenceSource | None) -> Finding:
    try:
        refuse_leaks(source, tested, config.data)
    except TrainingError as error:
        return Finding(WRONG, "lists", str(error))
    return Finding(OK, "lists", "no clip is trained on and validated or tested on")


def _lq(config: TrainConfig, source: SequenceSource) -> Finding:
    """LQ frames of some clips, made again from GT by the recipe."""
    data = config.data
    recipe = f"{data.degradation} x{source.scale}"
    if data.lq is None:
        return Finding(OK, "LQ", f"made from GT as it is read: {recipe}")
    differing = samples = 0
    try:
        made = open_clips(dataclasses.replace(data, lq=None), "train", config.model)
        for index in np.unique(np.linspace(0, len(source) - 1, _CLIPS).astype(int)):
            window = Window(0, min(source.lengths[index], _FRAMES))
            stored, again = (one.read(int(index), window=window).lq for one in (source, made))
            differing += int((stored != again).sum())
            samples += stored.size
    except VimeoToolsError as error:
        return Finding(WRONG, "LQ", str(error))
    if differing:
        return Finding(
            WRONG,
            "LQ",
            f"{data.lq} is not {recipe} of {data.gt}: {differing / samples:.1%} of the samples "
            f"looked at differ; `vimeo-prep detect {Path(data.root) / data.lq}` finds what it is",
        )
    return Finding(OK, "LQ", f"{recipe}; {samples:,} samples made again, none differs")


def _steps(config: TrainConfig, trial: Trial) -> Iterator[Finding]:
    yield Finding(
        OK,
        "memory",
        f"{trial.peak / 2**30:.1f} GiB at most, in steps of {trial.batch} x {config.data.frames} "
        f"frames of {config.data.crop}x{config.data.crop}",
    )
    parts = ", ".join(f"{part} {norm:.2g}" for part, norm in trial.norms.items())
    if trial.without:
        named = ", ".join(trial.without[:_NAMED])
        text = f"zero for {len(trial.without)} parameters, such as {named}; by part: {parts}"
        yield Finding(WRONG, "gradients", text)
    else:
        yield Finding(OK, "gradients", f"of every trained parameter; norms by part: {parts}")
    yield _learning(trial)
    yield from _times(config, trial)


def _learning(trial: Trial) -> Finding:
    losses = trial.losses
    text = f"loss of one batch over {len(losses)} steps: {losses[0]:.4g} to {losses[-1]:.4g}"
    if not np.isfinite(losses).all():
        return Finding(WRONG, "learning", f"{text}; not finite: a lower optimiser.lr may help")
    if min(losses[1:]) >= losses[0]:
        return Finding(WARNING, "learning", f"{text}; it does not fall: optimiser.lr too high?")
    return Finding(OK, "learning", text)


def _times(config: TrainConfig, trial: Trial) -> Iterator[Finding]:
    loop = config.train
    step = trial.seconds * loop.batch_size / trial.batch
    hours = step * loop.steps / 3600
    whole = f"{hours:.3g} hours" if hours < _HOURS_SHOWN else f"{hours / 24:.3g} days"
    yield Finding(
        OK,
        "time",
        f"{step:.3g} s a step on one device ({trial.first_seconds:.3g} s for the first, which may "
        f"compile); {loop.steps:,} steps: {whole}, on N devices 1/N of it at best",
    )
    if trial.sample_seconds * loop.batch_size > step:
        yield Finding(
            WARNING,
            "time",
            f"reading a batch takes {trial.sample_seconds * loop.batch_size:.3g} s, longer than "
            "its step: more data.workers, a database, or LQ frames that are made already",
        )


def _disk(config: TrainConfig, trial: Trial, folder: Path, source: SequenceSource) -> Finding:
    saves = config.checkpoints.keep + 1  # the newest is written before the oldest goes
    validations = -(-config.train.steps // config.validation.every) + 1
    sheet = 3 * 3 * source.gt_size.height * source.gt_size.width * config.validation.clips
    needed = saves * trial.state + 3 * trial.weights + validations * sheet
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    needs, has = (f"{size / 2**30:.3g} GiB" for size in (needed, free))
    text = f"{needs} at most for states, weights and sheets; {has} are free"
    return Finding(OK if needed < free else WRONG, "disk", text)


def _in_a_process_of_its_own(config: TrainConfig, target: str) -> Trial | Finding:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_try_out, args=(config, target, theirs))
    process.start()
    theirs.close()
    try:
        found: Trial | Finding = ours.recv()
    except EOFError:
        process.join()
        found = Finding(WRONG, "memory", _why_it_died(config, process.exitcode))
    finally:
        if process.is_alive():
            process.join(10)
            process.kill()
    return found


def _why_it_died(config: TrainConfig, code: int | None) -> str:
    return (
        f"the trial of a step ended with {code}; -9 is the system's kill where memory is short. "
        f"train.recompute={list(config.train.recompute)} and train.micro_batch="
        f"{config.train.micro_batch} decide what a step takes"
    )


def _try_out(config: TrainConfig, target: str, answer: Connection) -> None:
    """What the process does."""
    try:
        answer.send(trial_of(config, target))
    except VimeoToolsError as error:
        answer.send(Finding(WRONG, "step", str(error)))
    except (RuntimeError, MemoryError) as error:  # MindSpore's, where a card's memory is short
        answer.send(Finding(WRONG, "memory", device.reason(error)))
    answer.close()


def trial_of(config: TrainConfig, target: str) -> Trial:
    """Some steps of the whole size, as the training itself would do them, on its first batch."""
    device.use(target)
    device.check_dtype(config.train.precision)
    loop = config.train
    batch = min(loop.batch_size, 2 * loop.micro_batch)  # two parts: gradients are added up too
    small = dataclasses.replace(loop, batch_size=batch, steps=_BATCHES)
    source = open_clips(config.data, "train", config.model)
    feed = batches(source, dataclasses.replace(config, train=small), World(), 0)
    lq, gt = next(feed)
    start = time.perf_counter()
    for _ in feed:
        pass
    sample_seconds = (time.perf_counter() - start) / (batch * (_BATCHES - 1))
    network, average = build(config, target)
    load_weights(network, config, lambda line: None)
    _, step = training_step(config, network, average, loss_named(loop.loss), World())
    losses: list[float] = []
    seconds: list[float] = []
    norms: dict[str, float] = {}
    without: list[str] = []
    began = time.perf_counter()
    while len(losses) < _LEAST or (len(losses) < _STEPS and time.perf_counter() - began < _SECONDS):
        start = time.perf_counter()
        losses.append(step(lq, gt, len(losses)).loss)
        seconds.append(time.perf_counter() - start)
        if not norms:
            norms, without = _gradients(step.tensors())
    state = sum(tensor.nbytes for tensor in step.tensors().values())
    return Trial(
        losses,
        seconds[0],
        median(seconds[1:]),
        batch,
        sample_seconds,
        device.peak_memory(),
        norms,
        without,
        state,
        sum(p.nbytes for p in network.get_parameters()),
    )


def _gradients(tensors: dict[str, Any]) -> tuple[dict[str, float], list[str]]:
    """Norms by part, and parameters without any, off Adam's first moments after one step.

    They are the gradients times 1 - beta1 then; the norms are given relative to the whole.
    """
    squares: defaultdict[str, float] = defaultdict(float)
    without = []
    for name, tensor in tensors.items():
        if _MOMENT not in name:
            continue
        parameter = name.partition(_MOMENT)[2]
        square = float(np.square(tensor.asnumpy().astype(np.float64)).sum())
        squares[parameter.partition(".")[0]] += square
        if square == 0:
            without.append(parameter)
    whole = np.sqrt(sum(squares.values())) or 1.0
    return {part: float(np.sqrt(square) / whole) for part, square in squares.items()}, without
