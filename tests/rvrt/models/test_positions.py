"""No position goes through a product of a card: with the 10 bits that products keep on some targets
a place at 64 to 128 pixels would move by 1/16.

Both runs of a test compute the same network by a card's operators, one of them with every factor of
every product rounded to float16. Where offsets and flows are known beforehand, positions are equal
to the last bit, or one of them has gone through a product.
"""

import dataclasses

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from rvrt.models import build_network
from rvrt.models.spynet import SpyNet
from rvrt.runtime import device
from tests.rvrt.conftest import randomise
from tests.rvrt.models.test_native import SHAPES, frames

PRODUCTS = ("MatMul", "BatchMatMul", "Conv2D")


@pytest.fixture
def short_products(monkeypatch):
    """Call it, and products of cells made from then on take factors of 10 bits."""

    def rounded(kind):
        def make(*args, **kwargs):
            product = kind(*args, **kwargs)
            return lambda *factors: product(*map(half, factors))

        return make

    def half(x):
        return ops.cast(ops.cast(x, ms.float16), x.dtype)

    def begin():
        for name in PRODUCTS:
            monkeypatch.setattr(ops, name, rounded(getattr(ops, name)))

    return begin


@pytest.fixture
def grids(monkeypatch):
    """Where samples were taken: an array for each call of the operator that takes them."""
    found, sample = [], ops.grid_sample

    def recorded(x, grid, *how):
        found.append(grid.asnumpy())
        return sample(x, grid, *how)

    monkeypatch.setattr(ops, "grid_sample", recorded)
    return found


@pytest.fixture
def ascend():
    """How an Ascend card runs a network, operator by operator here."""
    return dataclasses.replace(device.execution("Ascend"), whole_graph=False)


def say_the_same(conv, seed):
    """Let a convolution give its bias alone, whatever it is given."""
    conv.weight.set_data(conv.weight * 0)
    bias = 0.7 * np.random.default_rng(seed).standard_normal(conv.bias.shape)
    conv.bias.set_data(Tensor(bias.astype(np.float32)))


def restored(config, how, x, flows):
    """What a network of known offsets and no details makes of frames."""
    network = randomise(build_network(config, how), scale=0.1)
    say_the_same(network.conv_last, 0)
    if config.has_flow:
        for number, cell in enumerate(network.deform_align.values()):
            say_the_same(cell.conv_offset[len(cell.conv_offset) - 1], number)
    return network(x, flows).asnumpy()


def given_flows(shape):
    """Smooth flows of up to 30 pixels, backward and forward."""
    batch, count, _, h, w = shape
    steps = np.arange(2 * batch * (count - 1))[:, None, None]
    y, x = np.mgrid[:h, :w] / 10
    u, v = 21 * np.sin(x + y + steps) + 9.123, 23 * np.cos(x - 2 * y + steps) - 7.01
    flows = np.stack([u, v], -1).astype(np.float32).reshape(2, -1, 2)
    return Tensor(flows[0]), Tensor(flows[1])


@pytest.mark.parametrize("name", ["rvrt", pytest.param("odd light", marks=pytest.mark.slow)])
def test_samples_are_taken_where_they_were(name, short_products, grids, ascend):
    """Composed flows, taps, mean offsets, and the pixels of the enlarged frame."""
    config, shape = SHAPES[name]
    shape = (1, 4, *shape[2:])
    x, flows = frames(shape), given_flows(shape) if config.has_flow else None
    exact_picture, exact = restored(config, ascend, x, flows), grids.copy()
    grids.clear()
    short_products()
    picture = restored(config, ascend, x, flows)
    assert np.array_equal(picture, exact_picture)
    assert len(grids) == len(exact)
    assert bool(exact) == config.has_flow
    for one, other in zip(grids, exact, strict=True):
        assert np.array_equal(one, other)


def test_flows_grow_from_level_to_level(short_products, ascend):
    x = frames((1, 2, 3, 40, 45))

    def flow():
        network = randomise(SpyNet(ascend))
        for level, part in enumerate(network.basic_module):
            say_the_same(part.basic_module[len(part.basic_module) - 1], level)
        return network(x[:, 0], x[:, 1]).asnumpy()

    exact = flow()
    short_products()
    assert np.array_equal(flow(), exact)
    assert np.abs(exact).max() > 8  # float16 would not hold what stands behind the point


def test_products_are_short(short_products):
    """What the other tests rest on."""
    x = Tensor(np.linspace(1, 2, 64, dtype=np.float32).reshape(8, 8))
    exact = ops.MatMul()(x, x).asnumpy()
    short_products()
    assert 1e-4 < np.abs(ops.MatMul()(x, x).asnumpy() - exact).max() < 1e-2
