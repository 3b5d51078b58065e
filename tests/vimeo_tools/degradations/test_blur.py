"""Blur-down against MATLAB's pictures, the slow oracle, and itself on parts of a frame."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import GOLDENS
from tests.oracles.blur_down_oracle import blur_down
from vimeo_tools import DEGRADATIONS, degrade
from vimeo_tools.degradations import BlurDown, from_record
from vimeo_tools.degradations.blur import BORDERS, MAKERS, Blur
from vimeo_tools.errors import FrameError, SettingsError

# (maker, scale): sigma, taps, first sample, border, as the makers' scripts have it.
FACTS = {
    ("bd", 2): (1.6, 12, 0, "replicate"),
    ("bd", 3): (1.6, 7, 1, "replicate"),
    ("bd", 4): (1.6, 12, 1, "replicate"),
    ("bd", 8): (1.6, 12, 3, "replicate"),
    ("bd-duf", 2): (0.8, 7, 0, "reflect"),
    ("bd-duf", 3): (1.2, 11, 0, "reflect"),
    ("bd-duf", 4): (1.6, 13, 0, "reflect"),
    ("bd-sofvsr", 4): (1.6, 13, 0, "symmetric"),
    ("bd-tecogan", 4): (1.5, 9, 0, "reflect"),
}
ALL = [(name, scale) for name, maker in MAKERS.items() for scale in maker.scales]


@pytest.mark.parametrize("name", ["baby", "bird", "butterfly", "head", "woman"])
def test_pictures_that_matlab_wrote(name):
    folder = GOLDENS / "bd"
    if not folder.is_dir():
        pytest.skip(f"reference pictures are not there: {folder}")
    gt, lq = (np.asarray(Image.open(folder / f"{name}{end}.png")) for end in ("", "_x3_bd"))
    made = degrade(gt, "bd", scale=3)
    undecided = DEGRADATIONS["bd"].undecided(gt, 3)
    assert undecided.sum() <= 3
    assert np.array_equal(made[~undecided], lq[~undecided])
    assert np.abs(made.astype(int) - lq).max() <= 1


@pytest.mark.parametrize("name, scale", ALL)
def test_presets(name, scale):
    assert tuple(DEGRADATIONS[name].blur(scale)) == pytest.approx(FACTS[name, scale])
    check(DEGRADATIONS[name], frame_of(5 * scale, 4 * scale), scale)


def frame_of(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 2), np.uint8)


def check(degradation, frame, scale):
    """The slow way gives the same, up to ties."""
    made, undecided = degradation.apply(frame, scale), degradation.undecided(frame, scale)
    exact = blur_down(frame, scale, *degradation.blur(scale))
    assert made.shape == undecided.shape
    assert len(exact) == made.size
    for place, level in exact.items():
        tie = abs(level - math.floor(level) - 0.5)
        if tie > 3e-5:
            assert not undecided[place]
            assert made[place] == math.floor(min(max(level, 0), 255) + 0.5)
        elif tie < 1e-5:
            assert undecided[place]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 5),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 4), st.integers(0, 4)),
    st.floats(0.3, 3),
    st.integers(1, 9),
    st.integers(0, 4),
    st.sampled_from(BORDERS),
    st.integers(0, 9),
)
def test_any_kernel_size_phase_and_border(scale, sides, sigma, taps, phase, border, seed):
    """Also frames smaller than the kernel, and sides that are no multiples of the scale."""
    rows, columns, *surplus = sides
    frame = frame_of(scale * rows + surplus[0] % scale, scale * columns + surplus[1] % scale, seed)
    check(BlurDown("bd", sigma, taps, phase % scale, border), frame, scale)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ALL), st.data())
def test_a_part_with_its_margin_is_as_in_the_whole(preset, data):
    name, scale = preset
    degradation = DEGRADATIONS[name]
    frame = frame_of(20 * scale, 16 * scale, data.draw(st.integers(0, 99)))
    whole, margin = degradation.apply(frame, scale), degradation.margin(scale)
    assert margin <= 4
    top, left = data.draw(st.integers(0, 12)), data.draw(st.integers(0, 9))
    low, high = max(top - margin, 0), max(left - margin, 0)
    part = frame[
        low * scale : (top + 5 + margin) * scale, high * scale : (left + 5 + margin) * scale
    ]
    made = degradation.apply(part, scale)[top - low :, left - high :][:5, :5]
    assert np.array_equal(made, whole[top : top + 5, left : left + 5])


def test_flat_frames_stay_and_ties_are_told():
    assert (degrade(np.full((32, 32, 3), 77, np.uint8), "bd") == 77).all()
    edge = np.full((32, 32), 100, np.uint8)
    edge[:, 18:] = 101  # the middle of a sample's kernel
    undecided = DEGRADATIONS["bd"].undecided(edge, 4)
    assert undecided[:, 4].all()
    made, ties = DEGRADATIONS["bd"].make(edge, 4)
    assert np.array_equal(made, degrade(edge, "bd"))
    assert ties == undecided.sum() == 8


def test_a_frame_smaller_than_the_scale():
    with pytest.raises(FrameError, match="smaller than the scale 4"):
        degrade(frame_of(3, 40), "bd")


def test_grey_frames_and_records():
    grey = frame_of(16, 16)[..., 0]
    assert np.array_equal(degrade(grey, "bd"), degrade(grey[..., None], "bd")[..., 0])
    own = BlurDown("bd-duf", sigma=1.2)
    assert from_record(own.record()) == own
    assert (own.folder(4), DEGRADATIONS["bd"].folder(2)) == ("BD-DUFx4", "BDx2")
    assert own.blur(4) == Blur(1.2, 13, 0, "reflect")
    assert str(own) == "bd-duf (sigma 1.2)"


@pytest.mark.parametrize(
    "name, scale, parameters, words",
    [
        ("bd", 5, {}, "degradation bd, scale 5: need 2, 3, 4, 8"),
        ("bd-sofvsr", 2, {}, "need 4;"),
        ("bd", 4, {"sigma": 0.0}, "sigma 0.0"),
        ("bd", 4, {"sigma": math.inf}, "sigma inf"),
        ("bd", 4, {"sigma": math.nan}, "sigma nan"),
        ("bd", 4, {"kernel": 10**9}, "kernel 1000000000"),
        ("bd", 4, {"kernel": 9.5}, "kernel 9.5"),
        ("bd", 4, {"phase": 5}, "phase 5 at scale 4"),
        ("bd", 4, {"border": "circular"}, "replicate, reflect, symmetric"),
        ("bd", 4, {"convention": "uint8"}, "convention is no parameter of it; there are: sigma"),
    ],
)
def test_what_is_refused(name, scale, parameters, words):
    with pytest.raises(SettingsError, match=words):
        degrade(frame_of(40, 40), name, scale, **parameters)
