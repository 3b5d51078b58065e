import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rvrt.errors import MemoryLimitError
from rvrt.restoration.tiling import (
    TilePlan,
    blend_tiles,
    blend_weights,
    plan_tiles,
    restored_frames,
    spans_for,
    split_axis,
)

STEP = 8


def enlarge(clip):
    """Every pixel becomes 2x2."""
    return clip.repeat(2, axis=-1).repeat(2, axis=-2)


def run(clip, rows, columns):
    """A network that looks at one pixel."""
    return enlarge(clip[:, :, slice(*rows), slice(*columns)])


def zeros(shape):
    return np.zeros(shape, np.float32)


@st.composite
def cuts(draw):
    step = draw(st.sampled_from([1, 2, 8, 32]))
    overlap = draw(st.integers(1, 3)) * step
    size = overlap + draw(st.integers(1, 6)) * step
    return draw(st.integers(1, 700)), size, overlap, step


@given(cuts())
def test_spans_cover_the_axis_on_the_grid_and_overlap(cut):
    length, size, overlap, step = cut
    spans = split_axis(*cut)
    assert spans[0][0] == 0 and spans[-1][1] == length
    assert all(start % step == 0 for start, _ in spans[:-1])
    assert len({stop - start for start, stop in spans}) == 1  # a card compiles for each shape
    assert spans[0][1] <= max(size, 0) or len(spans) == 1
    for (_, stop), (start, _) in itertools.pairwise(spans):
        assert stop - start >= overlap
    if len(spans) > 1:
        fewest = math.ceil((length - overlap) / (size - overlap))
        assert len(spans) <= fewest + 1


@given(cuts())
def test_weights_add_up_to_one(cut):
    spans = split_axis(*cut)
    total = np.zeros(cut[0])
    for (start, stop), weight in zip(spans, blend_weights(spans), strict=True):
        assert weight.min() >= 0
        total[start:stop] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_the_outer_quarter_counts_nothing_and_the_rest_fades():
    left, right = blend_weights(((0, 16), (8, 24)))
    np.testing.assert_array_equal(left[:10], 1)
    np.testing.assert_allclose(left[10:14], [0.875, 0.625, 0.375, 0.125])
    np.testing.assert_array_equal(left[14:], 0)
    np.testing.assert_array_equal(right, left[::-1])


def test_spans_too_short_for_their_overlap():
    with pytest.raises(ValueError, match="spans of 8 cannot overlap by 8"):
        split_axis(100, 8, 8, 8)


@given(
    st.integers(1, 8).map(lambda half: 2 * half),
    st.integers(1, 90),
    st.integers(1, 90),
    st.floats(0.1, 1),
)
def test_the_plan_stays_under_the_limit_and_restores_everything(frames, height, width, share):
    limit = share * frames * height * width + 6 * (2 * STEP) ** 2
    plan = plan_tiles(frames, height, width, STEP, lambda t, h, w: t * h * w, limit)
    assert math.prod(plan.largest) <= limit
    clip = np.random.default_rng(0).random((frames, 3, height, width)).astype(np.float32)
    got = dict(
        restored_frames(run, lambda a, b: clip[a:b], plan, 2, range(frames), zeros, lambda: None)
    )
    assert list(got) == list(range(frames))
    np.testing.assert_allclose(np.stack(list(got.values())), enlarge(clip), atol=1e-6)


def test_no_tiles_where_memory_suffices():
    plan = plan_tiles(14, 64, 112, 32, lambda t, h, w: t * h * w, math.inf)
    assert plan == TilePlan(((0, 14),), ((0, 64),), ((0, 112),))


def test_long_videos_are_cut_in_time_even_without_a_limit():
    plan = plan_tiles(1000, 64, 112, 32, lambda t, h, w: t * h * w, math.inf)
    assert plan.largest == (30, 64, 112)
    plan = plan_tiles(1000, 64, 112, 32, lambda t, h, w: t * h * w, math.inf, most_frames=100)
    assert 80 <= plan.largest[0] <= 100


def test_a_tight_limit_keeps_fourteen_frames_and_cuts_in_space():
    plan = plan_tiles(30, 256, 448, 32, lambda t, h, w: t * h * w, 14 * 128 * 128)
    assert plan.largest[0] >= 14
    assert math.prod(plan.largest) <= 14 * 128 * 128


def test_a_limit_that_no_tile_meets():
    with pytest.raises(MemoryLimitError, match=r"2\.00 GiB: the smallest tile needs about 6\.00"):
        plan_tiles(30, 256, 448, 32, lambda t, h, w: t * 2**30, 2 * 2**30)


def test_only_spans_that_bear_on_missing_frames_are_run():
    spans = split_axis(40, 14, 4, 2)
    plan = TilePlan(spans, ((0, 8),), ((0, 8),))
    clip = np.random.default_rng(0).random((40, 3, 8, 8)).astype(np.float32)
    starts = []

    def read(start, stop):
        starts.append(start)
        return clip[start:stop]

    shared = range(spans[1][0], spans[0][1])[2]
    for wanted, spans_run in (
        ({0, 1}, [0]),
        ({shared}, [0, 1]),
        ({39}, [len(spans) - 1]),
        ({}, []),
    ):
        starts.clear()
        got = dict(restored_frames(run, read, plan, 2, wanted, zeros, lambda: None))
        assert got.keys() == set(wanted)
        assert starts == [spans[index][0] for index in spans_run]
        assert list(spans_for(spans, wanted)) == spans_run
        for index, picture in got.items():
            np.testing.assert_allclose(picture, enlarge(clip[index]), atol=1e-6)


def test_no_seam_on_a_gradient():
    """Tiles that disagree by an offset each must not show it as an edge."""
    ramp = np.linspace(0, 1, 96, dtype=np.float32)
    clip = np.broadcast_to(ramp, (2, 3, 64, 96)).copy()
    offsets = iter([-0.02, 0.02, 0.01, -0.01] * 8)
    plan = TilePlan(((0, 2),), split_axis(64, 40, 16, STEP), split_axis(96, 56, 16, STEP))
    total = np.zeros((2, 3, 128, 192), np.float32)
    blend_tiles(lambda *window: run(*window) + next(offsets), clip, plan, 2, total, lambda: None)
    error = total - enlarge(clip)
    for axis in (-1, -2):
        # A seam would be a step of up to 0.04; the fade spreads it over 16 pixels and more.
        assert np.abs(np.diff(error, axis=axis)).max() < 0.04 / 15


def test_progress_counts_tiles():
    plan = TilePlan(((0, 6), (2, 8)), ((0, 8),), ((0, 16), (8, 24)))
    clip = np.zeros((8, 3, 8, 24), np.float32)
    calls = []
    list(
        restored_frames(
            run, lambda a, b: clip[a:b], plan, 2, range(8), zeros, lambda: calls.append(1)
        )
    )
    assert len(calls) == 2 * plan.tiles_at_once == 4
