"""Weights and frames that were made for each other, or not."""

import numpy as np
import pytest

from rvrt.evaluation.opening import open_folders
from rvrt.evaluation.recipes import look_at, warnings
from rvrt.restoration.pictures import save_picture
from tests.oracles.makers import pillow, textured
from vimeo_tools import degrade, downscale


@pytest.fixture
def pair(tmp_path):
    """A function that writes GT and what it is given as LQ, and says what is warned of."""
    gts = [textured(seed) for seed in range(2)]

    def warned(make, recipe, record=None):
        for n, gt in enumerate(gts):
            save_picture(tmp_path / "gt" / f"{n}.png", gt)
            save_picture(tmp_path / "lq" / f"{n}.png", make(gt))
        if record:
            (tmp_path / "lq" / "vimeo-prep.json").write_text(record)
        sequences = open_folders(tmp_path / "gt", tmp_path / "lq")
        found = look_at(sequences, sequences.keys)
        return "\n".join(warnings(sequences.source, found, recipe))

    return warned


def bd(frame):
    return degrade(frame, "bd")


def duf(frame):
    return degrade(frame, "bd-duf")


@pytest.mark.parametrize(
    "make, recipe",
    [
        (downscale, "bicubic"),
        (downscale, "bicubic (convention double)"),
        (downscale, None),
        (bd, "bd"),
        (bd, None),
        (bd, "of a plugin that is not here"),
    ],
)
def test_frames_that_are_as_they_should_be(pair, make, recipe):
    assert pair(make, recipe) == ""


@pytest.mark.parametrize(
    "make, recipe, words",
    [
        (bd, "bicubic", "the weights were trained on bicubic (convention double); these frames"),
        (downscale, "bd", "the weights were trained on bd; these frames were made with MATLAB's"),
        (duf, "bd", "made with DUF's blur: its pixels lie 1.5 GT pixels up and left of BDx4's"),
        (duf, None, "lq: made with DUF's blur"),
        (pillow("BICUBIC"), None, "Pillow's bicubic"),
        (lambda gt: bd(gt)[..., ::-1], "bd", "the channels are swapped"),
        (lambda gt: bd(gt) ^ 4, "bd", "by a maker that is not known: nearest is"),
    ],
)
def test_frames_that_are_not(pair, make, recipe, words):
    assert words in pair(make, recipe)


def test_a_record_that_is_wrong(pair):
    said = pair(duf, "bd", '{"degradation": "bd", "scale": 4}')
    assert "its record says bd; the frames were made with DUF's blur" in said


def test_frames_made_here(tmp_path):
    save_picture(tmp_path / "gt" / "0.png", textured(0))
    sequences = open_folders(tmp_path / "gt", degradation="bd")
    assert look_at(sequences, sequences.keys) is None
    (said,) = warnings(sequences.source, None, "bicubic")
    assert said.startswith("the weights were trained on bicubic (convention double); LQ frames are")
    assert said.endswith("are bd; --degradation 'bicubic' makes them so")
    assert list(warnings(sequences.source, None, "bd")) == []
    assert list(warnings(sequences.source, None, None)) == []


def test_frames_that_cannot_be_read_are_left_to_the_evaluation(tmp_path):
    for n in range(2):
        save_picture(tmp_path / "gt" / f"{n}.png", textured(n))
        save_picture(tmp_path / "lq" / f"{n}.png", bd(textured(n)))
    sequences = open_folders(tmp_path / "gt", tmp_path / "lq")
    (tmp_path / "lq" / "0.png").write_bytes(b"damaged")
    assert look_at(sequences, sequences.keys) is None
    flat = np.zeros((64, 96, 3), np.uint8)
    for folder, frame in (("gt", flat), ("lq", flat[::4, ::4])):
        save_picture(tmp_path / folder / "0.png", frame)
        save_picture(tmp_path / folder / "1.png", frame)
    found = look_at(sequences, sequences.keys)
    assert found.flat and list(warnings(sequences.source, found, "bd")) == []
