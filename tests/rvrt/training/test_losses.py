import mindspore as ms
import numpy as np
import pytest

from rvrt.training.losses import charbonnier


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
