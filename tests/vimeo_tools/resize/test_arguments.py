"""What callers may hand in: layouts, classes, sizes, kernels; and what is refused."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import imresize_oracle as oracle
from vimeo_tools import downscale, imresize, imresize_batch
from vimeo_tools.resize.contributions import KERNELS, MethodName

pytestmark = pytest.mark.usefixtures("backend")
RNG = np.random.default_rng(7)
PICTURE = RNG.integers(0, 256, (20, 24, 3), dtype=np.uint8)


def equal(ours, theirs):
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and (ours == theirs).all()


# --- layouts ------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 3), max_size=3), st.integers(0, 5), st.sampled_from([0.5, 2, (5, 7)])
)
def test_any_leading_axes_and_any_channel_axis(leading, place, scale):
    """Frame by frame what imresize makes of (H, W, C)."""
    stack = RNG.integers(0, 256, (*leading, 9, 8, 4), dtype=np.uint8)
    axis = place % stack.ndim
    resized = imresize(np.moveaxis(stack, -1, axis), scale, channel_axis=axis)
    last = np.moveaxis(resized, axis, -1)
    for index in np.ndindex(*leading):
        assert equal(last[index], imresize(stack[index], scale))
    negative = imresize(np.moveaxis(stack, -1, axis), scale, channel_axis=axis - stack.ndim)
    assert equal(negative, resized)


def test_a_grey_stack_and_channels_first():
    grey = PICTURE.transpose(2, 0, 1)
    separately = np.stack([imresize(plane, 0.5) for plane in grey])
    assert equal(imresize(grey, 0.5, channel_axis=None), separately)
    assert equal(imresize(grey, 0.5, channel_axis=0), separately)
    assert equal(imresize_batch(grey, 0.5), separately)
    assert equal(downscale(grey, 2, channel_axis=0), np.stack([downscale(p, 2) for p in grey]))
    assert equal(downscale(grey[None], 2, channel_axis=1)[0], downscale(grey, 2, channel_axis=0))


@pytest.mark.parametrize("call", [imresize, downscale, imresize_batch])
@pytest.mark.parametrize("shape", [(3, 256, 448), (7, 256, 448), (1, 64, 64), (2, 3, 64, 112)])
def test_a_layout_that_looks_wrong_is_refused_with_a_hint(call, shape):
    picture = np.zeros(shape, np.uint8)
    if call is imresize_batch and len(shape) == 3:
        assert call(picture, 0.5).shape == (shape[0], shape[1] // 2, shape[2] // 2)
        return
    with pytest.raises(ValueError, match=r"channel_axis=-3 .* channel_axis=None"):
        call(picture, 2)
    assert call(picture, 2, channel_axis=-1).ndim == len(shape)


@pytest.mark.parametrize(
    "channel_axis, error, words",
    [
        (3, ValueError, "channel_axis 3"),
        (-4, ValueError, "channel_axis -4"),
        (1.0, TypeError, "need an integer"),
        (True, TypeError, "need an integer"),
        ("last", TypeError, "'auto'"),
    ],
)
def test_no_such_channel_axis(channel_axis, error, words):
    with pytest.raises(error, match=words):
        imresize(PICTURE, 0.5, channel_axis=channel_axis)


@pytest.mark.parametrize("call", [imresize, downscale, imresize_batch])
def test_a_list_is_refused_with_a_hint(call):
    with pytest.raises(TypeError, match=r"list.*numpy\.asarray"):
        call(PICTURE.tolist(), 2)


def test_rows_and_columns_are_needed_beside_the_channels():
    with pytest.raises(ValueError, match="need rows and columns"):
        imresize(PICTURE[0], 0.5, channel_axis=1)


# --- classes ------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["int8", "int16", "int32"]),
    st.sampled_from([0.5, 0.25, 2, 1.7, 1 / 3]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_signed_integers_equal_the_oracle(name, scale, extremes, seed):
    limits, rng = np.iinfo(name), np.random.default_rng(seed)
    low, high = (limits.min, limits.max) if extremes else (-3, 3)
    picture = rng.integers(low, high, (9, 8, 1), dtype=name, endpoint=True)
    assert equal(imresize(picture, scale), oracle.imresize(picture, scale))


def test_halves_of_signed_integers_are_rounded_away_from_zero():
    pair = np.array([[-2, -1]], np.int16)
    assert imresize(pair, (1, 1), "bilinear").tolist() == [[-2]]
    assert imresize(-pair, (1, 1), "bilinear").tolist() == [[2]]


def test_bool_is_resized_as_0_and_255_and_cut_above_128():
    mask = np.random.default_rng(0).random((15, 18)) > 0.5
    expected = oracle.imresize((mask * 255).astype(np.uint8), 1.5) > 128
    assert equal(imresize(mask, 1.5), expected)


def test_the_oracle_knows_bool():
    half = np.array([[True, False]])  # 127.5 is rounded to 128, which is not above 128
    assert imresize(half, (1, 1), "bilinear").tolist() == [[False]]


# --- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape, size", [((101, 50), (None, 17)), ((50, 101), (17, None))])
def test_none_keeps_the_aspect_ratio_as_matlabs_nan(shape, size):
    picture = RNG.integers(0, 256, shape, dtype=np.uint8)
    given_axis = 0 if size[1] is None else 1
    scale = 17 / shape[given_axis]
    resized = imresize(picture, size)
    assert resized.shape[given_axis] == 17
    assert resized.shape[1 - given_axis] == math.ceil(17 * shape[1 - given_axis] / 50)
    # one scale for both axes, not the ratio of the rounded sizes
    assert equal(resized, imresize(picture, resized.shape, scale=scale))
    assert not equal(resized, imresize(picture, resized.shape))


def test_scale_beside_a_size_is_taken_as_it_is():
    ramp = np.arange(64.0).reshape(1, 64)
    assert equal(imresize(ramp, (1, 10), scale=(1, 0.5)), imresize(ramp, 0.5)[:, :10])
    assert equal(imresize(PICTURE, scale=0.5), imresize(PICTURE, 0.5))
    assert imresize(PICTURE, scale=(0.5, 2)).shape == (10, 48, 3)


@pytest.mark.parametrize(
    "arguments, scale, error, words",
    [
        ((None, None), None, ValueError, "rows, columns or both"),
        (0.5, 0.5, TypeError, "give one"),
        ((4, 4), (1, 2, 3), TypeError, "row scale, column scale"),
        ((4, 4), -1, ValueError, "positive"),
        (None, (1, float("nan")), ValueError, "positive"),
        (None, "2", TypeError, "need a number"),
    ],
)
def test_bad_sizes_and_scales(arguments, scale, error, words):
    with pytest.raises(error, match=words):
        imresize(PICTURE, arguments, scale=scale)


# --- kernels ------------------------------------------------------------------------------------


def test_every_kernel_has_its_name_in_the_type():
    assert set(get_args(MethodName)) == set(KERNELS)


# --- kernels of one's own -----------------------------------------------------------------------


def hat(x):
    return np.maximum(0, 1 - np.abs(x))


@pytest.mark.parametrize("scale", [0.4, 0.5, 3])
def test_a_kernel_of_ones_own(scale):
    assert equal(imresize(PICTURE, scale, (hat, 2)), imresize(PICTURE, scale, "bilinear"))


@pytest.mark.parametrize(
    "method, error, words",
    [
        ((hat,), TypeError, "kernel, width"),
        ((hat, 0), TypeError, "positive width"),
        ((2, hat), TypeError, "kernel, width"),
        ((lambda x: x * np.nan, 2), ValueError, "finite"),
        ((lambda x: x * 0, 2), ValueError, "not 0"),
        ((lambda x: np.ones(3), 2), ValueError, "same shape"),
        ((lambda x: 1.0, 2), ValueError, "same shape"),
    ],
)
def test_a_kernel_that_is_none(method, error, words):
    with pytest.raises(error, match=words):
        imresize(PICTURE, 0.5, method)


# --- threads ------------------------------------------------------------------------------------


def test_threads_make_the_same_frames():
    frames = RNG.integers(0, 256, (5, 20, 24, 3), dtype=np.uint8)
    assert equal(downscale(frames, 4, threads=3), downscale(frames, 4))
    assert equal(imresize_batch(frames, (9, 7), threads=8), imresize_batch(frames, (9, 7)))


@pytest.mark.parametrize("threads, error", [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_bad_threads(threads, error):
    with pytest.raises(error, match="threads"):
        downscale(PICTURE, 4, threads=threads)
