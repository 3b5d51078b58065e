"""How a card computes: products, levels of compiling, and what each command takes of them."""

import os
import re
import warnings

import mindspore as ms
import numpy as np
import pytest
from click.testing import CliRunner

from rvrt.cli import check, evaluate, restore, train
from rvrt.errors import ConfigError
from rvrt.models import build_network
from rvrt.runtime import device, settings
from tests.rvrt.conftest import randomise
from tests.rvrt.models.test_native import SHAPES, frames

COMMANDS = {"check": check.main, "eval": evaluate.main, "restore": restore.main}
COMMANDS |= {"train": train.main}


@pytest.fixture
def variables(monkeypatch):
    """Empty, and as they were afterwards."""
    for name in (settings.JIT, settings.PRODUCTS, settings.WINDOWS):
        monkeypatch.setenv(name, "")
    return monkeypatch


def test_defaults(variables):
    assert (settings.jit_level(), settings.products()) == ("O0", "float32")
    assert settings.windows() == "plain"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [(settings.JIT, "O2", "O0, O1"), (settings.PRODUCTS, "tf32", "float32, short")],
)
def test_a_wrong_variable_is_told_before_a_device_is_taken(variables, name, value, allowed):
    variables.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name}={value}: allowed are {allowed}"):
        device.use("CPU")
    done = CliRunner().invoke(check.main, ["--quick"])
    assert done.exit_code == 1
    assert f"Error: {name}={value}" in done.output


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("option", ["--jit", "--products", "--windows"])
def test_a_wrong_option_is_told(variables, name, option):
    done = CliRunner().invoke(COMMANDS[name], [option, "O2"])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}': 'O2' is not one of" in done.output


def test_an_option_reaches_the_processes_that_are_started(variables, tmp_path):
    """A trial of a training and workers have the environment alone."""
    absent = ["--jit", "O1", "--products", "short", str(tmp_path / "in"), str(tmp_path / "out")]
    assert CliRunner().invoke(restore.main, absent).exit_code == 1
    assert (settings.jit_level(), settings.products()) == ("O1", "short")
    assert os.environ["RVRT_JIT"] == "O1"


def test_windows_are_fused_where_it_can_be_done(variables):
    assert not device.execution("Ascend", dtype="float16").fused_windows
    variables.setenv(settings.WINDOWS, "fused")
    assert device.execution("Ascend", dtype="float16").fused_windows


@pytest.mark.parametrize(
    ("target", "how", "said"),
    [
        ("CPU", {"dtype": "float16"}, "for float16 on CPU they go the plain way"),
        ("Ascend", {}, "for float32 on Ascend"),
        ("Ascend", {"dtype": "float16", "training": True}, "for training on Ascend"),
    ],
)
def test_windows_that_cannot_be_fused_are_warned_of(variables, target, how, said):
    variables.setenv(settings.WINDOWS, "fused")
    with pytest.warns(RuntimeWarning, match=said):
        assert not device.execution(target, **how).fused_windows


@pytest.mark.slow
def test_a_graph_of_either_level_gives_the_same(variables):
    config, shape = SHAPES["odd light"]
    x, pictures = frames((1, 2, *shape[2:])), []
    for level in settings.JIT_LEVELS:
        variables.setenv(settings.JIT, level)
        network = randomise(build_network(config, device.execution("Ascend")))
        pictures += [device.compiled(network)(x).asnumpy()]
    assert np.abs(pictures[0] - pictures[1]).max() < 5e-6


FIRST = ["Ascend910", "Ascend910A", "Ascend910B", "Ascend910ProA", "Ascend910ProB"]
LATER = ["Ascend910B1", "Ascend910B4-1", "Ascend910_9391", "Ascend950PR_9599", "CPU", "NVIDIA H100"]


@pytest.mark.parametrize("name", [*FIRST, "Ascend910PremiumA"])
def test_a_card_without_float32_products_is_named(name):
    assert re.match(f"{name} has no float32 products", device.products_warning(name))


@pytest.mark.parametrize("name", LATER)
def test_a_card_with_them_is_not(name):
    assert device.products_warning(name) is None


@pytest.fixture
def made_up_card(variables):
    """MindSpore on an Ascend card of a name, as far as selecting it goes: what it was told."""
    told = {}

    def card(name):
        variables.setattr(device, "available_targets", lambda: ("CPU", "Ascend"))
        variables.setattr(ms, "set_device", lambda target: told.update(target=target))
        variables.setattr(ms.hal, "get_device_name", lambda number, target: name)
        for setting in ("precision_mode", "conv_allow_hf32", "matmul_allow_hf32"):
            variables.setattr(
                ms.device_context.ascend.op_precision,
                setting,
                lambda value, setting=setting: told.update({setting: value}),
            )
        return told

    return card


@pytest.mark.parametrize(("products", "short"), [("", False), ("float32", False), ("short", True)])
def test_an_ascend_card_is_told_how_to_multiply(variables, made_up_card, products, short):
    variables.setenv(settings.PRODUCTS, products)
    told = made_up_card("Ascend910B2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert device.use("Ascend") == "Ascend"
    expected = {"target": "Ascend", "precision_mode": "must_keep_origin_dtype"}
    assert told == expected | {"conv_allow_hf32": short, "matmul_allow_hf32": short}


def test_who_takes_a_card_without_float32_products_is_warned(made_up_card):
    made_up_card("Ascend910A")
    with pytest.warns(RuntimeWarning, match="Ascend910A has no float32 products"):
        device.use("Ascend")
