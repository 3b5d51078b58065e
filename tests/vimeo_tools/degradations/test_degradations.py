"""The table of degradations: choosing, recording, and adding one from outside."""

from dataclasses import dataclass

import numpy as np
import pytest

from vimeo_tools import DEGRADATIONS, Degradation, degrade, downscale
from vimeo_tools.degradations import Bicubic, choose_degradation, from_record
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


def test_what_is_no_frame():
    with pytest.raises(TypeError, match="uint8"):
        degrade(FRAMES.astype(float))
    with pytest.raises(TypeError, match="list"):
        degrade([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match=r"\(0, 4\)"):
        degrade(FRAMES[0, :0, :4, 0])
