"""The networks that come with the package are those that their records tell of."""

import configparser
import hashlib
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from rvrt.restoration.network import open_network
from rvrt.weights.checkpoint import load_network, read_arrays
from rvrt.weights.pretrained import FOLDER, NAMES, pretrained, weights_path
from tests.rvrt.conftest import ROOT

MEGABYTE = 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_the_one_recorded_and_small(name):
    chosen = pretrained(name)
    raw = chosen.path.read_bytes()
    assert hashlib.sha256(raw).hexdigest() == chosen.sha256
    assert len(raw) <= MEGABYTE
    assert max(chosen.curve)[1] == max(value for _, value in chosen.curve)  # the last is the best


@pytest.mark.parametrize("name", NAMES)
def test_every_source_has_a_licence_and_a_page(name):
    chosen = pretrained(name)
    page = (ROOT / "docs" / "pretrained.md").read_text(encoding="utf-8")
    assert chosen.sha256 in page
    for source in chosen.data:
        assert source["licence"] and source["package"].split()[0] in page
    for file in [chosen.recipe["repeat"], *chosen.recipe["configs"]]:
        assert (ROOT / file).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_enough_to_load_it(name):
    network, config = load_network(name)
    arrays, record = read_arrays(pretrained(name).path)
    assert config == record.config
    for parameter in network.get_parameters():
        assert arrays[parameter.name].dtype == np.float16
        np.testing.assert_array_equal(parameter.asnumpy(), arrays[parameter.name])


def test_loaded_in_python_it_runs_as_the_commands_run_it():
    assert load_network("rvrt-small")[0].execution == open_network("rvrt-small").cell.execution


def test_a_path_is_a_path():
    assert weights_path("runs/rvrt-small.safetensors") == Path("runs/rvrt-small.safetensors")
    assert weights_path(Path("rvrt-small")) == pretrained("rvrt-small").path


def test_an_installed_package_has_the_files():
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg")
    patterns = parsed["options.package_data"]["rvrt.weights.pretrained"].replace(" ", "").split(",")
    for path in FOLDER.iterdir():
        if path.suffix != ".py" and path.is_file():
            assert any(fnmatch(path.name, pattern) for pattern in patterns), path.name
