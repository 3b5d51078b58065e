"""The whole networks: goldens, properties, and ways of running them."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, ops

from rvrt.config.network import MODEL_PRESETS, RECOMPUTABLE, Execution, RVRTConfig, RVRTLightConfig
from rvrt.models import build_network
from rvrt.runtime import device
from rvrt.training.adam import Adam
from tests.rvrt.conftest import official, randomise

PRESETS = ("rvrt-debug", "rvrt-light-debug")
RNG = np.random.RandomState(5)


def clip(frames, h, w, batch=1):
    return Tensor(RNG.random_sample((batch, frames, 3, h, w)).astype(np.float32))


@pytest.fixture(scope="module")
def models():
    return {name: randomise(build_network(MODEL_PRESETS[name])) for name in PRESETS}


@pytest.mark.parametrize(
    ("preset", "file"),
    [
        ("rvrt-debug", "model_plain"),
        ("rvrt-debug", "model_mirror"),
        ("rvrt-light-debug", "model_light"),
    ],
)
@pytest.mark.parametrize("how", [{}, {"native": True}, {"kernels": True}])
def test_output_golden(golden, debug_model, preset, file, how):
    data = golden(file)
    x = Tensor(data["input"].astype(np.float32) / np.float32(255))
    out = debug_model(preset, **how)(x).asnumpy()
    assert np.abs(out[..., ::5, ::5] - data["output_s5"]).max() < 5e-6
    assert np.abs(out[0, 2] - data["output_frame2"]).max() < 5e-6


def test_inner_features_golden(golden, debug_model):
    """The branches, wherever the reference kept some of their values."""
    data = golden("model_plain")
    x = Tensor(data["input"].astype(np.float32) / np.float32(255))
    model = debug_model("rvrt-debug")
    kept = []
    model.reconstruction.register_forward_pre_hook(
        lambda cell, inputs: kept.append(ops.cat(inputs[0], 1).asnumpy())
    )
    model(x)
    maps = np.stack(kept).reshape(6, 34, 38, 5, 24).transpose(3, 0, 4, 1, 2)
    names = ("shallow_s4", "backward_1_s3", "forward_1_s4", "backward_2_s4", "forward_2_s4")
    for name, feature in zip(names, maps, strict=True):
        step = int(name[-1])
        assert np.abs(feature[None, ..., ::step, ::step] - data[name]).max() < 5e-5, name


@pytest.mark.parametrize(
    "how",
    [
        {"compile_blocks": True},
        {"recompute": ("all",)},
        {"chunk_mb": 1},
        {"native": True},
        {"kernels": True},
    ],
)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_way_of_running_gives_the_same(models, preset, how):
    x = clip(4, 34, 37)
    other = build_network(MODEL_PRESETS[preset], Execution(**how))
    ms.load_param_into_net(other, models[preset].parameters_dict())
    assert np.abs(other(x).asnumpy() - models[preset](x).asnumpy()).max() < 5e-6


@pytest.mark.parametrize("preset", [pytest.param(PRESETS[0], marks=pytest.mark.slow), *PRESETS[1:]])
def test_half_precision_is_close_and_gives_float32(models, preset):
    x = clip(4, 34, 37)
    half = build_network(MODEL_PRESETS[preset], Execution(dtype="float16"))
    ms.load_param_into_net(half, models[preset].parameters_dict())
    for hold in (lambda: None, half.hold_weights):  # as it is trained, and as it restores
        hold()
        out = half(x)
        assert out.dtype == ms.float32
        difference = np.abs(out.asnumpy() - models[preset](x).asnumpy())
        assert 0 < difference.mean() < 5e-3


@pytest.mark.parametrize("preset", PRESETS)
def test_the_result_does_not_depend_on_what_came_before(models, preset):
    model, x = models[preset], clip(4, 33, 35)
    before = model(x).asnumpy()
    mirrored = Tensor(np.concatenate([x.asnumpy(), x.asnumpy()[:, ::-1]], 1))
    model(mirrored)
    model(clip(2, 40, 33, batch=2))
    assert np.array_equal(model(x).asnumpy(), before)


def test_mirrored_input_is_nothing_special(models):
    model, half = models["rvrt-debug"], clip(2, 33, 34).asnumpy()
    x = Tensor(np.concatenate([half, half[:, ::-1]], 1))
    plain = build_network(MODEL_PRESETS["rvrt-debug"], Execution(whole_graph=True))
    ms.load_param_into_net(plain, model.parameters_dict())
    assert np.abs(model(x).asnumpy() - plain(x).asnumpy()).max() < 5e-6


@pytest.mark.parametrize("preset", PRESETS)
def test_a_batch_is_its_members(models, preset):
    x = clip(4, 35, 34, batch=2)
    both = models[preset](x).asnumpy()
    for n in range(2):
        one = models[preset](x[n : n + 1]).asnumpy()
        assert np.abs(both[n : n + 1] - one).max() < 5e-6


@pytest.mark.parametrize(
    ("preset", "shape"),
    [
        ("rvrt-debug", (1, 2, 3, 33, 33)),
        ("rvrt-light-debug", (1, 2, 3, 1, 1)),
        ("rvrt-light-debug", (2, 4, 3, 3, 9)),
    ],
)
def test_smallest_sizes(models, preset, shape):
    out = models[preset](clip(shape[1], *shape[3:], batch=shape[0]))
    assert out.shape == (*shape[:3], 4 * shape[3], 4 * shape[4])
    assert np.isfinite(out.asnumpy()).all()


@pytest.mark.parametrize(
    ("preset", "shape", "message"),
    [
        ("rvrt-debug", (1, 3, 3, 40, 40), "even"),
        ("rvrt-light-debug", (1, 1, 3, 40, 40), "even"),
        ("rvrt-debug", (1, 2, 3, 32, 40), "33 pixels or more"),
        ("rvrt-debug", (1, 2, 4, 40, 40), r"\(batch, frames, 3, height, width\)"),
        ("rvrt-debug", (2, 3, 40, 40), r"\(batch, frames, 3, height, width\)"),
        ("rvrt-light-debug", (0, 2, 3, 4, 4), r"\(batch, frames, 3, height, width\)"),
    ],
)
def test_a_shape_out_of_range_is_a_value_error(models, preset, shape, message):
    if 0 in shape:
        from rvrt.models.skeleton import check_input

        class Empty:
            dtype = ms.float32

        Empty.shape = shape
        with pytest.raises(ValueError, match=message):
            check_input(Empty, RVRTLightConfig())
        return
    with pytest.raises(ValueError, match=message):
        models[preset](ops.zeros(shape))


def test_a_dtype_out_of_range_is_a_value_error(models):
    with pytest.raises(ValueError, match="takes float32"):
        models["rvrt-light-debug"](ops.zeros((1, 2, 3, 8, 8), ms.float16))


OTHERS = [
    RVRTConfig(
        embed_dim=12,
        window_size=(2, 3, 5),
        num_blocks=(2, 1, 1),
        depths=(1, 3, 2),
        num_heads=(3, 2, 6),
        mlp_ratio=3,
        attention_heads=2,
        deformable_groups=12,
        upscale=2,
        upsample_dim=8,
        gelu="tanh",
        layer_norm_eps=1e-7,
    ),
    pytest.param(
        RVRTConfig(
            embed_dim=8,
            num_heads=(2, 2, 2),
            attention_heads=1,
            deformable_groups=4,
            relative_position=False,
            attention_window=(1, 3),
            offset_dim=6,
        ),
        marks=pytest.mark.slow,
    ),
    RVRTLightConfig(embed_dim=8, num_heads=(1, 2, 4), attention_heads=2, upscale=8),
]


@pytest.mark.parametrize("config", OTHERS)
def test_other_configs_run_and_every_parameter_gets_a_gradient(config):
    model = randomise(build_network(config, Execution(recompute=("all",))))
    parameters = model.trainable_params()
    x = clip(4, 33, 36, batch=2)
    scale = config.upscale
    target = clip(4, 33 * scale, 36 * scale, batch=2)

    def loss(lq, gt):
        return ops.sqrt((model(lq) - gt) ** 2 + 1e-9).mean()

    value, gradients = ms.value_and_grad(loss, None, parameters)(x, target)
    assert np.isfinite(value.asnumpy())
    zero = [
        p.name
        for p, g in zip(parameters, gradients, strict=True)
        if not np.abs(g.asnumpy()).max() > 0
    ]
    # a key's bias moves all scores of a softmax alike: no gradient but rounding
    assert not [name for name in zero if "proj_k.1.bias" not in name]


SMALL = {
    "embed_dim": 8,
    "window_size": (2, 4, 4),
    "num_heads": (2, 2, 2),
    "attention_heads": 2,
    "num_blocks": (1, 1, 1),
    "upsample_dim": 8,
}
SMALL_CONFIGS = [RVRTConfig(**SMALL, deformable_groups=4), RVRTLightConfig(**SMALL)]


def gradients(config, execution, scale=1.0):
    """Gradients of fixed weights by name, of the loss times `scale`."""
    model = randomise(build_network(config, execution))
    parameters = model.trainable_params()
    names = [p.name for p in parameters]
    rng = np.random.RandomState(3)
    x, target = (
        Tensor(rng.random_sample((1, 4, 3, *size)).astype(np.float32))
        for size in ((33, 34), (132, 136))
    )

    def loss(lq, gt):
        return ops.sqrt((model(lq) - gt) ** 2 + 1e-9).mean() * scale

    _, found = ms.value_and_grad(loss, None, parameters)(x, target)
    assert [p.name for p in model.trainable_params()] == names
    return {n: g.asnumpy() / scale for n, g in zip(names, found, strict=True)}


def check_same(found, expected, tolerance):
    for name, value in expected.items():
        scale = max(np.abs(value).max(), 1e-6)
        assert np.abs(found[name] - value).max() < tolerance * scale, name


@pytest.mark.parametrize(
    ("config", "choices"),
    [(SMALL_CONFIGS[0], ["all"]), (SMALL_CONFIGS[1], RECOMPUTABLE)],
    ids=("rvrt", "light"),
)
def test_recomputed_parts_give_the_same_gradients(config, choices):
    expected = gradients(config, Execution())
    for part in choices:
        check_same(gradients(config, Execution(recompute=(part,))), expected, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("config", SMALL_CONFIGS, ids=("rvrt", "light"))
def test_compiled_blocks_and_recomputation_go_together(config):
    how = Execution(compile_blocks=True, recompute=RECOMPUTABLE)
    # compiled kernels round otherwise, and a gradient is a sum that nearly cancels
    check_same(gradients(config, how), gradients(config, Execution()), 1e-3)


@pytest.mark.parametrize("config", SMALL_CONFIGS, ids=("rvrt", "light"))
def test_half_precision_gradients_are_finite_and_close(config):
    """A value is rounded by up to 5e-4 at each of some tens of steps on its way.

    All gradients together are then a few 1e-3 off (found: 2e-3); single ones, among which SpyNet's
    depend on differences of neighbouring features, up to some percent (found: 4e-2).
    """
    exact = gradients(config, Execution())
    half = gradients(config, Execution(dtype="float16"), scale=1024.0)
    for name, value in exact.items():
        assert np.isfinite(half[name]).all(), name
        assert np.linalg.norm(half[name] - value) < 0.1 * np.linalg.norm(value), name
    everything = [np.concatenate([g[name].ravel() for name in exact]) for g in (half, exact)]
    assert 0 < np.linalg.norm(everything[0] - everything[1]) < 5e-3 * np.linalg.norm(everything[1])


def test_half_precision_keeps_the_flows(models):
    """They are places, of which float16 has too few."""
    half = build_network(MODEL_PRESETS["rvrt-debug"], Execution(dtype="float16"))
    ms.load_param_into_net(half, models["rvrt-debug"].parameters_dict())
    half.hold_weights()
    x = clip(2, 33, 34)
    for flow, exact in zip(
        half.optical_flows(x), models["rvrt-debug"].optical_flows(x), strict=True
    ):
        assert np.array_equal(flow.asnumpy(), exact.asnumpy())


@pytest.mark.parametrize("preset", PRESETS)
def test_half_precision_keeps_the_enlarged_input(preset):
    """Without details the output is the bilinear enlargement, in float32 in both precisions."""
    outputs = []
    x = clip(2, 33, 34)
    for dtype in ("float16", "float32"):
        model = build_network(MODEL_PRESETS[preset], Execution(dtype=dtype))
        for parameter in model.conv_last.get_parameters():
            parameter.set_data(ops.zeros_like(parameter))
        outputs.append(model(x).asnumpy())
    assert np.array_equal(*outputs)


@pytest.mark.slow
def test_training_golden(golden, weights, debug_model):
    """Losses of four steps, gradient norms and gradients of the first."""
    data = golden("train_true")
    model = debug_model("rvrt-debug")
    x, target = Tensor(weights.video(1, 6, 34, 38)), Tensor(weights.video(2, 6, 136, 152))
    flow = [p for p in model.trainable_params() if p.name.startswith("spynet")]
    rest = [p for p in model.trainable_params() if not p.name.startswith("spynet")]
    of_flow, of_rest = (Adam(group, (0.9, 0.99), 1e-8) for group in (flow, rest))
    one = Tensor(1.0, ms.float32)

    def loss(lq, gt):
        difference = model(lq) - gt
        return ops.sqrt(difference * difference + 1e-9).mean()

    step = ms.value_and_grad(loss, None, flow + rest)
    for i, expected in enumerate(data["losses"]):
        value, gradients = step(x, target)
        assert abs(value.asnumpy() / expected - 1) < 1e-4
        if i == 0:
            check_gradients(data, flow + rest, gradients)
        if i < len(data["losses"]) - 1:
            of_flow(Tensor(1e-4, ms.float32), one, *gradients[: len(flow)])
            of_rest(Tensor(4e-4, ms.float32), one, *gradients[len(flow) :])


def check_gradients(data, parameters, gradients):
    found = {official(p.name): g.asnumpy() for p, g in zip(parameters, gradients, strict=True)}
    assert len(found) == 482
    for name, norm in zip(data["names"], data["grad_norms"], strict=True):
        assert abs(np.linalg.norm(found[name]) / norm - 1) < 1e-3, name
    for key, expected in data.items():
        if key.startswith("grad/"):
            scale = np.abs(expected).max()
            assert np.abs(found[key[5:]] - expected).max() < 1e-3 * scale, key


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_one_whole_graph_gives_the_same(models, preset):
    config = MODEL_PRESETS[preset]
    x = clip(4, 33, 34)
    whole = build_network(config, Execution(whole_graph=True))
    ms.load_param_into_net(whole, models[preset].parameters_dict())
    compiled = device.compiled(whole)
    assert np.abs(compiled(x).asnumpy() - models[preset](x).asnumpy()).max() < 5e-6
