"""imresize against MATLAB's own pictures, against a slow oracle, and against bad input."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.oracles import imresize_oracle as oracle
from vimeo_tools import downscale, im2double, im2uint8, imresize, imresize_batch

# Every test here runs with the compiled part and without.
pytestmark = pytest.mark.usefixtures("backend")
EXACT_METHODS = ["nearest", "box", "bilinear", "bicubic"]


def read(path):
    return np.asarray(Image.open(path))


def differing(ours, theirs):
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    return int((ours != theirs).sum())


# --- what MATLAB wrote --------------------------------------------------------------------------


def crop_to_multiple(image, n):
    return image[: image.shape[0] // n * n, : image.shape[1] // n * n]


def as_double(scale):
    return lambda a: im2uint8(imresize(im2double(a), scale))


MATLAB_CALLS = [
    ("butterfly.png", "butterfly_x4_uint8.png", lambda a: imresize(a, 1 / 4)),
    ("butterfly.png", "butterfly_x4_uint8.png", lambda a: downscale(a, 4, "uint8")),
    ("woman.png", "woman_x4_uint8.png", lambda a: imresize(a, 0.25)),
    ("bird.png", "bird_x2_uint8.png", lambda a: imresize(a, 1 / 2)),
    ("woman.png", "woman_x3_uint8.png", lambda a: imresize(crop_to_multiple(a, 3), 1 / 3)),
    ("butterfly.png", "butterfly_x8_double.png", as_double(1 / 8)),
    ("butterfly.png", "butterfly_x8_double.png", lambda a: downscale(a, 8)),
    ("baboon.png", "baboon_x4_double.png", as_double(1 / 4)),
    ("baboon.png", "baboon_x4_double.png", downscale),
    ("baboon.png", "baboon_x3_double.png", as_double(1 / 3)),
    ("baboon.png", "baboon_x3_double.png", lambda a: downscale(a, 3)),
    ("lena.png", "lena_123x234_uint8.png", lambda a: imresize(a, (123, 234))),
    (
        "bird_rcan.png",
        "bird_x4_uint8_replicate.png",
        lambda a: imresize(a, 1 / 4, border="replicate"),
    ),
]


@pytest.mark.parametrize("source, output, call", MATLAB_CALLS)
def test_equals_what_matlab_wrote(matlab_goldens, source, output, call):
    ours = call(read(matlab_goldens / source))
    assert differing(ours, read(matlab_goldens / output)) == 0


def test_the_two_conventions_differ_on_a_picture(matlab_goldens):
    picture = read(matlab_goldens / "baboon.png")
    assert differing(downscale(picture, 4, "double"), downscale(picture, 4, "uint8")) > 0


# --- against the oracle -------------------------------------------------------------------------


@st.composite
def pictures(draw, dtype=np.uint8, longest=26):
    """Random, flat, ramp, step and few-level pictures: the last three are rich in exact halves."""
    shape = (
        draw(st.integers(1, longest)),
        draw(st.integers(1, longest)),
        draw(st.sampled_from([1, 3, 5])),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    top = int(np.iinfo(dtype).max)
    kind = draw(st.sampled_from(["random", "flat", "ramp", "step", "levels"]))
    level = int(rng.integers(0, top))
    y, x, _ = np.indices(shape)
    if kind == "random":
        picture = rng.integers(0, top + 1, shape)
    elif kind == "flat":
        picture = np.full(shape, level)
    elif kind == "ramp":
        picture = (level + 2 * y + 3 * x) % (top + 1)
    elif kind == "step":
        picture = np.where(x + y % 3 < rng.integers(0, shape[1] + 1), level, level + 1)
    else:
        picture = rng.choice([0, level, level + 1, top], shape)
    return picture.astype(dtype)


@settings(max_examples=60, deadline=None)
@given(pictures(), st.sampled_from([2, 4, 8]))
def test_double_convention_equals_oracle(picture, scale):
    assert differing(downscale(picture, scale), oracle.downscale_double(picture, scale)) == 0


@settings(max_examples=60, deadline=None)
@given(
    pictures(),
    st.sampled_from([2, 4, 8]),
    st.sampled_from(["symmetric", "replicate"]),
    st.sampled_from(EXACT_METHODS),
)
def test_uint8_at_dyadic_scales_equals_oracle(picture, scale, border, method):
    ours = imresize(picture, 1 / scale, method, border=border)
    assert differing(ours, oracle.imresize(picture, 1 / scale, method, border=border)) == 0


@settings(max_examples=20, deadline=None)
@given(pictures(dtype=np.uint16, longest=14), st.sampled_from([0.5, 0.25, 0.4, 2]))
def test_uint16_equals_oracle(picture, scale):
    assert differing(imresize(picture, scale), oracle.imresize(picture, scale)) == 0


@settings(max_examples=60, deadline=None)
@given(
    pictures(longest=12),
    st.one_of(
        st.floats(0.15, 3.0),
        st.sampled_from([1 / 3, 2, 3, 1]),
        st.tuples(st.integers(1, 20), st.integers(1, 20)),
    ),
    st.sampled_from(EXACT_METHODS),
    st.booleans(),
    st.sampled_from(["symmetric", "replicate"]),
    st.sampled_from([np.uint8, np.float32, np.float64]),
)
def test_any_scale_and_size_equals_oracle(picture, scale, method, antialiasing, border, dtype):
    picture = picture.astype(dtype)
    ours = imresize(picture, scale, method, antialiasing=antialiasing, border=border)
    theirs = oracle.imresize(picture, scale, method, antialiasing, border)
    assert differing(ours, theirs) == 0


@pytest.mark.parametrize("method", ["lanczos2", "lanczos3"])
@pytest.mark.parametrize("scale", [0.3, 0.5, 2.0])
def test_lanczos_equals_oracle(method, scale):
    # sin differs by an ulp between libraries, so floats are compared to a few of them
    picture = np.random.default_rng(1).random((11, 13))
    theirs = oracle.imresize(picture, scale, method)
    np.testing.assert_allclose(imresize(picture, scale, method), theirs, rtol=0, atol=1e-14)


# --- by hand ------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0, 1, 2, 7, 100, 253, 254])
def test_exact_halves_round_up_in_uint8(level):
    # A step between the two middle taps of 16: half the weights fall on either side.
    edge = np.full((8, 16), level, np.uint8)
    edge[:, 6:] = level + 1
    resized = imresize(edge, 1 / 4)
    assert resized[0, 1] == level + 1
    assert np.rint(level + 0.5) == level + level % 2  # half to even would be wrong for even levels


def test_halves_in_double_fall_as_the_ordered_float_sum_falls():
    # On exact ties the outcome is decided by rounding errors, so both outcomes must occur.
    outcomes = set()
    for level in range(255):
        edge = np.full((8, 16, 1), level, np.uint8)
        edge[:, 6:] = level + 1
        ours = downscale(edge)
        assert differing(ours, oracle.downscale_double(edge, 4)) == 0
        outcomes.add(int(ours[0, 1, 0]) - level)
    assert outcomes == {0, 1}


def test_smaller_scale_goes_first():
    picture = np.random.default_rng(0).integers(0, 256, (9, 12), dtype=np.uint8)
    columns_first = imresize(imresize(picture, (9, 3)), (4, 3))
    rows_first = imresize(imresize(picture, (4, 12)), (4, 3))
    assert differing(imresize(picture, (4, 3)), columns_first) == 0
    assert differing(columns_first, rows_first) > 0


def test_weights_of_a_quarter_are_the_published_integers():
    impulse = np.zeros((64, 1))
    impulse[30] = 4096
    weights = [-7, -45, -75, -49, 93, 399, 745, 987, 987, 745, 399, 93, -49, -75, -45, -7]
    column = imresize(impulse, (16, 1))[:, 0]
    assert column[6:10].tolist() == [weights[12], weights[8], weights[4], weights[0]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (5, 1, 3), (257, 449, 3), (64, 63, 9)])
@pytest.mark.parametrize("convention", ["double", "uint8"])
def test_sizes_round_up(shape, convention):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    resized = downscale(picture, 4, convention)
    assert resized.shape == (-(-shape[0] // 4), -(-shape[1] // 4), *shape[2:])
    reference = picture if convention == "uint8" else im2double(picture)
    assert differing(resized, im2uint8(imresize(reference, 1 / 4))) == 0


def test_views_of_any_layout_and_input_untouched():
    picture = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    view = np.asfortranarray(picture)[::-1, ::-1]
    before = view.copy()
    assert differing(imresize(view, 0.25), imresize(view.copy(), 0.25)) == 0
    assert differing(view, before) == 0
    assert imresize(view, 1).flags.owndata or imresize(view, 1).base is not view


def test_batches_equal_single_frames():
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)
    for convention in ("double", "uint8"):
        singles = np.stack([downscale(f, 4, convention) for f in frames])
        assert differing(downscale(frames, 4, convention), singles) == 0
    resized = imresize_batch(frames, (7, 9), "lanczos3", border="replicate")
    single = imresize(frames[1], (7, 9), "lanczos3", border="replicate")
    assert differing(resized[1], single) == 0
    assert imresize_batch(frames[..., 0], 0.5).shape == (3, 10, 12)


def test_frames_in_threads_do_not_touch_each_other():
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (64, 48 + 4 * n, 3), dtype=np.uint8) for n in range(6)] * 8
    alone = [downscale(frame) for frame in frames]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(downscale, frames))
    assert all(differing(a, b) == 0 for a, b in zip(alone, together, strict=True))


def test_float_samples_are_neither_scaled_nor_clipped():
    picture = np.zeros((8, 8), np.float32)
    picture[:, 4:] = 300
    resized = imresize(picture, 2)
    assert resized.dtype == np.float32
    assert resized.min() < 0
    assert resized.max() > 300


def test_class_conversions():
    levels = np.arange(256, dtype=np.uint8)
    assert (im2double(levels) == np.arange(256) / 255).all()
    assert (im2uint8(im2double(levels)) == levels).all()
    assert im2double(np.array([65535], np.uint16)) == 1
    assert im2uint8(np.array([0, 128, 129, 65535], np.uint16)).tolist() == [0, 0, 1, 255]
    floats = np.array([-1, 0.5 / 255, 0.499 / 255, 2])
    odd = np.array([np.nan, np.inf, -np.inf, 1e308, -1e308, 1e12])
    assert im2uint8(floats).tolist() == [0, 1, 0, 255]
    assert im2uint8(np.concatenate([floats, odd])).tolist() == [
        0,
        1,
        0,
        255,
        0,
        255,
        0,
        255,
        0,
        255,
    ]


# --- bad input ----------------------------------------------------------------------------------

GREY = np.zeros((8, 8), np.uint8)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: imresize([[1]], 2), TypeError, "list"),
        (lambda: imresize(GREY.astype(np.int64), 2), TypeError, "int64"),
        (lambda: imresize(GREY.astype(np.uint32), 2), TypeError, "uint32"),
        (lambda: imresize(np.zeros((2, 2), complex), 2), TypeError, "complex"),
        (lambda: imresize(GREY[0], 2), ValueError, "1 dimensions"),
        (lambda: imresize(GREY[None, None], 2), ValueError, "channel_axis"),
        (lambda: imresize(GREY[:0], 2), ValueError, "empty"),
        (lambda: imresize(np.zeros((4, 4, 0)), 2), ValueError, "empty"),
        (lambda: imresize(GREY, 0), ValueError, "positive"),
        (lambda: imresize(GREY, -0.5), ValueError, "positive"),
        (lambda: imresize(GREY, float("nan")), ValueError, "positive"),
        (lambda: imresize(GREY, float("inf")), ValueError, "positive"),
        (lambda: imresize(GREY, 1e-9), ValueError, "larger scale"),
        (lambda: imresize(GREY, "2"), TypeError, "rows, columns"),
        (lambda: imresize(GREY, True), TypeError, "rows, columns"),
        (lambda: imresize(GREY, None), TypeError, "rows, columns"),
        (lambda: imresize(GREY, (1, 2, 3)), ValueError, "two integers"),
        (lambda: imresize(GREY, (1.5, 2)), TypeError, "two integers"),
        (lambda: imresize(GREY, (0, 2)), ValueError, "at least 1 row"),
        (lambda: imresize(GREY, (3, -2)), ValueError, "at least 1 row"),
        (lambda: imresize(GREY, 2, "spline"), ValueError, "bicubic"),
        (lambda: imresize(GREY, 2, border="wrap"), ValueError, "symmetric"),
        (lambda: imresize_batch(GREY, 2), ValueError, "2 dimensions"),
        (lambda: downscale(GREY.astype(float)), TypeError, "im2uint8"),
        (lambda: downscale(GREY, 2.5), TypeError, "integer"),
        (lambda: downscale(GREY, 0), ValueError, "at least 1"),
        (lambda: downscale(GREY, 4, "single"), ValueError, "double, uint8"),
        (lambda: im2double(GREY.astype(np.int8)), TypeError, "int8"),
        (lambda: im2uint8(GREY.astype(np.int64)), TypeError, "int64"),
    ],
)
def test_bad_input_is_told_apart(call, error, words):
    with pytest.raises(error, match=words):
        call()
