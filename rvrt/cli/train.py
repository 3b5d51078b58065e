"""rvrt-train: parse, call one function."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rvrt.cli.options import (
    DEVICE,
    EXIT_OF_SIGNAL,
    PATH,
    PLUGIN,
    VERSION,
    computing,
    message_for_errors,
)
from rvrt.config.explained import explained_yaml
from rvrt.config.loading import load_config
from rvrt.config.presets import TRAIN_PRESETS
from rvrt.config.published import departures
from rvrt.config.training import TrainConfig
from vimeo_tools.errors import SettingsError

if TYPE_CHECKING:
    from rvrt.training.trainer import TrainSummary

EXIT_NOT_DONE = 75  # of sysexits.h: try again
_SAME_WISH_SECONDS = 2.0


@click.command()
@click.option("--preset", metavar="NAME", help=f"{', '.join(TRAIN_PRESETS)}.")
@click.option("--config", "file", type=PATH, help="YAML; only what differs from the preset.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="One value more, such as train.batch_size=4; as often as needed.",
)
@click.option("--data", type=PATH, help="The unpacked data set; the same as --set data.root=...")
@click.option("--output", type=PATH, help="Folder of the run.")
@click.option("--spynet", type=PATH, help="Optical flow to begin with, from rvrt-convert.")
@click.option("--init", type=PATH, help="Weights of a whole network to train further.")
@click.option(
    "--resume-from",
    type=PATH,
    help="A state of another run, or its folder: this one goes on from there.",
)
@click.option(
    "--stop-after",
    type=click.FloatRange(0, 10_000, min_open=True),
    metavar="HOURS",
    help=f"Save and end after the step that runs then, exit code {EXIT_NOT_DONE}: for queues.",
)
@DEVICE
@computing
@click.option(
    "--check",
    is_flag=True,
    help="Try data, memory, gradients and time of this training, write nothing, and end.",
)
@click.option(
    "--print-config", is_flag=True, help="Show the effective config as YAML, explained, and end."
)
@PLUGIN
@VERSION
def main(
    preset: str | None,
    file: Path | None,
    settings: tuple[str, ...],
    data: Path | None,
    output: Path | None,
    spynet: Path | None,
    init: Path | None,
    resume_from: Path | None,
    stop_after: float | None,
    target_device: str,
    check: bool,
    print_config: bool,
) -> None:
    """Train RVRT or RVRT Light on Vimeo90K, or on septuplets of your own.

    The same command again goes on where a run has ended, however it ended. Ctrl-C saves and ends
    after the step that runs; twice, it ends at once. In the folder of the run: config.yaml,
    metrics.jsonl, curves.png, sheets, checkpoints, and best.safetensors and last.safetensors,
    which rvrt-eval and rvrt-restore read.
    """
    signals = _Signals()
    deadline = math.inf if stop_after is None else time.monotonic() + 3600 * stop_after
    given = {
        "data.root": data,
        "start.spynet": spynet,
        "start.init": init,
        "start.resume_from": resume_from,
    }
    paths = tuple(f"{key}={_quoted(path)}" for key, path in given.items() if path)
    with message_for_errors():
        config = load_config(preset, file, (*settings, *paths))
        if print_config:
            click.echo(explained_yaml(config), nl=False)
            return
        if check:
            sys.exit(_check(config, output, target_device))
        if output is None:
            raise SettingsError("--output is missing: the folder that the run is written into")

        def stop() -> bool:
            return signals() or time.monotonic() > deadline

        summary = _train(config, output, target_device, stop)
    _report(summary, output, config.train.steps)
    if summary.stopped:
        sys.exit(EXIT_OF_SIGNAL + signals.first if signals.first else EXIT_NOT_DONE)


def _train(
    config: TrainConfig, output: Path, target: str, stop: Callable[[], bool]
) -> TrainSummary:
    from rvrt.runtime import device
    from rvrt.runtime.world import init_world
    from rvrt.training.trainer import Trainer

    device.use(target)
    world = init_world()  # before any operation, as Ascend wants it
    device.check_dtype(config.train.precision)

    def say(line: str) -> None:
        if world.is_main:
            click.echo(line, err=True)

    trainer = Trainer(config, output, world, target, say)
    for line in departures(config):
        say(f"not as published: {line}")
    return trainer.fit(stop)


def _check(config: TrainConfig, output: Path | None, target: str) -> int:
    """One line a finding; the exit code."""
    from rvrt.training.check import WARNING, WRONG, check_training

    counts = Counter[str]()
    for finding in check_training(config, output, target):
        counts[finding.verdict] += 1
        click.echo(f"{finding.verdict:8} {finding.subject:10} {finding.text}")
    click.echo(f"{counts[WRONG]} wrong, {counts[WARNING]} warnings; nothing was written")
    return int(counts[WRONG] > 0)


class _Signals:
    """Ctrl-C and SIGTERM are noted, for the training to end after its step; twice, they end it.

    Called, it says whether one came. It also takes the signals again, as MindSpore sets a handler
    of its own for Ctrl-C when its first batch is asked for.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self._ignored_until = 0.0
        self._take()

    def __call__(self) -> bool:
        self._take()
        return self.first is not None

    def _take(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: Any) -> None:
        # One wish can come several times: MindSpore, too, sends SIGTERM when its workers get one.
        if self.first is None:
            self.first = number
            self._ignored_until = time.monotonic() + _SAME_WISH_SECONDS
            click.echo("\nends after this step, and saves; again: ends at once", err=True)
        elif time.monotonic() > self._ignored_until:
            _end_at_once(number)


def _end_at_once(number: int) -> NoReturn:
    """As a kill would, but with the workers and with the exit code of the signal."""
    for worker in multiprocessing.active_children():
        worker.kill()
    os._exit(EXIT_OF_SIGNAL + number)


def _quoted(path: Path) -> str:
    """As YAML text, whatever is in it."""
    return "'" + str(path).replace("'", "''") + "'"


def _report(summary: TrainSummary, output: Path, steps: int) -> None:
    done = summary.last_step - summary.first_step
    if not done and not summary.stopped:
        click.echo(f"{output}: all {steps} steps were done already")
        return
    click.echo(
        f"{output}: step {summary.last_step} of {steps}, {done} in this run, "
        f"{summary.seconds_per_step:.3g} s/step, {summary.waiting_share:.1%} of it waiting for data"
    )
    if summary.skipped:
        click.echo(f"{summary.skipped} steps were skipped: loss or gradients were not finite")
    if summary.best:
        beside = summary.bicubic_psnr_y
        click.echo(
            f"best: {summary.best['psnr_y']:.2f} dB on Y at step {summary.best['step']}"
            + ("" if math.isnan(beside) else f" (bicubic {beside:.2f})")
            + f", in {output / 'best.safetensors'}"
        )
    if summary.stopped:
        click.echo("stopped, and saved; the same command goes on")
