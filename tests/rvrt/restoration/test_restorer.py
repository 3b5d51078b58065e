"""Sequences of any size through the one Restorer: what the network sees, what comes out."""

import math
from dataclasses import replace
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import MemoryLimitError, RestoreError
from rvrt.restoration.frames import fold, mirror, to_uint8
from rvrt.restoration.restorer import Cutting, Restorer
from vimeo_tools.data.pictures import ArraySequence

CONFIGS = {"rvrt": MODEL_PRESETS["rvrt"], "light": MODEL_PRESETS["rvrt-light"]}


class Network:
    """Enlarges, adds a hundredth of the frame's number, and remembers what it saw."""

    def __init__(self, config):
        self.config = config
        self.seen = []

    def __call__(self, frames, flows=None):
        clip = frames.asnumpy()
        assert clip.dtype == np.float32 and clip.shape[:1] == (1,)
        self.seen.append(clip[0])
        number = np.arange(clip.shape[1], dtype=np.float32)[:, None, None, None] / 100
        return ms.Tensor((clip + number).repeat(4, -1).repeat(4, -2))

    def optical_flows(self, frames):
        _, count, _, height, width = frames.shape
        flat = ms.Tensor(np.zeros(((count - 1) * height * width, 2), np.float32))
        return flat, flat


def noise(frames, height, width):
    return np.random.default_rng(frames).integers(0, 256, (frames, height, width, 3), np.uint8)


def seen_by(config, frames, padding):
    network = Network(config)
    restored = [p for _, p in Restorer(network, Cutting(padding=padding)).restore(frames)]
    assert [p.shape for p in restored] == [(3, 4 * frames.shape[1], 4 * frames.shape[2])] * len(
        frames
    )
    (clip,) = network.seen
    return clip.transpose(0, 2, 3, 1)


def by_the_authors(frames, window=8):
    """Their test program, from its description: the last frame once more, sides flipped out."""
    clip = frames.astype(np.float32) / 255
    if len(clip) % 2:
        clip = np.concatenate([clip, clip[-1:]])
    for axis in (1, 2):
        lacking = -clip.shape[axis] % window
        if lacking:
            part = np.flip(clip.take(range(-lacking, 0), axis), axis)
            clip = np.concatenate([clip, part], axis)
    return clip


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 7), st.integers(33, 70), st.integers(33, 70))
def test_sequences_grow_as_in_the_authors_test_program(count, height, width):
    frames = noise(count, height, width)
    for config in CONFIGS.values():
        np.testing.assert_array_equal(
            seen_by(config, frames, "authors"), by_the_authors(frames), strict=True
        )


def test_frames_too_small_for_the_flow_grow_further():
    assert seen_by(CONFIGS["rvrt"], noise(2, 20, 5), "authors").shape == (2, 40, 40, 3)
    assert seen_by(CONFIGS["light"], noise(2, 20, 5), "authors").shape == (2, 24, 8, 3)


def test_frames_to_look_at_grow_for_their_flow():
    frames = noise(3, 35, 70)
    scaled = frames[[0, 1, 2, 1]].astype(np.float32) / 255  # mirrored in time
    clip = seen_by(CONFIGS["light"], frames, "borders")
    np.testing.assert_array_equal(clip, by_the_authors(scaled * 255), strict=True)
    clip = seen_by(CONFIGS["rvrt"], frames, "borders")
    assert clip.shape == (4, 64, 72, 3)
    np.testing.assert_array_equal(clip[:, 35:64, :70], scaled[:, 34:5:-1])
    assert seen_by(CONFIGS["light"], noise(1, 1, 1), "borders").shape == (2, 8, 8, 3)


def test_wanted_frames_alone_are_given_in_order():
    frames = noise(40, 8, 12)
    restorer = Restorer(Network(CONFIGS["light"]), Cutting(tile_frames=14))
    whole = dict(restorer.restore(ArraySequence(frames)))
    assert list(whole) == list(range(40))
    some = dict(restorer.restore(frames, wanted={3, 25}))
    assert list(some) == [3, 25]
    np.testing.assert_array_equal(some[25], whole[25])
    assert restorer.scale == 4 and restorer.seconds > 0 and restorer.peak_memory() > 2**20


def test_tiles_are_counted_as_planned():
    frames, done = noise(20, 40, 100), []
    restorer = Restorer(Network(CONFIGS["light"]), Cutting(64, 8))
    plan = restorer.plan(frames)
    list(restorer.restore(frames, on_tile=lambda: done.append(1)))
    assert len(done) == plan.tiles_at_once * len(plan.times) > 4
    assert plan.largest == (8, 40, 64)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 150), st.integers(1, 150), st.sampled_from([None, 64]))
