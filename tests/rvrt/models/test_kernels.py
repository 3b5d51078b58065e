"""The compiled part computes what MindSpore's operators do, with every instruction set."""

import math
from functools import lru_cache

import mindspore as ms
import numpy as np
import pytest
from click.testing import CliRunner
from mindspore import Tensor, ops

from rvrt.cli.restore import main as restore
from rvrt.config.network import Execution, RVRTConfig
from rvrt.errors import ConfigError
from rvrt.models import build_network, flow_warp
from rvrt.models.compiled_attention import CompiledDeformableAttention
from rvrt.models.deform_attention import GuidedDeformableAttention
from rvrt.models.kernels import backends, calls
from rvrt.models.rstb import SwinLayer
from rvrt.runtime import device
from tests.rvrt.conftest import randomise
from tests.rvrt.models.test_native import SHAPES, frames

pytestmark = pytest.mark.skipif(
    not backends.AVAILABLE, reason=f"no compiled part: {backends.REASON}"
)
RNG = np.random.default_rng(3)
SETS = backends._kernels.instruction_sets() if backends.AVAILABLE else []


@pytest.fixture(params=SETS)
def instructions(request):
    """Each instruction set of this processor in turn."""
    backends._kernels.use_instruction_set(request.param)
    yield request.param
    backends._kernels.use_instruction_set(backends.instruction_set())


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@lru_cache
def by_operators(name):
    """A network of random weights that damp noise as trained ones, its input and output."""
    config, shape = SHAPES[name]
    network = randomise(build_network(config), scale=0.1)
    for parameter in network.get_parameters():
        if len(parameter.shape) > 1:
            parameter.set_data(parameter * 0.8)
    x = frames(shape)
    return network, x, network(x).asnumpy()


def by_kernels(name, **how):
    network = build_network(SHAPES[name][0], Execution(kernels=True, **how))
    ms.load_param_into_net(network, by_operators(name)[0].parameters_dict())
    return network


# Quickly RVRT is held by test_networks, with the best instruction set.
SLOWLY = [pytest.param(n, marks=pytest.mark.slow) for n in ("odd rvrt", "rvrt", "light")]


@pytest.mark.parametrize("name", ["odd light", *SLOWLY])
def test_same_pictures(name, instructions):
    _, x, expected = by_operators(name)
    assert np.abs(by_kernels(name)(x).asnumpy() - expected).max() < 5e-6


@pytest.mark.parametrize(
    ("name", "recompute"),
    [
        ("odd light", ("all",)),
        pytest.param("odd rvrt", (), marks=pytest.mark.slow),
        pytest.param("odd rvrt", ("all",), marks=pytest.mark.slow),
    ],
)
def test_same_gradients(name, recompute):
    """Where gradients are wanted operators do the work; only what is recomputed is compiled."""
    x = by_operators(name)[1][:1, :4]
    gradients = []
    for network in (by_operators(name)[0], by_kernels(name, recompute=recompute)):
        weights = network.trainable_params()
        loss = lambda x, net=network: ops.square(net(x)).mean()  # noqa: E731
        gradients.append([g.asnumpy() for g in ms.grad(loss, None, weights)(x)])
    norm = np.sqrt(sum((g**2).sum() for g in gradients[0]))
    assert norm > 0
    for parameter, ours, theirs in zip(weights, *gradients, strict=True):
        assert np.abs(ours - theirs).max() < 1e-5 * norm, parameter.name


def test_new_weights_count_at_once():
    network = by_kernels("odd light")
    x = by_operators("odd light")[1]
    before = network(x).asnumpy()
    for parameter in network.get_parameters():
        parameter.set_data(parameter * 1.1)
    assert np.abs(network(x).asnumpy() - before).max() > 1e-3


def test_threads_change_no_bit(monkeypatch):
    x = by_operators("odd light")[1]
    results = []
    for count in (1, 3):
        monkeypatch.setattr(calls, "threads", lambda count=count: count)
        results.append(by_kernels("odd light")(x).asnumpy())
    assert (results[0] == results[1]).all()


def convolved(x, weight, bias, shape):
    """A sum over taps of products, in float64."""
    n, h, w = shape
    kh, kw = weight.shape[2:]
    grid = x.astype(float).reshape(n, h, w, -1)
    grid = np.pad(grid, ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0)))
    out = np.zeros((n, h, w, len(weight))) + bias
    for y in range(kh):
        for z in range(kw):
            out += grid[:, y : y + h, z : z + w] @ weight[:, :, y, z].T.astype(float)
    return out.reshape(n * h * w, -1)


@pytest.mark.parametrize("outputs", [1, 3, 24, 50])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (1, 5), (7, 7)])
def test_convolution_of_maps_side_by_side(outputs, kernel, instructions):
    shape, widths = (2, 5, 11), (5, 1, 17)
    maps = [normal(110, width) for width in widths]
    weight, bias = normal(outputs, sum(widths), *kernel), normal(outputs)
    out = calls.product(maps, weight, bias, shape)
    expected = convolved(np.concatenate(maps, 1), weight, bias, shape)
    assert np.abs(out - expected).max() < 1e-5 * math.sqrt(weight[0].size)


