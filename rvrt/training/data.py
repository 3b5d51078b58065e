"""The data set of a training: what it is trained on, and what it is validated on."""

from __future__ import annotations

import contextlib
import dataclasses
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mindspore import Tensor

from rvrt.config.network import NetworkConfig
from rvrt.config.training import DataConfig, TrainConfig
from rvrt.errors import TrainingError
from rvrt.evaluation.recipes import detected, doubts
from rvrt.runtime.world import World
from rvrt.training.validation import ValidationClip
from vimeo_tools import imresize, open_sequences
from vimeo_tools.data.layouts import is_root, split_root
from vimeo_tools.data.septuplets import FRAMES_PER_CLIP
from vimeo_tools.degradations import Degradation, choose_degradation
from vimeo_tools.errors import FrameError, VimeoToolsError
from vimeo_tools.feed.augment import AugmentConfig
from vimeo_tools.feed.dataset import (
    SequenceSource,
    Training,
    create_dataset,
    what_is_drawn,
)
from vimeo_tools.feed.leaks import find_leaks
from vimeo_tools.feed.windows import Window
from vimeo_tools.running.jobs import available_workers

Split = Literal["train", "test"]
_CLIPS_SUMMED = 8
_CLIPS_LOOKED_AT = 4
_LEAKS_SHOWN = 8
_WORKERS = 4  # more are of use only where decoding is slower than the network


def open_clips(data: DataConfig, split: Split, network: NetworkConfig) -> SequenceSource:
    """The clips that are trained on ("train") or validated on ("test"), of the network's scale.

    Raises:
        TrainingError: a path is missing.
        VimeoToolsError: as `vimeo_tools.open_sequences`; GT and LQ of another scale than the
            network's are a SettingsError.
    """
    root = Path(data.root)
    gt, lq = root / data.gt, root / data.lq if data.lq else None
    clip_list = _list_of(data, split)
    for path in (root, split_root(gt)[0], clip_list):
        if path is not None and not path.exists():
            raise TrainingError(f"{path}: no such file or folder; --data names the data set's")
    if lq and not is_root(lq):
        raise TrainingError(
            f"{lq}: no such folder or database; make it with vimeo-prep --generate-lq, or have LQ "
            "frames made as GT is read: --set data.lq=null"
        )
    return open_sequences(
        gt,
        lq,
        clip_list,
        scale=network.upscale,
        degradation=degradation_of(data),
        layout=data.layout,
        split=None if clip_list else split,
    )


def degradation_of(data: DataConfig) -> Degradation:
    """How LQ frames are made, or should have been.

    Raises:
        SettingsError: there is no such degradation.
    """
    parameters = {"convention": data.convention} if data.degradation == "bicubic" else {}
    return choose_degradation(data.degradation, **parameters)


def doubts_of(source: SequenceSource, data: DataConfig) -> Iterator[str]:
    """What a person should know of LQ frames that were made otherwise than `data` says.

    A few frames are looked at; one that cannot be read is named when the training comes to it.
    """
    if data.lq is None:
        return
    pairs = []
    for index in sorted({int(i) for i in np.linspace(0, len(source) - 1, _CLIPS_LOOKED_AT)}):
        with contextlib.suppress(FrameError):
            clip = source.read(index, window=Window(0, 1))
            pairs.append((clip.gt[0].transpose(1, 2, 0), clip.lq[0].transpose(1, 2, 0)))
    found, lq = detected(pairs), str(Path(data.root) / data.lq)
    if found is not None:
        wanted = degradation_of(data)
        yield from doubts(lq, found, wanted, "data.degradation says", None)


def _list_of(data: DataConfig, split: Split) -> Path | None:
    name = data.train_list if split == "train" else data.test_list
    return None if name is None else Path(data.root) / name


def refuse_leaks(train: SequenceSource, test: SequenceSource | None, data: DataConfig) -> None:
    """Keep what is trained on from what is validated or tested on.

    Raises:
        TrainingError: names the clips that are both, by key or under another name.
    """
    leaks = [] if test is None else find_leaks(train, test)
    if not leaks:
        return
    shown = ", ".join(map(str, leaks[:_LEAKS_SHOWN]))
    more = f" and {len(leaks) - _LEAKS_SHOWN} more" if len(leaks) > _LEAKS_SHOWN else ""
    lists = data.train_list or "the clips trained on", data.test_list or "those tested on"
    raise TrainingError(
        f"{data.root}: clips trained on are validated or tested on too, so figures measured on "
        f"them would say nothing: {shown}{more}; leave them out of {lists[0]} or of {lists[1]}"
    )


