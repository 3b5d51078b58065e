"""imresize against the slow oracle's samples for generated pictures (tests/expected)."""

import numpy as np
import pytest

import vimeo_tools
from tests.expected.make import FOLDER, RESIZED, picture
from tests.oracles import imresize_oracle


class Ours:
    """The calls of the oracle, answered by the package."""

    imresize = staticmethod(vimeo_tools.imresize)
    downscale_double = staticmethod(vimeo_tools.downscale)


@pytest.fixture(scope="module")
def stored():
    with np.load(FOLDER / "imresize.npz") as file:
        return dict(file)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", RESIZED)
def test_no_sample_differs(stored, name):
    ours = RESIZED[name](Ours, picture())
    assert ours.dtype == stored[name].dtype and ours.shape == stored[name].shape
    assert (ours != stored[name]).sum() == 0


def test_they_are_what_the_oracle_gives(stored):
    name = "x4_double"
    assert np.array_equal(RESIZED[name](imresize_oracle, picture()), stored[name])
    assert (stored["x4_double"] != stored["x4_uint8"]).any()  # the conventions are told apart