def test_what_follows_a_product(instructions):
    x, weight, bias = normal(101, 20), normal(36, 20), normal(36)
    gamma, beta, residual = normal(36), normal(36), normal(101, 36)
    after = calls.After(calls.LEAKY, 0.1, (gamma, beta, 1e-5), residual)
    raw = x.astype(float) @ weight.T + bias
    raw = np.where(raw > 0, raw, 0.1 * raw)
    centred = raw - raw.mean(1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * gamma + beta
    out = calls.product([x], weight, bias, after=after)
    assert np.abs(out - scaled - residual).max() < 1e-5


def test_activations_over_the_whole_range(instructions):
    x = np.linspace(-12, 12, 20000, dtype=np.float32).reshape(-1, 20)
    one, none = np.eye(20, dtype=np.float32), np.zeros(20, np.float32)
    wide = x.astype(float)
    erf = np.vectorize(math.erf)(wide / math.sqrt(2))
    tanh = np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3))
    for kind, expected in ((calls.GELU_ERF, erf), (calls.GELU_TANH, tanh)):
        out = calls.product([x], one, none, after=calls.After(kind))
        assert np.abs(out - wide * 0.5 * (1 + expected)).max() < 2e-6
    far = calls.product([x * 1e30], one, none, after=calls.After(calls.GELU_TANH))
    assert np.abs(far[x < 0]).max() < 1e-6 and np.isfinite(far).all()


@pytest.mark.parametrize("edge", [False, True])
def test_warp(edge, instructions):
    n, h, w = 2, 6, 9
    x, flow = normal(n * h * w, 21), 4 * normal(n * h * w, 2)
    flow[:5] = [[-1, 0], [-1e9, 0], [1e9, 1e9], [0, -1], [h, w]]
    expected = flow_warp.warp(Tensor(x), Tensor(flow), (n, h, w), edge).asnumpy()
    out = calls.warp(x, flow, range(n), (n, h, w), edge)
    assert np.abs(out - expected).max() < 5e-6


def test_far_and_missing_positions_read_nothing_else(instructions):
    """Such flows come from weights gone wrong; whatever they give, it is no other memory."""
    flow = np.full((12, 2), np.nan, np.float32)
    flow[6:] = np.inf
    out = calls.warp(np.ones((12, 3), np.float32), flow, [0], (1, 3, 4))
    assert (out == 0).all()


def test_what_does_not_fit_is_refused():
    x, weight, bias = normal(12, 4), normal(8, 4, 3, 3), normal(8)
    with pytest.raises(ValueError, match="maps"):
        calls.product([x], weight, bias, (1, 3, 5))
    with pytest.raises(ValueError, match="maps"):
        calls.product([x, x], weight, bias, (1, 3, 4))
    with pytest.raises(ValueError, match="float64"):
        calls.product([x.astype(float)], weight, bias, (1, 3, 4))
    with pytest.raises(ValueError, match="an array of"):
        calls.product([x], weight, bias[:4], (1, 3, 4))
    with pytest.raises(ValueError, match="frames"):
        calls.warp(x, normal(12, 2), [1], (1, 3, 4))


def test_who_does_the_work(monkeypatch):
    how = device.execution("CPU")
    assert how.kernels and not device.execution("CPU", dtype="float16").kernels
    build = lambda: build_network(SHAPES["odd light"][0], how).execution.kernels  # noqa: E731
    monkeypatch.setenv(backends.VARIABLE, "compiled")
    assert build()
    shown = CliRunner().invoke(restore, ["--version"], prog_name="rvrt-restore").output
    assert shown.startswith("rvrt-restore, version") and "compiled (" in shown
    monkeypatch.setenv(backends.VARIABLE, "mindspore")
    assert not build()
    assert "MindSpore" in CliRunner().invoke(restore, ["--version"]).output
    monkeypatch.setenv(backends.VARIABLE, "fast")
    with pytest.raises(ConfigError, match="allowed are compiled and mindspore"):
        build()
    refused = CliRunner().invoke(restore, ["--version"])
    assert refused.exit_code == 1 and "allowed are" in refused.output
    monkeypatch.delenv(backends.VARIABLE)
    monkeypatch.setattr(backends, "AVAILABLE", False)
    assert not build()
    monkeypatch.setenv(backends.VARIABLE, "compiled")
    with pytest.raises(ConfigError, match="C compiler"):
        build()


def test_no_graph_and_no_half_precision_with_kernels():
    for how in ({"dtype": "float16"}, {"native": True}, {"whole_graph": True}):
        with pytest.raises(ConfigError, match="kernels"):
            Execution(kernels=True, **how)