def marks_of(source: SequenceSource) -> dict[str, Any]:
    """What a state remembers of its clips: a number for their keys, and sums of some frames.

    The sums are of the first seven frames, GT and LQ, of a few clips spread over the list, by key.
    A clip that cannot be read is left out: the training names it when it comes to it.
    """
    sums = {}
    for index in sorted({int(i) for i in np.linspace(0, len(source) - 1, _CLIPS_SUMMED)}):
        window = Window(0, min(source.lengths[index], FRAMES_PER_CLIP))
        with contextlib.suppress(FrameError):
            clip = source.read(index, window=window)
            sums[source.keys[index]] = zlib.crc32(b"".join(part.tobytes() for part in clip))
    return {"clips": zlib.crc32("\n".join(source.keys).encode()), "frames": sums}


def what_changed(before: Mapping[str, Any], marks: Mapping[str, Any], data: DataConfig) -> str:
    """What a person should know about clips that are not those of the steps before; "" for nothing.

    Raises:
        TrainingError: their keys are others.
    """
    if before["clips"] != marks["clips"]:
        raise TrainingError(
            f"was trained on other clips than those of {data.train_list or data.gt} in {data.root}"
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
    plan = _plan(source, config, world, range(first_step, config.train.steps))
    workers = data.workers or max(1, min(_WORKERS, available_workers() // world.size))
    for batch in create_dataset(source, plan, workers):
        first = (batch["lq"].shape[1] - data.frames) // 2
        middle = slice(first, first + data.frames)
        yield batch["lq"][:, middle], batch["gt"][:, middle]


def samples_of(source: SequenceSource, config: TrainConfig, world: World, step: int) -> str:
    """The clips and crops that all ranks together see in a step, counted from 0, for a person."""
    samples = []
    for rank in range(world.size):
        place = dataclasses.replace(world, rank=rank)
        plan = _plan(source, config, place, range(step, step + 1))
        for key, drawn, window in what_is_drawn(source, plan, step):
            end = (drawn.top + config.data.crop, drawn.left + config.data.crop)
            frames = f" from frame {window.start}" if window.frames else ""
            samples.append(f"{key}{frames} rows {drawn.top}:{end[0]} columns {drawn.left}:{end[1]}")
    return ", ".join(samples)


def _plan(source: SequenceSource, config: TrainConfig, world: World, steps: range) -> Training:
    loop, data = config.train, config.data
    parts = world.size * loop.micro_batch
    if loop.batch_size % parts:
        raise TrainingError(
            f"train.batch_size={loop.batch_size} cannot be shared out: {world.size} devices times "
            f"train.micro_batch={loop.micro_batch} is {parts}, and it must be a multiple of that"
        )
    augment = AugmentConfig(
        data.crop,
        data.reverse,
        data.flip_horizontal,
        data.flip_vertical,
        data.transpose,
        mirror=float(data.mirror),
    )
    window = FRAMES_PER_CLIP if data.mirror else data.frames
    return Training(
        loop.batch_size // world.size,
        augment,
        loop.seed,
        world.rank,
        world.size,
        steps,
        window=None if set(source.lengths) == {window} else window,
        intervals=data.intervals,
    )


def open_tested(config: TrainConfig) -> SequenceSource | None:
    """The clips that are validated on; None where there are none and none are needed.

    Raises:
        TrainingError, VimeoToolsError: as `open_clips`, where some are needed.
    """
    try:
        return open_clips(config.data, "test", config.model)
    except VimeoToolsError:
        if config.validation.clips:
            raise
        return None


def validation_clips(source: SequenceSource, config: TrainConfig) -> list[ValidationClip]:
    """The first clips, their centre frames also enlarged by bicubic.

    Septuplets are taken whole; of longer clips, as many frames about their middle as are trained
    on.

    Raises:
        VimeoToolsError: a frame cannot be read.
    """
    clips = []
    for index, key in enumerate(source.keys[: config.validation.clips]):
        count = source.lengths[index]
        if not config.data.mirror or count > FRAMES_PER_CLIP:
            count = min(count, FRAMES_PER_CLIP if config.data.mirror else config.data.frames)
        window = Window((source.lengths[index] - count) // 2, count)
        lq, gt = source.read(index, window=window)
        centre = count // 2
        bicubic = imresize(lq[centre].transpose(1, 2, 0), source.scale)
        truth = gt[centre].transpose(1, 2, 0)
        clips.append(ValidationClip(key, lq, truth, bicubic, config.data.mirror))
    return clips