def test_a_limit_that_all_fits_into_changes_no_tile(count, height, width, tile):
    frames = np.empty((count, height, width, 3), np.uint8)
    network = Network(CONFIGS["rvrt"])
    plans = [
        Restorer(network, Cutting(tile, max_memory=limit)).plan(frames)
        for limit in (math.inf, 2.0**50)
    ]
    assert plans[0] == plans[1]


def test_all_tiles_of_a_sequence_have_one_shape():
    network = Network(CONFIGS["light"])
    list(Restorer(network, Cutting(64, 8)).restore(noise(20, 90, 100)))
    assert {clip.shape for clip in network.seen} == {(8, 3, 64, 64)}
    assert len(network.seen) > 8


def test_what_was_planned_is_told_and_that_memory_cut_it():
    frames = noise(4, 90, 100)
    told = []
    for limit in (math.inf, 20e3 * 4 * 90 * 100):
        cutting = Cutting(max_memory=limit, memory=lambda t, h, w: 20e3 * t * h * w)
        restorer = Restorer(Network(CONFIGS["light"]), cutting)
        assert restorer.told == ""
        list(restorer.restore(frames))
        told.append(restorer.told)
    assert told[0] == "tiles of 4 frames of 104x96"
    assert told[1] == "tiles of 4 frames of 104x64, cut to fit the memory"


def test_figures_do_not_depend_on_the_memory_that_is_free():
    frames, limit = noise(4, 90, 100), 20e3 * 4 * 90 * 100
    cutting = Cutting(max_memory=limit, memory=lambda t, h, w: 20e3 * t * h * w, as_asked=True)
    with pytest.raises(MemoryLimitError, match=r"--tile 64 --tile-frames 4 would"):
        list(Restorer(Network(CONFIGS["light"]), cutting).restore(frames))
    asked = replace(cutting, tile=64)
    assert len(list(Restorer(Network(CONFIGS["light"]), asked).restore(frames))) == 4


def test_a_card_has_its_own_memory_and_the_sums_have_the_host_s():
    frames = np.empty((30, 480, 640, 3), np.uint8)

    def plan(**limits):
        cutting = Cutting(scratch=Path("x"), memory=lambda t, h, w: 20e3 * t * h * w, **limits)
        return Restorer(Network(CONFIGS["light"]), cutting).plan(frames).largest

    beside_a_card = plan(max_memory=2e9, host_memory=1e8)
    assert 20e3 * math.prod(beside_a_card) < 2e9
    assert math.prod(beside_a_card) > math.prod(plan(max_memory=2e9))
    assert plan(max_memory=2e9, host_memory=1e12) == beside_a_card


def test_a_septuplet_goes_through_the_network_mirrored():
    septuplet = noise(7, 8, 16)
    network = Network(CONFIGS["light"])
    restored = Restorer(network).restore_mirrored(septuplet)
    scaled = septuplet.transpose(0, 3, 1, 2).astype(np.float32) / 255
    np.testing.assert_array_equal(network.seen[0], mirror(scaled))
    assert restored.dtype == np.float32 and restored.shape == (7, 3, 32, 64)
    # Frame i and frame 13 - i, whose numbers add up to 13.
    expected = (scaled + np.float32(0.065)).repeat(4, -1).repeat(4, -2)
    np.testing.assert_allclose(restored, expected, rtol=1e-6)


def test_frame_i_equals_frame_13_minus_i():
    mirrored = mirror(noise(7, 4, 5))
    assert mirrored.shape == (14, 4, 5, 3) and mirrored.dtype == np.uint8
    for i in range(14):
        np.testing.assert_array_equal(mirrored[i], mirrored[13 - i])


def test_folding_averages_a_frame_and_its_mirror_image():
    out = np.arange(14, dtype=np.float32)[:, None, None, None] ** 2
    assert fold(out).ravel().tolist() == [(i**2 + (13 - i) ** 2) / 2 for i in range(7)]
    assert fold(out).dtype == np.float32


def test_rounding_and_clamping():
    values = np.array([-1, 0, 0.5 / 255 - 1e-4, 0.5 / 255 + 1e-4, 1, 7])
    for dtype in (np.float32, np.float64):
        picture = np.tile(values.astype(dtype), (3, 1, 1))
        assert to_uint8(picture)[0, :, 1].tolist() == [0, 0, 0, 1, 255, 255]
    levels = np.arange(256, dtype=np.float32).reshape(1, 16, 16).repeat(3, 0)
    np.testing.assert_array_equal(to_uint8(levels / 255)[..., 0], levels[0])
    assert to_uint8(levels).shape == (16, 16, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_no_uint8_stands_for(value):
    picture = np.full((3, 2, 2), 0.5, np.float32)
    picture[1, 0, 1] = value
    with pytest.raises(RestoreError, match="NaN or infinity"):
        to_uint8(picture)
