"""The networks against what they computed when they agreed with the authors' (tests/expected)."""

import numpy as np
import pytest

from rvrt.config.network import MODEL_PRESETS
from rvrt.models import build_network
from tests.expected.make import FOLDER, run_network, small_networks
from tests.rvrt.conftest import GOLDENS, official

LISTS = {
    "rvrt": "params_vimeo.txt",
    "rvrt-debug": "params_tiny.txt",
    "rvrt-light": "params_light.txt",
}


def listed(preset):
    """{official name: shape} of a preset's parameters."""
    lines = (FOLDER / f"parameters_{preset.replace('-', '_')}.txt").read_text().splitlines()
    split = (line.split() for line in lines)
    return {
        name: tuple(map(int, shape.split("x"))) for kind, name, shape in split if kind == "param"
    }


@pytest.mark.parametrize(
    ("preset", "tensors", "numbers"),
    [("rvrt", 482, 10_782_295), ("rvrt-light", 354, 8_456_755), ("rvrt-debug", 482, 2_660_991)],
)
def test_parameters_have_the_official_names_and_shapes(preset, tensors, numbers):
    shapes = {
        official(p.name): tuple(p.shape)
        for p in build_network(MODEL_PRESETS[preset]).get_parameters()
    }
    assert shapes == listed(preset)
    assert len(shapes) == tensors
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == numbers


@pytest.mark.parametrize("preset", LISTS)
def test_the_lists_are_those_of_the_reference(rvrt_goldens, preset):
    lines = (GOLDENS / LISTS[preset]).read_text().splitlines()
    theirs = [line.split("(")[0].split() for line in lines if line.startswith("param")]
    assert list(listed(preset)) == [name for _, name in theirs]


@pytest.mark.parametrize("name", ["rvrt", "rvrt_light"])
def test_output_and_gradients_are_as_they_were(name):
    found = run_network(small_networks()[name])
    with np.load(FOLDER / "networks.npz") as stored:
        expected = {key: stored[f"{name}/{key}"] for key in found}
    assert np.abs(found["output"] - expected["output"]).max() < 5e-6
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert list(found["names"]) == list(expected["names"])
    np.testing.assert_allclose(found["norms"], expected["norms"], rtol=1e-3, atol=1e-6)