@pytest.mark.parametrize("kernel", [(3, 3), (1, 5), (7, 7)])
def test_gradients_of_a_convolution(kernel, instructions):
    """Sums over pixels, tap by tap, in float64."""
    n, h, w, inputs, outputs = 2, 5, 11, 19, 103
    kh, kw = kernel
    x, weight, grad = normal(n * h * w, inputs), normal(outputs, inputs, *kernel), normal(110, 103)
    x_grad, weight_grad = calls.convolution_gradients(x, weight, grad, (n, h, w))
    border = ((0, 0), (kh // 2, kh // 2), (kw // 2, kw // 2), (0, 0))
    padded = np.pad(x.astype(float).reshape(n, h, w, inputs), border)
    rows, taps = np.zeros_like(padded), np.zeros(weight.shape)
    for y in range(kh):
        for z in range(kw):
            part = slice(None), slice(y, y + h), slice(z, z + w)
            tap = padded[part].reshape(-1, inputs)
            taps[:, :, y, z] = grad.T.astype(float) @ tap
            rows[part] += (grad.astype(float) @ weight[:, :, y, z]).reshape(n, h, w, inputs)
    inside = rows[:, kh // 2 : kh // 2 + h, kw // 2 : kw // 2 + w].reshape(-1, inputs)
    assert np.abs(weight_grad - taps).max() < 3e-6 * np.abs(taps).max()
    assert np.abs(x_grad - inside).max() < 3e-6 * np.abs(inside).max()


@pytest.mark.parametrize("gelu", ["erf", "tanh"])
@pytest.mark.parametrize("size", [(2, 8, 12), (2, 9, 7), (2, 3, 2)])
def test_gradients_of_a_swin_layer(size, gelu, instructions):
    """Windows that fit, that are padded and that shrink, against MindSpore's operators."""
    config = RVRTConfig(embed_dim=12, num_heads=(3, 3, 3), attention_heads=4, gelu=gelu)
    window, batch = (2, 4, 4), 2
    layers = [SwinLayer(config, window, 3, True, Execution(kernels=k)) for k in (False, True)]
    randomise(layers[0], seed=1)
    ms.load_param_into_net(layers[1], layers[0].parameters_dict())
    x, pull = (Tensor(normal(batch * math.prod(size), 12)) for _ in range(2))
    results = []
    for layer in layers:
        out = lambda x, layer=layer: (layer(x, (batch, *size)) * pull).sum()  # noqa: E731
        of_x, of_weights = ms.grad(out, 0, layer.trainable_params())(x)
        results.append([layer(x, (batch, *size)), of_x, *of_weights])
    names = ["output", "x", *(p.name for p in layers[0].trainable_params())]
    for name, expected, got in zip(names, *results, strict=True):
        wrong = np.abs(expected.asnumpy() - got.asnumpy()).max()
        assert wrong < 5e-6 * max(1, np.abs(expected.asnumpy()).max()), name


@pytest.mark.parametrize(("heads", "groups"), [(4, 6), (6, 4), (12, 12)])
def test_gradients_of_deformable_attention(heads, groups, instructions):
    """Heads within groups, groups within heads, and neither; against MindSpore's operators."""
    config = RVRTConfig(
        embed_dim=12, attention_heads=heads, deformable_groups=groups, offset_dim=8, max_offset=3.0
    )
    shape, rows = (2, 5, 6), 120
    plain = GuidedDeformableAttention(config, Execution())
    ours = CompiledDeformableAttention(config, Execution(kernels=True))
    randomise(plain, seed=2)
    ms.load_param_into_net(ours, plain.parameters_dict())
    q, k, v = (Tensor(normal(rows, 12)) for _ in range(3))
    flows = [Tensor(2 * normal(rows, 2)) for _ in range(2)]
    pulls = [Tensor(normal(rows, width)) for width in (12, 2, 2)]

    def by_rows(q, k, v, *flows):
        warped = flow_warp.warp_clip(v, *flows, (4, 5, 6))
        return plain(q, k, v, *warped, *flows, shape)

    def of(call, weights):
        def pulled(*inputs):
            out, improved = call(*inputs)
            parts = zip((out, *improved), pulls, strict=True)
            return sum((x * pull).sum() for x, pull in parts)

        inputs, parameters = ms.grad(pulled, (0, 1, 2, 3, 4), weights)(q, k, v, *flows)
        return [*inputs, *parameters]

    expected = of(by_rows, plain.trainable_params())
    got = of(lambda *x: ours(*x, shape), ours.trainable_params())
    names = ["q", "k", "v", "same", "other", *(p.name for p in plain.trainable_params())]
    for name, ref, ours_ in zip(names, expected, got, strict=True):
        wrong = np.abs(ref.asnumpy() - ours_.asnumpy()).max()
        assert wrong < 2e-5 * max(1, np.abs(ref.asnumpy()).max()), name
