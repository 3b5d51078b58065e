"""A training from its first step to its last, however often it is stopped between."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from rvrt.config.loading import to_yaml
from rvrt.config.training import TrainConfig
from rvrt.errors import TrainingError
from rvrt.runtime.world import World
from rvrt.training.data import (
    batches,
    degradation_of,
    doubts_of,
    marks_of,
    open_clips,
    open_tested,
    refuse_leaks,
    samples_of,
    validation_clips,
    what_changed,
)
from rvrt.training.guards import Guards, Trouble
from rvrt.training.journal import Journal, write_curves
from rvrt.training.losses import loss_named
from rvrt.training.optimiser import RULE
from rvrt.training.progress import Progress
from rvrt.training.run_folder import claimed
from rvrt.training.start import build, load_weights, state_of_another, training_step
from rvrt.training.state import CHECKPOINTS, Checkpoints, TrainState
from rvrt.training.step import StepResult
from rvrt.training.validation import ValidationClip, ValidationResult, validate
from rvrt.training.waiting import watched
from rvrt.weights.checkpoint import save_network

_SHEETS = "sheets"
_BEST, _LAST = "best.safetensors", "last.safetensors"
_RANDOM = "random_state"
_LATE_SECONDS = 60.0
ALONE = World()


@dataclass(frozen=True)
class TrainSummary:
    """What one call of `Trainer.fit` did.

    Attributes:
        first_step, last_step: steps done before, and now.
        stopped: it was asked to stop before the last step.
        seconds_per_step: mean.
        waiting_share: part of the steps' time spent waiting for data, 0 to 1.
        skipped: steps of the whole run that changed nothing, as loss or gradients were not finite.
        best: PSNR on Y and step of the best validation, {} where there was none.
        bicubic_psnr_y: of the same clips; NaN where there was no validation in this call.
    """

    first_step: int
    last_step: int
    stopped: bool
    seconds_per_step: float
    waiting_share: float
    skipped: int
    best: dict[str, float]
    bicubic_psnr_y: float


class Trainer:
    """One rank of a training, which goes on from the newest state in its folder.

    Args:
        config: of the training.
        folder: of the run; every rank reads it, rank 0 alone writes it.
        world: this rank.
        target: where it runs, already selected by `rvrt.runtime.device.use`.
        say: is told what a person should know, one line at a time.

    Raises:
        ConfigError: train.loss names none of `rvrt.training.losses.LOSSES`.
        VimeoToolsError: the data set cannot be read, or does not fit the config.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        world: World = ALONE,
        target: str = "CPU",
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._config, self._folder, self._world, self._say = config, folder, world, say
        self._source = open_clips(config.data, "train", config.model)
        self._clips = self._validated() if world.is_main else []
        self._marks = marks_of(self._source)
        self._loss = loss_named(config.train.loss)
        self._network, self._average = build(config, target)
        self._checkpoints = Checkpoints(folder / CHECKPOINTS, config.checkpoints.keep)
        self._guards = Guards(config.guards, config.train.max_bad_steps)
        self._best: dict[str, float] = {}
        self._bicubic = math.nan
        self._recent: list[tuple[StepResult, float]] = []  # since the last line of the journal

    def _validated(self) -> list[ValidationClip]:
        """The clips to validate on, none of which is trained on."""
        tested = open_tested(self._config)
        refuse_leaks(self._source, tested, self._config.data)
        return [] if tested is None else validation_clips(tested, self._config)

    def fit(self, stop: Callable[[], bool] = lambda: False) -> TrainSummary:
        """Train to the last step, or until `stop` says so; then everything is saved.

        `stop` is asked when a batch has come, and when its step is done.

        Raises:
            ConfigError: the folder is another training's.
            TrainingError: too many bad steps, or a loss far too high, again after the training has
                gone back once; the last state saved is a good one.
            CheckpointError: the weights to start from, or all saved states, cannot be used.
            OutputError: something cannot be written; what was written before is whole.
            FrameError: names the frame that cannot be read.
        """
        config, world = self._config, self._world
        with contextlib.ExitStack() as stack:
            journal = self._open(stack)
            if journal:
                for doubt in doubts_of(self._source, config.data):
                    self._say(f"Warning: {doubt}")
            first = self._begin()
            if journal:
                journal.rewind(first)
                if first == 0 and self._clips and config.start.init:
                    self._validate(0, journal)
            size = config.train.batch_size
            progress = stack.enter_context(
                Progress(first, config.train.steps, size, show=world.is_main)
            )
            done, stopped = first, False
            while done < config.train.steps and not stopped:
                done, stopped = self._run(done, stop, progress, journal)
        return TrainSummary(
            first,
            done,
            stopped,
            progress.seconds_per_step,
            progress.waiting_share,
            self._step.counters.skipped,
            self._best,
            self._bicubic,
        )

    def _open(self, stack: contextlib.ExitStack) -> Journal | None:
        """Rank 0 takes the folder for itself, and has a journal."""
        if not self._world.is_main:
            return None
        stack.enter_context(claimed(self._folder, self._config))
        tensorboard = self._config.journal.tensorboard
        return stack.enter_context(Journal(self._folder, tensorboard=tensorboard))

    def _run(
        self, done: int, stop: Callable[[], bool], progress: Progress, journal: Journal | None
    ) -> tuple[int, bool]:
        """Steps to the last one, or until `stop` says so, or until the training goes back.

        Returns:
            Steps done now, and whether it was stopped.
        """
        world = self._world

        def late(seconds: float) -> None:
            seen = samples_of(self._source, self._config, world, done)
            self._say(
                f"step {done + 1} has waited {seconds:.0f} s for its data; a disk may hang, or a "
                f"worker: {seen}, or what comes after them"
            )

        data = watched(batches(self._source, self._config, world, done), late, _LATE_SECONDS)
        for lq, gt in progress.timed(data):
            stopped = world.any(stop())
            if not stopped:
                trouble = self._advance(lq, gt, done, progress, journal)
                done += 1
                if trouble:
                    return self._go_back(done, trouble, progress, journal), False
                stopped = world.any(stop()) and done < self._config.train.steps
            if stopped:
                if world.is_main:
                    self._save(done)
                return done, True
        return done, False

    def _go_back(
        self, done: int, trouble: Trouble, progress: Progress, journal: Journal | None
    ) -> int:
        """To the newest state from before the trouble, with lower rates; the steps done there.

        Raises:
            TrainingError: it was there before, or no state was saved.
        """
        good = self._checkpoints.last_before(trouble.first)
        if self._guards.went_back or good is None:
            why = "no state was saved before" if good is None else f"{good} is the last good state"
            once = " The training had gone back once already, to lower rates." * bool(good)
            raise TrainingError(
                f"{trouble.text}; {why}.{once} A lower optimiser.lr, or train.clip_norm, may help, "
                "in a new --output"
            )
        self._world.any(False)  # all ranks have looked before rank 0 moves files
        if self._world.is_main:
            self._checkpoints.set_aside_after(good)
        state = self._newest_state()
        assert state is not None
        self._restore(state)
        self._guards.go_back()
        self._optimiser.rate_factor = factor = self._guards.rate_factor
        self._recent.clear()
        progress.back_to(state.step)
        self._say(f"{trouble.text}: back to step {state.step}, with {factor:g} times the rates")
        if journal:
            journal.rewind(state.step)
            journal.write(state.step, went_back_from=done, rate_factor=factor)
            self._save(state.step)
        return state.step

    def _advance(
        self, lq: Tensor, gt: Tensor, step: int, progress: Progress, journal: Journal | None
    ) -> Trouble | None:
        """One step, and what is due after it, unless it is found to be bad."""
        result = self._step(lq, gt, step)
        seconds = progress.step(result)
        done = step + 1
        bad = self._step.counters.bad_in_a_row
        if bad:
            seen = samples_of(self._source, self._config, self._world, step)
            self._say(f"step {done}: loss or gradients not finite, so nothing changed; saw {seen}")
        trouble = self._guards.after_step(done, result.loss, bad)
        if trouble or journal is None:
            return trouble
        self._recent.append((result, seconds))
        if self._due(done, self._config.journal.every):
            journal.write(done, **self._numbers(progress))
            self._recent.clear()
        if self._clips and self._due(done, self._config.validation.every):
            self._validate(done, journal)
        if self._due(done, self._config.checkpoints.every):
            self._save(done)
        return None

    def _begin(self) -> int:
        """Fill the weights, from the newest state or the first time; the number of steps done."""
        state = self._newest_state()
        other = self._config.start.resume_from if state is None else None
        if state is None and other is None:
            load_weights(self._network, self._config, self._say)
        self._optimiser, self._step = training_step(
            self._config, self._network, self._average, self._loss, self._world
        )
        if other is not None:
            state = state_of_another(Path(other), self._config, self._say)
            self._restore(state)
            self._say(f"goes on from step {state.step} of {other}")
            if self._world.is_main:
                self._save(state.step)
            return state.step
        if state is None:
            self._world.broadcast(self._step.tensors().values())
            return 0
        self._resume(state)
        return state.step

    def _newest_state(self) -> TrainState | None:
        if not self._world.is_main:
            self._world.any(False)  # rank 0 first: it sets damaged states aside
        state = self._checkpoints.load_last(self._say)
        if self._world.is_main:
            self._world.any(False)
        return state

    def _resume(self, state: TrainState) -> None:
        steps = self._config.train.steps
        if state.step > steps:
            raise TrainingError(
                f"{self._folder}: {state.step} steps are done, more than train.steps={steps}"
            )
        if changed := what_changed(state.record, self._marks, self._config.data):
            self._say(changed)
        self._restore(state)
        self._say(f"resumed after step {state.step}")
        if state.record.get("rule") != RULE:
            self._say(
                "the steps so far followed the former rule: Adam's epsilon before the bias "
                "correction, and the optical flow at a fixed part of the rate; those from here on "
                "follow PyTorch's Adam, and both rates end at optimiser.min_lr"
            )

    def _restore(self, state: TrainState) -> None:
        arrays = dict(state.arrays)
        ms.set_rng_state(ms.Tensor(arrays.pop(_RANDOM)))
        self._step.load(arrays, state.record["counters"])
        self._best = state.record["best"]
        if guards := state.record.get("guards"):  # older states have none
            self._guards.load(guards)
        self._optimiser.rate_factor = self._guards.rate_factor

    def _due(self, done: int, every: int) -> bool:
        return done % every == 0 or done == self._config.train.steps

    def _validate(self, done: int, journal: Journal) -> None:
        sheet = self._folder / _SHEETS / f"step_{done:08d}.png"
        result: ValidationResult = validate(self._shown, self._clips, sheet)
        journal.write(done, **dataclasses.asdict(result))
        if sheet.exists():
            journal.picture(done, sheet)
        self._bicubic = result.bicubic_psnr_y
        best = self._best.get("psnr_y", -math.inf)
        for line in self._guards.after_validation(done, result.psnr_y, self._bicubic, best):
            self._say(line)
        if result.psnr_y > best:  # a NaN is never the best
            self._best = {"psnr_y": result.psnr_y, "step": done}
            self._export(_BEST)
        write_curves(self._folder)

    @property
    def _shown(self) -> nn.Cell:
        """The network that is validated and exported."""
        return self._network if self._average is None else self._average

    def _export(self, name: str) -> None:
        made = degradation_of(self._config.data).spelled()
        save_network(self._folder / name, self._shown, self._config.model, made)

    def _save(self, done: int) -> None:
        arrays, counters = self._step.state()
        arrays[_RANDOM] = np.asarray(ms.get_rng_state().asnumpy(), np.uint8)
        record: dict[str, Any] = {
            "rule": RULE,
            "counters": counters,
            "guards": self._guards.state(),
            "best": self._best,
            **self._marks,
            "config": to_yaml(self._config),
        }
        self._checkpoints.save(TrainState(done, arrays, record))
        self._export(_LAST)

    def _numbers(self, progress: Progress) -> dict[str, float]:
        """One line of the journal: means over the steps since the last one."""
        recent = self._recent
        good = [result for result, _ in recent if not result.skipped]
        numbers = {
            "loss": fmean([result.loss for result in good] or [math.nan]),
            "rate": recent[-1][0].rate,
            "gradient_norm": fmean([result.gradient_norm for result in good] or [math.nan]),
            "skipped": self._step.counters.skipped,
            "seconds_per_step": fmean(seconds for _, seconds in recent),
            "waiting_share": progress.waiting_share,
        }
        for part in good[-1].part_norms if good else ():
            norms = [result.part_norms[part] for result in good if part in result.part_norms]
            numbers[f"gradient_norm/{part}"] = fmean(norms)
        if self._config.train.precision == "float16":
            numbers["loss_scale"] = self._step.counters.loss_scale
        return numbers
