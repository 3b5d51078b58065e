"""The data set of a training: what it is trained on, and what it is validated on."""

from __future__ import annotations

import contextlib
import dataclasses
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor

from rvrt.config.network import NetworkConfig
from rvrt.config.training import DataConfig, TrainConfig
from rvrt.errors import TrainingError
from rvrt.evaluation.protocol import CENTRE
from rvrt.runtime.world import World
from rvrt.training.validation import ValidationClip
from vimeo_tools import imresize
from vimeo_tools.degradations import choose_degradation
from vimeo_tools.errors import FrameError
from vimeo_tools.feed.augment import AugmentConfig
from vimeo_tools.feed.dataset import (
    SequenceSource,
    Training,
    create_dataset,
    open_septuplets,
    what_is_drawn,
)
from vimeo_tools.running.jobs import available_workers

_CLIPS_SUMMED = 8
_WORKERS = 4  # more are of use only where decoding is slower than the network


def open_clips(data: DataConfig, clip_list: str, network: NetworkConfig) -> SequenceSource:
    """The clips of one list, checked to be of the network's scale.

    Raises:
        TrainingError: a path is missing.
        VimeoToolsError: as `vimeo_tools.feed.samples.open_septuplets`; GT and LQ of another scale
            than the network's are a SettingsError.
    """
    root = Path(data.root)
    gt, lq = root / data.gt, root / data.lq if data.lq else None
    for path in (root, gt, root / clip_list):
        if not path.exists():
            raise TrainingError(f"{path}: no such file or folder; --data names the data set's")
    if lq and not lq.exists():
        raise TrainingError(
            f"{lq}: no such folder or database; make it with vimeo-prep --generate-lq, or have LQ "
            "frames made as GT is read: --set data.lq=null"
        )
    parameters = {"convention": data.convention} if data.degradation == "bicubic" else {}
    made = choose_degradation(data.degradation, **parameters)
    return open_septuplets(gt, lq, root / clip_list, scale=network.upscale, degradation=made)


def marks_of(source: SequenceSource) -> dict[str, Any]:
    """What a state remembers of its clips: a number for their keys, and sums of some frames.

    The sums are of all frames, GT and LQ, of a few clips spread over the list, by key. A clip that
    cannot be read is left out: the training names it when it comes to it.
    """
    sums = {}
    for index in sorted({int(i) for i in np.linspace(0, len(source) - 1, _CLIPS_SUMMED)}):
        with contextlib.suppress(FrameError):
            sums[source.keys[index]] = zlib.crc32(b"".join(a.tobytes() for a in source[index]))
    return {"clips": zlib.crc32("\n".join(source.keys).encode()), "frames": sums}


def what_changed(before: Mapping[str, Any], marks: Mapping[str, Any], data: DataConfig) -> str:
    """What a person should know about clips that are not those of the steps before; "" for nothing.

    Raises:
        TrainingError: their keys are others.
    """
    if before["clips"] != marks["clips"]:
        raise TrainingError(
            f"was trained on other clips than those that {data.train_list} of {data.root} lists"
        )
    sums, now = before.get("frames", {}), marks["frames"]  # older states have none
    changed = [key for key, value in sums.items() if now.get(key, value) != value]
    if not changed:
        return ""
    return (
        f"the frames are not those of the steps before: of {len(sums)} clips looked at, "
        f"{len(changed)} have others under the same key, {changed[0]} for one"
    )


def batches(
    source: SequenceSource, config: TrainConfig, world: World, first_step: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """This rank's share of each batch from a step on: LQ and GT, see `vimeo_tools.feed.Feed`.

    Raises:
        SettingsError: the settings do not fit the clips or the machine.
        TrainingError: the batch cannot be shared out.
    """
    data = config.data
    plan = _plan(config, world, range(first_step, config.train.steps))
    workers = data.workers or max(1, min(_WORKERS, available_workers() // world.size))
    for batch in create_dataset(source, plan, workers):
        first = (batch["lq"].shape[1] - data.frames) // 2
        middle = slice(first, first + data.frames)
        yield batch["lq"][:, middle], batch["gt"][:, middle]


def samples_of(source: SequenceSource, config: TrainConfig, world: World, step: int) -> str:
    """The clips and crops that all ranks together see in a step, counted from 0, for a person."""
    samples = []
    for rank in range(world.size):
        plan = _plan(config, dataclasses.replace(world, rank=rank), range(step, step + 1))
        for key, drawn, window in what_is_drawn(source, plan, step):
            end = (drawn.top + config.data.crop, drawn.left + config.data.crop)
            frames = f" from frame {window.start}" if window.frames else ""
            samples.append(f"{key}{frames} rows {drawn.top}:{end[0]} columns {drawn.left}:{end[1]}")
    return ", ".join(samples)


def _plan(config: TrainConfig, world: World, steps: range) -> Training:
    loop, data = config.train, config.data
    parts = world.size * loop.micro_batch
    if loop.batch_size % parts:
        raise TrainingError(
            f"train.batch_size={loop.batch_size} cannot be shared out: {world.size} devices times "
            f"train.micro_batch={loop.micro_batch} is {parts}, and it must be a multiple of that"
        )
    augment = AugmentConfig(
        data.crop, data.reverse, data.flip_horizontal, data.flip_vertical, data.transpose
    )
    size = loop.batch_size // world.size
    return Training(size, augment, loop.seed, world.rank, world.size, steps)


def validation_clips(config: TrainConfig) -> list[ValidationClip]:
    """The first clips of the test list, their centre frames also enlarged by bicubic.

    Raises:
        TrainingError, VimeoToolsError: as `open_clips`; and a frame cannot be read.
    """
    if not config.validation.clips:
        return []
    source = open_clips(config.data, config.data.test_list, config.model)
    clips = []
    for index, key in enumerate(source.keys[: config.validation.clips]):
        lq, gt = source[index]
        bicubic = imresize(lq[CENTRE].transpose(1, 2, 0), source.scale)
        clips.append(ValidationClip(key, lq, gt[CENTRE].transpose(1, 2, 0), bicubic))
    return clips
