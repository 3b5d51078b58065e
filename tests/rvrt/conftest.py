"""Goldens and models for the tests of the networks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor

from rvrt.config.network import MODEL_PRESETS, Execution
from rvrt.models import build_network
from rvrt.runtime import device

device.use("CPU")

ROOT = Path(__file__).parents[2]
GOLDENS = Path(os.environ.get("RVRT_GOLDENS", ROOT.parent / "shared" / "goldens" / "rvrt"))


def official(name):
    return name.replace(".gamma", ".weight").replace(".beta", ".bias")


@pytest.fixture(scope="session")
def rvrt_goldens():
    """The folder of reference values, which is not part of the repository."""
    if not GOLDENS.is_dir():
        pytest.skip(f"no reference values at {GOLDENS}")
    return GOLDENS


@pytest.fixture(scope="session")
def golden(rvrt_goldens):
    """Reads one file of reference values."""
    return lambda name: dict(np.load(rvrt_goldens / f"{name}.npz"))


@pytest.fixture(scope="session")
def weights(golden):
    """The module that makes the goldens' weights and inputs."""
    sys.path.insert(0, str(GOLDENS))
    try:
        import weights
    finally:
        sys.path.pop(0)
    return weights


@pytest.fixture(scope="session")
def load(weights):
    """Fills a cell with the goldens' weights."""

    def fill(cell, prefix=""):
        for parameter in cell.get_parameters():
            value = weights.make(prefix + official(parameter.name), parameter.shape)
            parameter.set_data(Tensor(value))
        return cell

    return fill


@pytest.fixture
def debug_model(load):
    """A debug preset with the goldens' weights."""
    return lambda preset, **how: load(build_network(MODEL_PRESETS[preset], Execution(**how)))


def to_rows(x):
    """(..., C, H, W) array to rows."""
    return Tensor(np.ascontiguousarray(np.moveaxis(x, -3, -1)).reshape(-1, x.shape[-3]))


def from_rows(rows, shape):
    """Rows to an array of (..., C, H, W), given (..., H, W)."""
    return np.moveaxis(rows.asnumpy().reshape(*shape, -1), -1, -3)


def randomise(cell, seed=0, scale=0.2):
    """Fresh weights that leave nothing at zero, for tests that need no golden."""
    rng = np.random.RandomState(seed)
    for parameter in cell.get_parameters():
        value = scale * rng.standard_normal(parameter.shape)
        if parameter.name.endswith("gamma"):
            value = value + 1
        elif len(parameter.shape) > 1:
            value = value / np.sqrt(np.prod(parameter.shape[1:]) * scale**2)
        parameter.set_data(Tensor(value.astype(np.float32)))
    return cell
