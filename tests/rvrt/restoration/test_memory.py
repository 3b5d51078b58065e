"""What is planned for a tile is never less than what was measured (docs/weights.md)."""

import pytest

from rvrt.config.network import MODEL_PRESETS, Execution
from rvrt.restoration.memory import memory_limits, needs, tile_memory

GIB = 2**30
KERNELS = Execution(kernels=True)
CARD = Execution(whole_graph=True, native=True)
HALF = Execution(whole_graph=True, native=True, dtype="float16")


@pytest.mark.parametrize(
    ("preset", "how", "tile", "measured"),
    [
        ("rvrt", KERNELS, (4, 64, 64), 0.62),
        ("rvrt", KERNELS, (14, 64, 64), 0.79),
        ("rvrt", KERNELS, (30, 64, 64), 0.97),
        ("rvrt", KERNELS, (4, 128, 128), 1.00),
        ("rvrt-light", KERNELS, (4, 64, 64), 0.60),
        ("rvrt-light", KERNELS, (14, 64, 64), 0.73),
        ("rvrt-light", KERNELS, (4, 128, 128), 1.02),
        ("rvrt", CARD, (4, 64, 64), 2.0),
        ("rvrt", CARD, (14, 64, 64), 2.0),
        ("rvrt", CARD, (4, 128, 128), 5.0),
        ("rvrt", CARD, (4, 256, 256), 17.0),
        ("rvrt", HALF, (14, 64, 64), 2.0),
        ("rvrt", HALF, (4, 128, 128), 4.0),
        ("rvrt-light", CARD, (14, 64, 64), 1.0),
        ("rvrt-light", CARD, (4, 128, 128), 2.0),
        ("rvrt-light", HALF, (4, 128, 128), 1.0),
    ],
)
def test_the_plan_is_above_what_was_measured(preset, how, tile, measured):
    """On a CPU the process, on a card MindSpore's pool, in GiB."""
    planned = tile_memory(MODEL_PRESETS[preset], how)(*tile) / GIB
    assert 1.15 * measured < planned < 1.7 * measured + 1.6


def test_the_compiled_part_needs_less_than_half_of_a_large_tile():
    config = MODEL_PRESETS["rvrt"]
    by_operators, by_kernels = (tile_memory(config, how)(14, 128, 128) for how in (None, KERNELS))
    assert by_kernels < by_operators / 2


def test_wider_networks_need_more_and_float16_less():
    wide = MODEL_PRESETS["rvrt"].__class__(embed_dim=288)
    assert needs(wide, CARD).pixel == 2 * needs(MODEL_PRESETS["rvrt"], CARD).pixel
    assert needs(MODEL_PRESETS["rvrt"], HALF).pixel < needs(MODEL_PRESETS["rvrt"], CARD).pixel


def test_a_cpu_has_one_memory():
    limit, host = memory_limits("CPU")
    assert limit > 2**20 and host is None
