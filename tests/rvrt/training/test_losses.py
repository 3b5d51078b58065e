import mindspore as ms
import numpy as np
import pytest

from rvrt.errors import ConfigError
from rvrt.training.losses import LOSSES, charbonnier, loss_named


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_equals_its_formula(dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.random((2, 3, 4), np.float32).astype(dtype) for _ in range(2))
    difference = a.astype(np.float64) - b.astype(np.float64)
    expected = np.sqrt(difference**2 + 1e-9).mean()
    loss = charbonnier(ms.Tensor(a), ms.Tensor(b))
    assert loss.dtype == ms.float32
    np.testing.assert_allclose(loss.asnumpy(), expected, rtol=1e-6)


def test_equal_pictures_have_a_small_loss_and_no_gradient():
    x = ms.Tensor(np.full((5,), 0.5, np.float32))
    value, gradient = ms.value_and_grad(lambda a: charbonnier(a, x))(x)
    np.testing.assert_allclose(value.asnumpy(), np.sqrt(1e-9), rtol=1e-6)
    np.testing.assert_array_equal(gradient.asnumpy(), 0)


@pytest.mark.parametrize(
    ("name", "formula"), [("l1", lambda d: np.abs(d).mean()), ("mse", lambda d: (d**2).mean())]
)
def test_other_losses_equal_their_formulas(name, formula):
    rng = np.random.default_rng(0)
    a, b = (rng.random((2, 3, 4), np.float32).astype(np.float16) for _ in range(2))
    loss = LOSSES[name](ms.Tensor(a), ms.Tensor(b))
    assert loss.dtype == ms.float32 and loss.shape == ()
    expected = formula(a.astype(np.float64) - b.astype(np.float64))
    np.testing.assert_allclose(loss.asnumpy(), expected, rtol=1e-6)


def test_an_unknown_loss_names_those_that_there_are():
    with pytest.raises(ConfigError, match="'charbonier': expected one of charbonnier, l1, mse"):
        loss_named("charbonier")
