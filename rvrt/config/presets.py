"""Trainings by name: the published ones of RVRT, and small ones for trying things out."""

from __future__ import annotations

from rvrt.config.network import MODEL_PRESETS
from rvrt.config.training import (
    TWO_CLIPS,
    CheckpointConfig,
    DataConfig,
    JournalConfig,
    LoopConfig,
    OptimiserConfig,
    TrainConfig,
    ValidationConfig,
)


def _debug(preset: str, steps: int, crop: int, validations: int) -> TrainConfig:
    """Trains in minutes on two processors: single small crops, four frames, a higher rate."""
    return TrainConfig(
        preset,
        MODEL_PRESETS[preset],
        data=DataConfig(lq=None, crop=crop, frames=TWO_CLIPS),
        train=LoopConfig(steps=steps, batch_size=1, clip_norm=1.0, recompute=()),
        optimiser=OptimiserConfig(lr=1e-3),
        validation=ValidationConfig(every=steps // validations, clips=3),
        checkpoints=CheckpointConfig(every=50),
        journal=JournalConfig(every=1),
    )


# Of REDS as it is unpacked and regrouped: windows of 30 frames, not mirrored and not reversed.
_REDS = DataConfig(
    root="REDS",
    layout="reds",
    gt="train_sharp",
    lq="train_sharp_bicubic/X4",
    train_list=None,
    test_list=None,
    reverse=0.0,
    mirror=False,
    frames=30,
)
# "rvrt-reds", "rvrt" and "rvrt-bd" are the published trainings 001, 002 and 003; the last two begin
# with the weights of the first.
TRAIN_PRESETS: dict[str, TrainConfig] = {
    "rvrt": TrainConfig("rvrt", MODEL_PRESETS["rvrt"]),
    "rvrt-light": TrainConfig("rvrt-light", MODEL_PRESETS["rvrt-light"]),
    "rvrt-reds": TrainConfig(
        "rvrt-reds",
        MODEL_PRESETS["rvrt"],
        data=_REDS,
        train=LoopConfig(steps=600_000),
        optimiser=OptimiserConfig(lr=4e-4, spynet_freeze_steps=30_000),
    ),
    "rvrt-bd": TrainConfig(
        "rvrt-bd", MODEL_PRESETS["rvrt"], data=DataConfig(lq="BDx4", degradation="bd")
    ),
    "rvrt-debug": _debug("rvrt-debug", steps=280, crop=36, validations=2),
    "rvrt-light-debug": _debug("rvrt-light-debug", steps=600, crop=32, validations=4),
}
