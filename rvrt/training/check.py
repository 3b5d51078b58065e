"""A training looked over before it begins: data, recipe, memory, gradients, time, disk.

Nothing is written.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rvrt.config.published import departures
from rvrt.config.training import TrainConfig
from rvrt.errors import TrainingError
from rvrt.training.data import open_clips, open_tested, refuse_leaks
from rvrt.training.trial import Trial, tried_out
from vimeo_tools.errors import VimeoToolsError
from vimeo_tools.feed.dataset import SequenceSource
from vimeo_tools.feed.windows import Window

OK, WARNING, WRONG = "ok", "warning", "wrong"
_CLIPS, _FRAMES = 4, 7  # of which LQ is made again
_NAMED = 3
_HOURS_SHOWN = 72


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
    try:
        trial = tried_out(config, target)
    except TrainingError as error:
        yield Finding(WRONG, "step", str(error))
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
