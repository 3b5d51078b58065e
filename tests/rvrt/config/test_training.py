import dataclasses
import math

import pytest

from rvrt.config.loading import flat
from rvrt.config.network import MODEL_PRESETS
from rvrt.config.presets import TRAIN_PRESETS
from rvrt.config.training import (
    MAY_CHANGE,
    CheckpointConfig,
    DataConfig,
    JournalConfig,
    LoopConfig,
    OptimiserConfig,
    StartConfig,
    TrainConfig,
    ValidationConfig,
)
from rvrt.errors import ConfigError


def test_each_network_has_a_recipe():
    assert TRAIN_PRESETS.keys() - {"rvrt-reds", "rvrt-bd"} == MODEL_PRESETS.keys()
    for name, config in TRAIN_PRESETS.items():
        assert config.preset == name
        assert config.model == MODEL_PRESETS.get(name, MODEL_PRESETS["rvrt"])


def test_the_published_trainings_of_reds_and_of_blur_down():
    reds, vimeo, bd = (flat(TRAIN_PRESETS[name]) for name in ("rvrt-reds", "rvrt", "rvrt-bd"))
    assert {name: reds[name] for name in reds if reds[name] != vimeo[name]} == {
        "preset": "rvrt-reds",
        "data.root": "REDS",
        "data.layout": "reds",
        "data.gt": "train_sharp",
        "data.lq": "train_sharp_bicubic/X4",
        "data.train_list": None,
        "data.test_list": None,
        "data.reverse": 0.0,
        "data.mirror": False,
        "data.frames": 30,
        "train.steps": 600_000,
        "optimiser.lr": 4e-4,
        "optimiser.spynet_freeze_steps": 30_000,
    }
    assert {name: bd[name] for name in bd if bd[name] != vimeo[name]} == {
        "preset": "rvrt-bd",
        "data.lq": "BDx4",
        "data.degradation": "bd",
    }


@pytest.mark.parametrize("name", ["rvrt", "rvrt-light"])
def test_the_published_recipe(name):
    values = flat(TRAIN_PRESETS[name])
    published = {
        "train.steps": 300_000,
        "train.batch_size": 8,
        "train.clip_norm": None,
        "train.ema": None,
        "optimiser.lr": 2e-4,
        "optimiser.min_lr": 1e-7,
        "optimiser.betas": (0.9, 0.99),
        "optimiser.eps": 1e-8,
        "optimiser.spynet_lr_ratio": 0.25,
        "data.crop": 64,
        "data.frames": 14,
        "data.reverse": 0.5,
        "data.flip_horizontal": 0.5,
        "data.flip_vertical": 0.5,
        "data.transpose": 0.5,
    }
    assert published.items() <= values.items()


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (StartConfig, {"spynet": "a", "init": "b"}, "give one of them"),
        (DataConfig, {"convention": "float"}, "convention='float'"),
        (DataConfig, {"crop": 0}, "crop=0"),
        (DataConfig, {"transpose": 1.5}, "transpose=1.5"),
        (DataConfig, {"frames": 7}, "frames=7: expected an even number"),
        (DataConfig, {"frames": 16}, "frames=16"),
        (DataConfig, {"frames": 2}, "frames=2"),
        (DataConfig, {"workers": 0}, "workers=0"),
        (LoopConfig, {"steps": 0}, "steps=0"),
        (LoopConfig, {"micro_batch": 3}, "batch_size=8 is not a multiple of micro_batch=3"),
        (LoopConfig, {"clip_norm": 0.0}, "clip_norm=0"),
        (LoopConfig, {"ema": 1.0}, "ema=1"),
        (LoopConfig, {"precision": "bfloat16"}, "float32 or float16"),
        (LoopConfig, {"batch_size": 10**9}, "batch_size=1000000000: expected 65536 or less"),
        (LoopConfig, {"steps": 2**63}, "expected 1000000000 or less"),
        (LoopConfig, {"clip_norm": math.inf}, "clip_norm=inf"),
        (LoopConfig, {"loss_scale": math.nan}, "loss_scale=nan"),
        (DataConfig, {"crop": 2**20}, "crop=1048576: expected 4096 or less"),
        (DataConfig, {"workers": 10**6}, "workers=1000000: expected 1024 or less"),
        (OptimiserConfig, {"lr": math.inf}, "lr=inf"),
        (OptimiserConfig, {"spynet_lr_ratio": math.inf}, "spynet_lr_ratio=inf"),
        (LoopConfig, {"recompute": ("everything",)}, "recompute='everything': expected one of all"),
        (LoopConfig, {"loss_scale": 0.5}, "loss_scale=0.5"),
        (LoopConfig, {"seed": -1}, "seed=-1"),
        (OptimiserConfig, {"lr": 0.0}, "lr=0"),
        (OptimiserConfig, {"min_lr": 1.0}, "min_lr=1.0"),
        (OptimiserConfig, {"betas": (0.9, 1.0)}, "betas="),
        (OptimiserConfig, {"eps": 0.0}, "eps=0"),
        (OptimiserConfig, {"spynet_lr_ratio": 0.0}, "spynet_lr_ratio=0"),
        (OptimiserConfig, {"spynet_freeze_steps": -1}, "spynet_freeze_steps=-1"),
        (ValidationConfig, {"every": 0}, "every=0"),
        (CheckpointConfig, {"keep": 0}, "keep=0"),
        (JournalConfig, {"every": 0}, "every=0"),
    ],
)
def test_values_out_of_range_are_refused(section, values, message):
    with pytest.raises(ConfigError, match=message):
        section(**values)


def test_rvrt_needs_a_crop_that_its_flow_takes():
    TrainConfig("rvrt", MODEL_PRESETS["rvrt"], data=DataConfig(crop=33))
    with pytest.raises(ConfigError, match=r"data.crop=32: RVRT needs 33 or more"):
        TrainConfig("rvrt", MODEL_PRESETS["rvrt"], data=DataConfig(crop=32))


def test_light_takes_no_flow():
    with pytest.raises(ConfigError, match="RVRT Light has no optical flow"):
        TrainConfig("x", MODEL_PRESETS["rvrt-light"], start=StartConfig(spynet="flow.ckpt"))


def test_flow_is_frozen_only_where_it_begins_with_weights_of_its_own():
    fresh = TRAIN_PRESETS["rvrt"]
    assert fresh.frozen_steps == 0
    assert dataclasses.replace(fresh, start=StartConfig(init="a")).frozen_steps == 0
    assert dataclasses.replace(fresh, start=StartConfig(spynet="a")).frozen_steps == 5000


def test_what_may_change_exists():
    assert flat(TRAIN_PRESETS["rvrt"]).keys() > MAY_CHANGE
