"""Networks by a card's own operators compute what they compute by tables of rows."""

import dataclasses

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from rvrt.config.network import RECOMPUTABLE, Execution, RVRTConfig, RVRTLightConfig
from rvrt.models import build_network, flow_warp, grids
from rvrt.models.skeleton import join_clips, split_clips
from rvrt.runtime import device
from tests.rvrt.conftest import randomise

# Small, for the time; the debug presets are held by the goldens, natively too.
TINY = {"embed_dim": 8, "window_size": (2, 4, 4), "num_heads": (2, 2, 2), "upsample_dim": 4}
TINY |= {"num_blocks": (1, 1, 1), "depths": (1, 2, 1), "attention_heads": 4}
ODD = RVRTConfig(
    embed_dim=12,
    window_size=(2, 3, 5),
    num_blocks=(1, 1, 1),
    depths=(1, 1, 1),
    num_heads=(3, 2, 1),
    attention_heads=4,
    attention_window=(1, 3),
    deformable_groups=6,
    upsample_dim=8,
    upscale=2,
)
SHAPES = {
    "rvrt": (RVRTConfig(**TINY, deformable_groups=4), (1, 6, 3, 33, 36)),
    "light": (RVRTLightConfig(**TINY), (2, 4, 3, 9, 12)),
    "odd rvrt": (ODD, (2, 4, 3, 35, 33)),
    "odd light": (
        RVRTLightConfig(embed_dim=8, num_heads=(1, 2, 4), attention_heads=2, upsample_dim=4),
        (1, 6, 3, 11, 7),
    ),
}


def frames(shape, seed=0):
    """Smooth moving pictures, as noise would make every sample as different as can be."""
    rng = np.random.default_rng(seed)
    batch, count, channels, h, w = shape
    t, y, x = np.meshgrid(np.arange(count), np.arange(h), np.arange(w), indexing="ij")
    waves = rng.uniform(-0.4, 0.4, (batch, channels, 4, 3)), rng.uniform(0, 6, (batch, channels, 4))
    phase = np.einsum("bcki,ithw->bckthw", waves[0], np.stack([t, y, x]))
    picture = np.sin(phase + waves[1][..., None, None, None]).mean(2)
    return Tensor((0.5 + 0.4 * picture).transpose(0, 2, 1, 3, 4).astype(np.float32))


def both(config, **how):
    """The network by rows and natively, of the same weights, which damp noise as trained ones."""
    rows = randomise(build_network(config, Execution(**how)), scale=0.1)
    for parameter in rows.get_parameters():
        if len(parameter.shape) > 1:
            parameter.set_data(parameter * 0.8)
    native = build_network(config, Execution(native=True, **how))
    for ours, theirs in zip(native.get_parameters(), rows.get_parameters(), strict=True):
        assert ours.name == theirs.name
        ours.set_data(theirs.value())
    return rows, native


@pytest.mark.parametrize("name", SHAPES)
def test_same_pictures(name):
    config, shape = SHAPES[name]
    rows, native = both(config, chunk_mb=1)
    x = frames(shape)
    assert np.abs(rows(x).asnumpy() - native(x).asnumpy()).max() < 5e-6


def card():
    """How a card trains, operator by operator here."""
    how = device.execution("GPU", training=True)
    assert how.native and how.whole_graph and how.recompute == RECOMPUTABLE
    return dataclasses.replace(how, whole_graph=False)


@pytest.mark.parametrize("name", ["rvrt", "odd light"])
def test_same_gradients(name):
    """By rows, natively, and natively with everything recomputed, as a card trains."""
    config, shape = SHAPES[name]
    x = frames((shape[0], 4, *shape[2:]))
    networks = [*both(config), build_network(config, card())]
    ms.load_param_into_net(networks[2], networks[0].parameters_dict())
    networks[2].set_train(True)
    gradients = []
    for network in networks:
        weights = network.trainable_params()
        loss = lambda x, net=network: ops.square(net(x)).mean()  # noqa: E731
        gradients += [ms.grad(loss, None, weights)(x)]
    names = [p.name for p in weights]
    norm = np.sqrt(sum((g.asnumpy() ** 2).sum() for g in gradients[0]))
    for name, rows, *others in zip(names, *gradients, strict=True):
        for other in others:
            assert np.abs(rows.asnumpy() - other.asnumpy()).max() < 1e-5 * norm, name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rvrt", "light"])
def test_gradients_of_one_graph_are_the_same(name):
    """Compiled whole with everything recomputed, as a card trains."""
    config, shape = SHAPES[name]
    x = frames((shape[0], 4, *shape[2:]))
    _, one = both(config)
    other = build_network(config, device.execution("GPU", training=True))
    ms.load_param_into_net(other, one.parameters_dict())
    other.set_train(True)
    device.allow_deep_graphs()

    def gradients_of(network):
        def loss(x):
            return ops.square(network(x)).mean()

        return ms.grad(loss, None, network.trainable_params())

    by_graph, weights = gradients_of(other), other.trainable_params()

    @ms.jit
    def graph(x):
        return by_graph(x)

    gradients = [gradients_of(one)(x), graph(x)]
    norm = np.sqrt(sum((g.asnumpy() ** 2).sum() for g in gradients[0]))
    for parameter, plain, whole in zip(weights, *gradients, strict=True):
        difference = np.abs(plain.asnumpy() - whole.asnumpy()).max()
        assert difference < 5e-6 * norm, parameter.name


def test_half_precision_stays_near():
    config, shape = SHAPES["odd light"]  # a CPU's convolutions in float16 are slow
    _, native = both(config)
    _, half = both(config, dtype="float16")
    x = frames(shape)
    assert np.abs(native(x).asnumpy() - half(x).asnumpy()).max() < 2e-2


def test_told_that_frames_are_mirrored():
    config, shape = SHAPES["rvrt"]
    _, native = both(config)
    half = frames(shape)
    x = ops.cat((half, ops.flip(half, (1,))), 1)
    told, untold = native(x, None, True), native(x, None, False)
    assert np.abs(told.asnumpy() - untold.asnumpy()).max() < 5e-6


@pytest.mark.parametrize("border", [False, True])
def test_warps_agree(border):
    rng = np.random.default_rng(1)
    n, h, w = 2, 6, 9
    x = Tensor(rng.standard_normal((n * h * w, 5)).astype(np.float32))
    flow = Tensor((4 * rng.standard_normal((n * h * w, 2))).astype(np.float32))
    rows = flow_warp.warp(x, flow, (n, h, w), border).asnumpy()
    assert np.abs(rows - grids.warp(x, flow, (n, h, w), border).asnumpy()).max() < 5e-6


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(12, 20), (5, 31), (6, 9), (1, 1)])
def test_resizes_agree(size, align_corners):
    x = Tensor(np.random.default_rng(2).standard_normal((3, 6, 9)).astype(np.float32))
    rows = flow_warp.resize(x, *size, align_corners).asnumpy()
    native = grids.resize(x, *size, align_corners).asnumpy()
    assert np.abs(rows - native).max() < 2e-6


def test_clips_split_and_joined():
    x = Tensor(np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(24, 5))
    clips = split_clips(x, 2, 3)
    assert [tuple(clip.shape) for clip in clips] == [(8, 5)] * 3
    assert (clips[1].asnumpy()[:4] == x.asnumpy()[4:8]).all()
    assert (join_clips(clips, 2).asnumpy() == x.asnumpy()).all()
