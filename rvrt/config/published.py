"""Where a training leaves the recipe of its preset in what decides how well it learns."""

from __future__ import annotations

import math

from rvrt.config.presets import TRAIN_PRESETS
from rvrt.config.training import TrainConfig

# Those that follow a published training; the others are for trying things out.
_SMALL = "-debug"
# The training whose weights the others begin with.
_FROM_SCRATCH = "rvrt-reds"
_ALIKE = 0.25  # a rate within so much of the advised one is taken for it


def departures(config: TrainConfig) -> list[str]:
    """A line for each of batch, frames and starting weights that is not the published one.

    The rate that goes with another batch is that of Malladi et al. 2022 for Adam: with the square
    root of the batch. None for a preset that is no published training.
    """
    recipe = TRAIN_PRESETS.get(config.preset)
    if recipe is None or config.preset.endswith(_SMALL):
        return []
    return [*_batch(config, recipe), *_frames(config, recipe), *_start(config)]


def _batch(config: TrainConfig, recipe: TrainConfig) -> list[str]:
    size, published = config.train.batch_size, recipe.train.batch_size
    if size == published:
        return []
    rate, advised = config.optimiser.lr, recipe.optimiser.lr * math.sqrt(size / published)
    line = (
        f"train.batch_size={size}, published {published} with optimiser.lr={recipe.optimiser.lr:g}"
    )
    if abs(rate - advised) <= _ALIKE * advised:
        return [f"{line}; its {rate:g} goes with that"]
    return [f"{line}: Adam's rate goes with the square root, {advised:.2g} here; it is {rate:g}"]


def _frames(config: TrainConfig, recipe: TrainConfig) -> list[str]:
    frames, published = config.data.frames, recipe.data.frames
    if frames == published:
        return []
    return [
        f"data.frames={frames}, published {published}: nothing is passed on over more frames in "
        "training than that; the rate stays"
    ]


def _start(config: TrainConfig) -> list[str]:
    if config.start.init or config.start.resume_from:
        return []
    if config.preset == _FROM_SCRATCH:
        if config.start.spynet:
            return []
        return ["a fresh optical flow; published: a trained one (start.spynet)"]
    if config.start.spynet:
        return ["start.spynet alone; published: fine-tuned from the weights of REDS (start.init)"]
    if config.model.has_flow:
        return [
            "fresh weights, the optical flow's too; published: fine-tuned from the weights of REDS "
            "(start.init), and those from a trained optical flow (start.spynet)"
        ]
    return []
