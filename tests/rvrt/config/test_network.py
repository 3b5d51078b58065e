import dataclasses
import math

import pytest

from rvrt.config.network import (
    MODEL_PRESETS,
    RECOMPUTABLE,
    ConfigError,
    Execution,
    RVRTConfig,
    RVRTLightConfig,
)
from rvrt.models import build_network


def test_presets_are_the_published_networks_and_small_ones():
    assert list(MODEL_PRESETS) == ["rvrt", "rvrt-light", "rvrt-debug", "rvrt-light-debug"]
    assert MODEL_PRESETS["rvrt"] == RVRTConfig()
    light = MODEL_PRESETS["rvrt-light"]
    assert (light.gelu, light.layer_norm_eps, light.relative_position) == ("tanh", 1e-7, False)


def test_a_config_never_changes_and_holds_tuples():
    config = RVRTConfig(window_size=[2, 4, 4])
    assert config.window_size == (2, 4, 4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.embed_dim = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed_dim": 0}, "embed_dim=0: expected a whole number from 1 to 4096"),
        ({"embed_dim": 145}, "num_heads"),
        ({"num_heads": (6, 5, 6)}, "num_heads=5"),
        ({"depths": (2, 2)}, "expected 3 whole numbers from 1 to 64"),
        ({"clip_size": 3}, "clips of 2"),
        ({"upscale": 3}, "power of two"),
        ({"attention_window": (2, 3)}, "odd"),
        ({"attention_heads": 7}, "attention_heads=7"),
        ({"deformable_groups": 5}, "even"),
        ({"deformable_groups": 22}, "not equal"),
        ({"gelu": "fast"}, "erf, tanh"),
        ({"layer_norm_eps": 0.0}, "layer_norm_eps"),
        ({"max_offset": 0.0}, "max_offset"),
        ({"max_offset": float("inf")}, "max_offset=inf: expected pixels"),
        ({"embed_dim": 240_000}, "from 1 to 4096"),
        ({"embed_dim": True}, "embed_dim=True"),
        ({"num_blocks": (1, 10**7, 1)}, "whole numbers from 1 to 64"),
        ({"window_size": (2, 64, 64)}, "at most 1024 pixels in all"),
        ({"num_blocks": (1, 33, 1)}, "are 66 layers: expected at most 64"),
        ({"window_size": (2, 2**20, 8)}, "whole numbers from 1 to 64"),
        ({"upscale": 2**20}, "upscale=1048576: expected a whole number from 1 to 64"),
        ({"offset_dim": 2**63}, "offset_dim=9223372036854775808"),
    ],
)
def test_a_setting_out_of_range_is_a_value_error_that_names_it(change, message):
    with pytest.raises(ConfigError, match=message):
        RVRTConfig(**change)


CHANGES = [
    {"relative_position": False},
    {"relative_position": True, "window_size": (2, 3, 5)},
    {"upscale": 2, "upsample_dim": 32, "mlp_ratio": 3},
    {"depths": (1, 3, 2), "num_blocks": (2, 1, 3), "attention_window": (5, 3)},
]
SIZES = [(name, {}) for name in MODEL_PRESETS] + [
    (name, change) for name in ("rvrt-debug", "rvrt-light-debug") for change in CHANGES
]


@pytest.mark.parametrize(("preset", "change"), SIZES)
def test_numbers_are_those_of_the_network(preset, change):
    config = dataclasses.replace(MODEL_PRESETS[preset], **change)
    built = sum(math.prod(p.shape) for p in build_network(config).get_parameters())
    assert config.numbers == built


def test_light_has_no_deformable_groups():
    with pytest.raises(TypeError):
        RVRTLightConfig(deformable_groups=12)


def test_execution_is_checked():
    with pytest.raises(ConfigError, match="float16"):
        Execution(dtype="bfloat16")
    with pytest.raises(ConfigError, match="recompute='spynet': expected one of all, feat_extract"):
        Execution(recompute=("spynet",))
    assert Execution().recompute == ()
    assert Execution(recompute=["all"]).recompute == RECOMPUTABLE
    with pytest.raises(ConfigError, match="chunk_mb"):
        Execution(chunk_mb=0)
