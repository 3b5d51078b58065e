"""The table of degradations: choosing, recording, and adding one from outside."""

from dataclasses import dataclass

import numpy as np
import pytest

from vimeo_tools import DEGRADATIONS, Degradation, degrade, downscale
from vimeo_tools.degradations import Bicubic, BlurDown, Noise, choose_degradation, from_record
from vimeo_tools.errors import SettingsError

FRAMES = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), np.uint8)


@dataclass(frozen=True)
class Nearest(Degradation):
    """Every so many samples."""

    first: int = 0

    name = "nearest"
    tag = "NN"

    def apply(self, frame, scale):
        return frame[self.first :: scale, self.first :: scale]


@pytest.mark.parametrize("convention", ["double", "uint8"])
def test_bicubic_is_downscale(convention):
    made = degrade(FRAMES, "bicubic", scale=4, convention=convention)
    assert np.array_equal(made, downscale(FRAMES, 4, convention))
    assert np.array_equal(degrade(FRAMES[0], "bicubic", convention=convention), made[0])


def test_one_from_outside(monkeypatch):
    monkeypatch.setitem(DEGRADATIONS, "nearest", Nearest())
    assert np.array_equal(degrade(FRAMES, "nearest", scale=2), FRAMES[:, ::2, ::2])
    assert np.array_equal(degrade(FRAMES, "nearest", scale=2, first=1), FRAMES[:, 1::2, 1::2])
    made = choose_degradation("nearest", first=1)
    assert from_record(made.record()) == made
    assert made.folder(4) == "NNx4"
    assert made.margin(4) > 10_000


def test_records_of_bicubic_are_as_they_always_were():
    assert Bicubic("uint8").record() == {"convention": "uint8"}
    assert from_record({"convention": "double"}) == Bicubic()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: degrade(FRAMES, "bicubik"), "did you mean bicubic"),
        (lambda: degrade(FRAMES, "bicubic", sigma=1), "sigma is no parameter of it"),
        (lambda: degrade(FRAMES, "bicubic", convention="single"), "double, uint8"),
        (lambda: degrade(FRAMES, "bicubic", scale=1), "need 2 to 64"),
        (lambda: degrade(FRAMES, "bicubic", scale=10**9), "need 2 to 64"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(SettingsError, match=words):
        call()


@pytest.mark.parametrize(
    "text, made",
    [
        ("bd (sigma 1.2, kernel 9)", BlurDown("bd", sigma=1.2, kernel=9)),
        ("bd(border reflect)", BlurDown("bd", border="reflect")),
        ("bicubic (convention uint8)", Bicubic("uint8")),
        ("noise (sigma 10, seed 3)", Noise(10, 3)),
    ],
)
def test_parameters_may_be_written_behind_the_name(text, made):
    assert choose_degradation(text) == made
    if made != Bicubic("uint8"):  # which is older than other degradations, and says less
        assert choose_degradation(str(made)) == made


@pytest.mark.parametrize(
    "text, words",
    [
        ("bd (sigma 1.2.3)", "write numbers as"),
        ("bd (sigma wide)", "sigma 'wide'"),
        ("bd (kernel 1.5)", "kernel 1.5"),
        ("bd (size 3)", "size is no parameter"),
        ("blur (sigma 1)", "did you mean|there are"),
    ],
)
def test_parameters_that_are_not_allowed(text, words):
    with pytest.raises(SettingsError, match=words):
        choose_degradation(text)


# --- frames that stay as large as they are ------------------------------------------------------


def test_noise_is_of_the_frame_and_the_seed_alone():
    _first, second = degrade(FRAMES, "noise", sigma=10, seed=1)
    assert np.array_equal(Noise(10, 1).of_frame("1").apply(FRAMES[1], 1), second)
    grey = np.full((2, 200, 200, 3), 128, np.uint8)
    made = degrade(grey, "noise", sigma=10, seed=1) - 128.0
    assert made.std() == pytest.approx(10, rel=0.02)
    assert abs(made.mean()) < 0.1
    assert abs(np.corrcoef(made[0].ravel(), made[1].ravel())[0, 1]) < 0.02
    other = degrade(grey, "noise", sigma=10, seed=2) - 128.0
    assert abs(np.corrcoef(made[0].ravel(), other[0].ravel())[0, 1]) < 0.02
    assert Noise(10, 1).record() == {"degradation": "noise", "sigma": 10, "seed": 1}
    assert from_record(Noise(10, 1).record()) == Noise(10, 1)
    assert Noise(12.5).folder(1) == "NOISE12.5"
    assert np.array_equal(degrade(FRAMES, "noise", sigma=0), FRAMES)


def test_noise_stays_what_it_is():
    """A tree begun with one release of NumPy is gone on with by another."""
    made = Noise(25, 7).of_frame("00001/0001/im1").apply(np.full((2, 3), 128, np.uint8), 1)
    assert made.tolist() == [[105, 124, 94], [91, 133, 91]]


def test_none_is_the_frames_themselves():
    assert np.array_equal(degrade(FRAMES, "none"), FRAMES)
    assert (DEGRADATIONS["none"].usual_scale, DEGRADATIONS["none"].folder(1)) == (1, "NONE")
    with pytest.raises(SettingsError, match="scale 4: need 1"):
        degrade(FRAMES, "none", scale=4)


def test_what_is_no_frame():
    with pytest.raises(TypeError, match="uint8"):
        degrade(FRAMES.astype(float))
    with pytest.raises(TypeError, match="list"):
        degrade([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match=r"\(0, 4\)"):
        degrade(FRAMES[0, :0, :4, 0])
