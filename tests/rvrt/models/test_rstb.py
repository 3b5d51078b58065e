import math

import numpy as np
import pytest
from mindspore import Tensor

from rvrt.config.network import MODEL_PRESETS, Execution
from rvrt.models.kernels.backends import settled
from rvrt.models.rstb import RowNorm, RSTBWithInputConv, gelu
from tests.rvrt.conftest import from_rows, to_rows

CASES = [
    ("backbone", "backbone.backward_1.", 48, 1),
    ("backbone_small", "backbone.backward_1.", 48, 1),
    ("feat_extract", "feat_extract.", 3, 0),
]


@pytest.mark.parametrize("how", [{}, {"compile_blocks": True}, {"kernels": True}])
@pytest.mark.parametrize(("name", "prefix", "inputs", "part"), CASES)
def test_golden(golden, load, name, prefix, inputs, part, how):
    data = golden("rstb")
    how = settled(Execution(**how))
    cell = load(RSTBWithInputConv(MODEL_PRESETS["rvrt-debug"], how, inputs, part), prefix)
    x = data[f"{name}_in"]
    b, t, _, h, w = x.shape
    out = from_rows(cell((to_rows(x),), (b, t, h, w)), (b, t, h, w))
    assert np.abs(out - data[f"{name}_out"]).max() < 1e-5


def test_gelu_golden(golden):
    data = golden("ops")
    assert np.abs(gelu(Tensor(data["gelu_x"]), "erf").asnumpy() - data["gelu_y"]).max() < 1e-6


def test_gelu_both_kinds_over_the_whole_range():
    x = np.linspace(-12, 12, 20001).astype(np.float32)
    wide = x.astype(np.float64)
    exact = wide * 0.5 * (1 + np.array([math.erf(v / math.sqrt(2)) for v in wide]))
    by_tanh = wide * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    assert np.abs(gelu(Tensor(x), "erf").asnumpy() - exact).max() < 2e-6
    assert np.abs(gelu(Tensor(x), "tanh").asnumpy() - by_tanh).max() < 2e-6


def test_norm_keeps_the_dtype_and_works_in_float32():
    norm = RowNorm((8,), epsilon=1e-5)
    x = np.random.RandomState(0).standard_normal((4, 8)).astype(np.float16)
    out = norm(Tensor(x * 100))
    wide = x.astype(np.float64) * 100
    expected = (wide - wide.mean(1, keepdims=True)) / wide.std(1, keepdims=True)
    assert out.asnumpy().dtype == np.float16
    assert np.abs(out.asnumpy() - expected).max() < 5e-3
