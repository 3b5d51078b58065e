import numpy as np
import pytest
from mindspore import Tensor, grad

from rvrt.config.network import MODEL_PRESETS, Execution, RVRTConfig
from rvrt.models import deform_attention as da
from rvrt.models.flow_warp import bordered
from rvrt.models.sampled_attention import SampledAttention
from tests.oracles import rvrt_sampling
from tests.rvrt.conftest import from_rows, to_rows

RNG = np.random.RandomState(3)


def attend(batch, dim, h, w, heads, groups, window):
    """The operator as a function of rows of q, k, v and official offsets."""
    half, taps = groups // 2, window[0] * window[1]
    cell = SampledAttention(dim, heads, half, 2 * taps)
    config = RVRTConfig(
        embed_dim=dim // 2,
        num_heads=(1, 1, 1),
        attention_heads=heads,
        deformable_groups=groups,
        attention_window=window,
    )
    module = da.GuidedDeformableAttention(config, Execution())
    order = da.plan_offset_rows(groups, taps)
    still, base = np.zeros((2 * batch * h * w, 2), np.float32), []
    for axis in (0, 1):
        place = np.concatenate([still, da.plan_pixel(batch, h, w, axis)], 1)
        base += [module.spread(Tensor(place), axis)]
    first = Tensor(da.plan_first_row(batch, h, w, half, taps))

    def run(q, k, v, offset):
        places = []
        for part in (0, 1):
            y, x = (offset[:, Tensor(order[part, axis])] + base[axis] for axis in (0, 1))
            places += [module.place(y, x, first, h, w)]
        k, v = (bordered(rows, (2 * batch, h, w), half) for rows in (k, v))
        return cell(q, k, v, w, *places[0], *places[1])

    return run


@pytest.mark.parametrize(
    ("dim", "heads", "groups", "window"),
    [
        (8, 2, 4, (3, 3)),
        (12, 6, 4, (3, 3)),
        (12, 2, 12, (1, 3)),
        (12, 2, 6, (3, 1)),
        (8, 1, 2, (3, 3)),
    ],
)
def test_operator_against_the_oracle(dim, heads, groups, window):
    batch, h, w = 1, 3, 4
    q = RNG.standard_normal((batch, 2, dim, h, w)).astype(np.float32)
    kv = RNG.standard_normal((batch, 2, 2 * dim, h, w)).astype(np.float32)
    channels = 2 * groups * window[0] * window[1] * 2
    offset = (2.5 * RNG.standard_normal((batch, 2, channels, h, w))).astype(np.float32)
    run = attend(batch, dim, h, w, heads, groups, window)
    out = run(to_rows(q), to_rows(kv[:, :, :dim]), to_rows(kv[:, :, dim:]), to_rows(offset))
    out = from_rows(out, (batch, 2, h, w))
    for b in range(batch):
        expected = rvrt_sampling.deformable_attention(q[b], kv[b], offset[b], heads, groups, window)
        assert np.abs(out[b] - expected).max() < 1e-5


def test_operator_golden_with_gradients(golden):
    """The reference gives q unscaled per (clip, frame) and the offsets of each."""
    data = golden("op_deform_attn")
    heads, groups, clip = data["heads_groups_clip"]
    n, _, dim, h, w = data["q"].shape
    batch = n // clip
    q = data["q"].reshape(batch, clip, dim, h, w)
    offset = data["offset"].reshape(batch, clip, -1, h, w)
    run = attend(batch, dim, h, w, int(heads), int(groups), (3, 3))
    inputs = [
        to_rows(q),
        to_rows(data["kv"][:, :, :dim]),
        to_rows(data["kv"][:, :, dim:]),
        to_rows(offset),
    ]
    out = from_rows(run(*inputs), (batch, 2, h, w)).reshape(data["out"].shape)
    assert np.abs(out - data["out"]).max() < 1e-5
    seed = to_rows(data["grad_out"].reshape(batch, clip, dim, h, w))
    grads = grad(lambda *x: (run(*x) * seed).sum(), (0, 1, 2, 3))(*inputs)
    grads = [from_rows(g, (batch, 2, h, w)) for g in grads]
    kv = np.concatenate(grads[1:3], 2)
    assert np.abs(grads[0].reshape(data["q"].shape) - data["grad_q"]).max() < 1e-5
    assert np.abs(kv - data["grad_kv"]).max() < 1e-5
    assert np.abs(grads[3].reshape(data["offset"].shape) - data["grad_offset"]).max() < 1e-5


@pytest.mark.parametrize("chunk_mb", [256, 1])
def test_module_golden(golden, load, chunk_mb):
    data = golden("gda")
    config = MODEL_PRESETS["rvrt-debug"]
    how = Execution(chunk_mb=chunk_mb)
    cell = load(da.GuidedDeformableAttention(config, how), "deform_align.backward_1.")
    names = ("q", "k", "v", "v_prop_warped1", "v_prop_warped2", "flow1", "flow2")
    out, flows = cell(*(to_rows(data[name]) for name in names), (2, 7, 9))
    assert np.abs(from_rows(out, (2, 2, 7, 9)) - data["out"]).max() < 1e-5
    for flow, name in zip(flows, ("updflow1", "updflow2"), strict=True):
        assert np.abs(from_rows(flow, (2, 2, 7, 9)) - data[name]).max() < 1e-5


def test_tanh_over_the_whole_range():
    x = np.linspace(-30, 30, 60001).astype(np.float32)
    assert np.abs(da.tanh(Tensor(x)).asnumpy() - np.tanh(x.astype(np.float64))).max() < 2e-6


def test_a_size_beyond_the_index_is_refused():
    da.check_size(1, 540, 960, 12)
    with pytest.raises(ValueError, match="tiles"):
        da.check_size(1, 1080, 1920, 12)
