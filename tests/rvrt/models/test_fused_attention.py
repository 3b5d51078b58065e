"""Windows by an operator of Ascend's, here a made-up one that takes what that one takes."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from rvrt.config.network import Execution
from rvrt.errors import ConfigError
from rvrt.models import build_network
from rvrt.models.fused_attention import require_agreement
from rvrt.models.window_attention import WindowAttention
from tests.rvrt.conftest import randomise
from tests.rvrt.models.test_native import SHAPES, frames


def fused(query, key, value, head_num, real_shift=None, input_layout="BSH", forget=False):
    """The operator's contract, from MindSpore 2.10's documentation of it, for windows."""
    windows, heads, tokens, channels = query.shape
    assert input_layout == "BNSD" and heads == head_num <= 256
    assert 1 <= windows <= 2048
    assert channels % 16 == 0 and channels <= 512
    assert query.shape == key.shape == value.shape
    q, k, v = (x.asnumpy() for x in (query, key, value))
    assert q.dtype == k.dtype == v.dtype == np.float16
    score = q.astype(np.float32) @ k.astype(np.float32).swapaxes(2, 3)
    if real_shift is not None and not forget:
        shift = real_shift.asnumpy()
        assert shift.dtype == np.float16
        assert shift.shape in [(n, heads, tokens, tokens) for n in (1, windows)]
        score = score + shift
    weight = np.exp(score - score.max(-1, keepdims=True))
    weight = weight / weight.sum(-1, keepdims=True)
    return Tensor((weight @ v.astype(np.float32)).astype(np.float16))


@pytest.fixture
def operator(monkeypatch):
    """Puts an operator where Ascend's is, with nothing known of an earlier one."""

    def put(run):
        require_agreement.cache_clear()
        monkeypatch.setattr(ops, "flash_attention_score", run)

    yield put
    require_agreement.cache_clear()


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(
    ("shape", "window", "heads"),
    [((1, 2, 8, 8), (2, 4, 4), 2), ((2, 2, 5, 11), (2, 4, 4), 1), ((1, 1, 92, 91), (1, 2, 2), 3)],
)
def test_as_the_plain_way(operator, shape, window, heads, shifted, relative):
    """Padded heads, padded maps, masks, more windows than one call takes."""
    operator(fused)
    cells = [
        randomise(WindowAttention(12, window, heads, shifted, relative, native=True, fused=how))
        for how in (False, True)
    ]
    rows = np.random.default_rng(0).standard_normal((np.prod(shape), 12))
    x = Tensor(rows.astype(np.float16))
    plain, ours = (cell(x, shape).asnumpy().astype(np.float64) for cell in cells)
    assert np.abs(plain - ours).max() < 4e-3 * np.abs(plain).max()


@pytest.mark.slow
def test_a_network_with_fused_windows(operator):
    operator(fused)
    config, shape = SHAPES["odd light"]
    x, how = frames((1, 4, *shape[2:])), Execution(native=True, dtype="float16")
    pictures = []
    for chosen in (how, Execution(native=True, dtype="float16", fused_windows=True)):
        network = randomise(build_network(config, chosen), scale=0.1)
        pictures += [network(x).asnumpy()]
    assert 0 < np.abs(pictures[0] - pictures[1]).max() < 1e-2


def test_an_operator_that_computes_something_else_is_refused(operator):
    config, _ = SHAPES["odd light"]
    how = Execution(native=True, dtype="float16", fused_windows=True)
    operator(lambda *given, **named: fused(*given, **named, forget=True))
    with pytest.raises(ConfigError, match=r"differs from the plain way by 0\.\d+.*--windows plain"):
        build_network(config, how)


def test_a_device_without_it_is_told():
    """The CPU's own MindSpore has none."""
    with pytest.raises(ConfigError, match=r"no fused attention of windows here.*--windows plain"):
        require_agreement()


@pytest.mark.slow
def test_mindspores_own_operator_takes_the_call(monkeypatch, tmp_path):
    """Its names, layout and heads are looked at while a graph is compiled; a kernel is all that a
    CPU lacks. Shapes of biases, dtypes and numbers of windows MindSpore leaves to the device."""
    monkeypatch.chdir(tmp_path)  # where MindSpore writes what it could not compile
    cell = WindowAttention(48, (2, 4, 4), 2, True, True, native=True, fused=True)

    @ms.jit
    def run(x):
        return cell(x, (1, 2, 10, 13))

    with pytest.raises(RuntimeError, match=r"Unsupported op \[FlashAttentionScore\] on CPU"):
        run(Tensor(np.zeros((260, 48), np.float16)))


def test_it_is_for_float16_on_a_card():
    for how in ({"native": True}, {"dtype": "float16"}):
        with pytest.raises(ConfigError, match="fused_windows: a card's operator"):
            Execution(fused_windows=True, **how)
