"""Views of a septuplet: LQ and GT stay aligned to the pixel, each part has its probability."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vimeo_tools.data.png import FrameSize
from vimeo_tools.errors import SettingsError
from vimeo_tools.feed.augment import (
    Augmentation,
    AugmentConfig,
    augment,
    draw,
    mirror,
    turn,
    turned_size,
)

SIZE = FrameSize(height=13, width=17)
SCALE = 4
PROBABILITIES = ["reverse", "flip_horizontal", "flip_vertical", "transpose", "mirror"]


def painted(size, scale):
    """(7, H, W, 3): each pixel holds the row and column of its LQ pixel, and its frame."""
    rows, columns = np.mgrid[: scale * size.height, : scale * size.width] // scale
    frames = [np.stack([rows, columns, np.full_like(rows, t)], -1) for t in range(7)]
    return np.stack(frames).astype(np.uint8)


def only(**probabilities):
    """A config with every probability 0 but those given."""
    return AugmentConfig(**{**dict.fromkeys(PROBABILITIES, 0.0), "crop": None, **probabilities})


@st.composite
def configs(draw_value):
    probability = st.sampled_from([0.0, 0.3, 0.5, 1.0])
    chosen = {name: draw_value(probability) for name in PROBABILITIES}
    return AugmentConfig(crop=draw_value(st.sampled_from([None, 1, 5, 13])), **chosen)


# --- alignment ----------------------------------------------------------------------------------


@settings(deadline=None)
@given(configs(), st.integers(0, 2**32))
def test_every_lq_pixel_stays_over_its_gt_block(config, seed):
    lq, gt = augment(
        painted(SIZE, 1), painted(SIZE, SCALE), config, np.random.default_rng(seed), SCALE
    )
    assert np.array_equal(lq.repeat(SCALE, 1).repeat(SCALE, 2), gt)


@settings(deadline=None)
@given(configs(), st.integers(0, 2**32))
def test_neighbours_stay_neighbours(config, seed):
    """Painted blocks alone would not see GT turned within its blocks."""
    rows, columns = np.mgrid[: 4 * SIZE.height, : 4 * SIZE.width]
    gt = np.stack([rows, columns, rows * 0], -1)[None].repeat(7, 0)
    _, turned = augment(painted(SIZE, 1), gt, config, np.random.default_rng(seed), SCALE)
    down = np.diff(turned, axis=1)[..., :2].reshape(-1, 2)
    across = np.diff(turned, axis=2)[..., :2].reshape(-1, 2)
    assert len(np.unique(down, axis=0)) == len(np.unique(across, axis=0)) == 1
    assert sorted(np.abs([down[0], across[0]]).tolist()) == [[0, 1], [1, 0]]


# --- each part by itself ------------------------------------------------------------------------


def rows_columns_frames(frames):
    """What is painted at the first, second row/column, and the order of frames."""
    return frames[0, :, 0, 0].tolist(), frames[0, 0, :, 1].tolist(), frames[:, 0, 0, 2].tolist()


UP, ACROSS, TIME = list(range(SIZE.height)), list(range(SIZE.width)), list(range(7))


@pytest.mark.parametrize(
    "part, expected",
    [
        (None, (UP, ACROSS, TIME)),
        ("reverse", (UP, ACROSS, TIME[::-1])),
        ("flip_horizontal", (UP, ACROSS[::-1], TIME)),
        ("flip_vertical", (UP[::-1], ACROSS, TIME)),
        ("mirror", (UP, ACROSS, TIME + TIME[::-1])),
    ],
)
def test_one_part_alone(part, expected):
    config = only(**({part: 1.0} if part else {}))
    rng = np.random.default_rng(0)
    lq, _ = augment(painted(SIZE, 1), painted(SIZE, SCALE), config, rng, SCALE)
    assert rows_columns_frames(lq) == expected


def test_transpose_exchanges_rows_and_columns():
    frames = painted(SIZE, 1)
    turned = turn(frames, Augmentation(transpose=True))
    assert np.array_equal(turned, frames.transpose(0, 2, 1, 3))


def test_reversed_and_mirrored_clip_starts_with_the_last_frame():
    config = only(reverse=1.0, mirror=1.0)
    lq, _ = augment(painted(SIZE, 1), painted(SIZE, 4), config, np.random.default_rng(0))
    assert lq[:, 0, 0, 2].tolist() == TIME[::-1] + TIME


def test_mirror_repeats_frames_about_the_middle():
    frames = painted(SIZE, 1)
    mirrored = mirror(frames)
    assert len(mirrored) == 14
    assert all(np.array_equal(mirrored[i], mirrored[13 - i]) for i in range(14))
    assert np.array_equal(mirrored[:7], frames)
    assert np.array_equal(mirror(frames[None], 1)[0], mirrored)


# --- probabilities ------------------------------------------------------------------------------


def drawn(config, count, seed=0):
    rng = np.random.default_rng(seed)
    return [draw(config, SIZE, rng) for _ in range(count)]


@pytest.mark.parametrize("name", PROBABILITIES)
@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 1.0])
def test_each_part_comes_with_its_probability(name, probability):
    draws = drawn(only(**{name: probability}), 2000)
    share = np.mean([getattr(d, name) for d in draws])
    # Five standard deviations of a share of 2,000 draws.
    assert abs(share - probability) <= 5 * np.sqrt(probability * (1 - probability) / 2000)
    others = [n for n in PROBABILITIES if n != name]
    assert not any(getattr(d, other) for d in draws for other in others)


def test_parts_are_drawn_independently():
    draws = drawn(AugmentConfig(crop=5, mirror=0.5), 4000)
    columns = np.array([[getattr(d, name) for name in PROBABILITIES] for d in draws], float)
    correlations = np.corrcoef(columns.T) - np.eye(len(PROBABILITIES))
    assert np.abs(correlations).max() < 0.08


def test_crops_reach_every_place_alike():
    places = [(d.top, d.left) for d in drawn(only(crop=11), 4200)]
    counts = np.zeros((3, 7))
    np.add.at(counts, tuple(np.transpose(places)), 1)
    assert counts.min() > 130
    assert counts.max() < 270


def test_changing_one_probability_leaves_the_other_draws():
    first = drawn(AugmentConfig(crop=5, reverse=0.0), 50)
    second = drawn(AugmentConfig(crop=5, reverse=1.0), 50)
    assert [d._replace(reverse=True) for d in first] == second


def test_defaults_are_the_recipe():
    config = AugmentConfig()
    assert config.crop == 64
    assert [getattr(config, name) for name in PROBABILITIES] == [0.5, 0.5, 0.5, 0.5, 1.0]


# --- purity -------------------------------------------------------------------------------------


def test_same_rng_same_view_and_inputs_untouched():
    lq, gt = painted(SIZE, 1), painted(SIZE, SCALE)
    before = lq.copy(), gt.copy()
    config = AugmentConfig(crop=5)
    first = augment(lq, gt, config, np.random.default_rng(7))
    second = augment(lq, gt, config, np.random.default_rng(7))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip((lq, gt), before, strict=True))


def test_turning_copies_nothing():
    frames = painted(SIZE, 1)
    everything = Augmentation(1, 2, 5, True, True, True, True, False)
    assert np.shares_memory(turn(frames, everything), frames)


@settings(deadline=None)
@given(configs(), st.integers(0, 2**32), st.sampled_from([1, 2, 4]))
def test_size_is_known_before_turning(config, seed, scale):
    augmentation = draw(config, SIZE, np.random.default_rng(seed))
    turned = turn(painted(SIZE, scale), augmentation, scale)
    size = turned_size(FrameSize(scale * SIZE.height, scale * SIZE.width), augmentation, scale)
    assert turned.shape[1:3] == (size.height, size.width)


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
@pytest.mark.parametrize("name", PROBABILITIES)
def test_a_probability_is_from_0_to_1(name, value):
    with pytest.raises(SettingsError, match=f"{name}.*from 0 to 1"):
        AugmentConfig(**{name: value})


def test_a_crop_of_nothing_is_refused():
    with pytest.raises(SettingsError, match="crop 0"):
        AugmentConfig(crop=0)


def test_a_crop_larger_than_the_frames_is_refused():
    with pytest.raises(SettingsError, match="crop 14 of LQ frames of 17x13: need at most 13"):
        draw(AugmentConfig(crop=14), SIZE, np.random.default_rng(0))
