import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from rvrt.config.training import OptimiserConfig
from rvrt.training.adam import Adam
from rvrt.training.optimiser import Optimiser
from tests.oracles.adam import NumpyAdam

SHAPES = [(), (3, 4), (5,)]


def parameters():
    return [
        Parameter(Tensor(np.zeros(shape, np.float32)), name=f"p{i}")
        for i, shape in enumerate(SHAPES)
    ]


@pytest.mark.parametrize("size", [1e-10, 1e-8, 1e-6, 1.0])
def test_adam_equals_the_papers_for_gradients_about_epsilon(size):
    """Where epsilon comes decides by how much small gradients move: at 1e-8 by a factor of 5."""
    rng = np.random.default_rng(0)
    trained, twins = parameters(), [NumpyAdam() for _ in SHAPES]
    adam = Adam(trained, (0.9, 0.99), 1e-8)
    expected = [np.zeros(shape) for shape in SHAPES]
    for step in range(1, 7):
        rate = 1e-2 / step
        gradients = [np.asarray(size * rng.standard_normal(shape), np.float32) for shape in SHAPES]
        adam(Tensor(rate, ms.float32), Tensor(1.0, ms.float32), *map(Tensor, gradients))
        for value, twin, gradient in zip(expected, twins, gradients, strict=True):
            value += twin.change(gradient.astype(float), rate)
        for parameter, value in zip(trained, expected, strict=True):
            np.testing.assert_allclose(parameter.asnumpy(), value, rtol=2e-5, atol=1e-9)


class WithFlow(nn.Cell):
    def __init__(self):
        super().__init__()
        self.flow = Parameter(ms.ops.zeros(2), name="spynet.flow")
        self.rest = Parameter(ms.ops.zeros(3), name="rest")


def rates(flow_prefix="spynet.", **how):
    """Rates of each step, read off what gradients of equal size have moved."""
    network = WithFlow()
    optimiser = Optimiser(
        network, OptimiserConfig(eps=1e-30, spynet_freeze_steps=0, **how), 1000, flow_prefix
    )
    found = {"spynet.flow": [], "rest": []}
    for step in (0, 500, 966, 999):
        weights = optimiser.weights(optimiser.frozen(step))
        before = {p.name: p.asnumpy().copy() for p in weights}
        optimiser.update([ms.ops.ones_like(p) for p in weights], step)
        for p in weights:
            found[p.name].append(float(np.abs(p.asnumpy() - before[p.name]).mean()))
    return found


def test_both_rates_end_at_the_least():
    """The published schedule; the flow's rate is not a quarter of the other from start to end."""
    found = rates(lr=2e-4, min_lr=1e-7)
    share = (1 + np.cos(np.pi * np.array([1, 501, 967, 1000]) / 1000)) / 2
    for name, lr in (("rest", 2e-4), ("spynet.flow", 5e-5)):
        np.testing.assert_allclose(found[name], 1e-7 + (lr - 1e-7) * share, rtol=1e-3)
    assert found["spynet.flow"][-1] == pytest.approx(1e-7, rel=1e-3)


def test_a_flow_whose_rate_begins_below_the_least_keeps_it():
    found = rates(lr=2e-4, min_lr=1e-4)
    np.testing.assert_allclose(found["spynet.flow"], [5e-5] * 4, rtol=5e-3)


def test_without_a_flow_all_have_one_rate():
    found = rates("", lr=2e-4, min_lr=1e-7)
    np.testing.assert_allclose(found["spynet.flow"], found["rest"], rtol=1e-3)


def test_a_frozen_flow_asks_for_no_gradient():
    optimiser = Optimiser(WithFlow(), OptimiserConfig(spynet_freeze_steps=2), 10, "spynet.")
    assert [optimiser.frozen(step) for step in range(4)] == [True, True, False, False]
    assert [p.name for p in optimiser.weights(True)] == ["rest"]
    assert {p.name for p in optimiser.weights(False)} == {"rest", "spynet.flow"}
