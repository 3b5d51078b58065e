import dataclasses

import pytest

from rvrt.config.loading import override
from rvrt.config.presets import TRAIN_PRESETS
from rvrt.config.published import departures

PUBLISHED = override(TRAIN_PRESETS["rvrt"], {"start": {"init": "reds.safetensors"}})


def told(**sections):
    return "\n".join(departures(override(PUBLISHED, sections)))


def test_nothing_is_told_of_the_recipe_itself_nor_of_small_presets():
    assert departures(PUBLISHED) == []
    small = TRAIN_PRESETS["rvrt-debug"]
    assert departures(dataclasses.replace(small, preset="rvrt-debug")) == []


def test_another_batch_comes_with_its_rate():
    assert "the square root, 0.0001 here; it is 0.0002" in told(train={"batch_size": 2})
    assert "0.0001 goes with that" in told(train={"batch_size": 2}, optimiser={"lr": 1e-4})


def test_fewer_frames_are_told():
    assert "data.frames=6, published 14" in told(data={"frames": 6})


@pytest.mark.parametrize(
    ("start", "words"),
    [({"init": None}, "fresh weights"), ({"init": None, "spynet": "s"}, "start.spynet alone")],
)
def test_another_start_is_told(start, words):
    assert words in told(start=start)
