import dataclasses
import hashlib
import subprocess
import sys

import mindspore as ms
import numpy as np
import pytest

from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import CheckpointError
from rvrt.models import build_network
from rvrt.restoration.network import WindowedNetwork, open_network, preset_of, whole_flows
from rvrt.restoration.tiling import TilePlan, blend_tiles, restored_frames, split_axis
from rvrt.runtime import device
from rvrt.weights.checkpoint import Record, save_weights
from tests.rvrt.conftest import ROOT, randomise

HEIGHT, WIDTH, FRAMES = 40, 128, 4


def filled(preset):
    """A network whose every layer does something; fresh ones have offsets of zero."""
    network = build_network(MODEL_PRESETS[preset])
    rng = np.random.default_rng(0)
    for parameter in network.get_parameters():
        values = rng.standard_normal(parameter.shape) / np.sqrt(np.prod(parameter.shape[1:]))
        if parameter.name.endswith("gamma"):
            values = 1 + 0.1 * values
        elif len(parameter.shape) == 1:
            values = 0.05 * values
        parameter.set_data(ms.Tensor(values.astype(np.float32)))
    return network.set_train(False)


def gentle(preset):
    """A network with PyTorch's default weights, which answer little to what is far away."""
    ms.set_seed(0)
    network = build_network(MODEL_PRESETS[preset])
    for parameter in network.get_parameters():
        if parameter.name.startswith("conv_last."):
            parameter.set_data(parameter * 10)
        if len(parameter.shape) == 5:
            parameter.set_data(parameter * 6**-0.5)
    return network.set_train(False)


def moving_texture():
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    frames = [
        np.stack([np.sin((rows + k * t) / 3 + k) * np.cos((columns - t) / 4) for k in range(3)])
        for t in range(FRAMES)
    ]
    return (0.5 + 0.3 * np.stack(frames)).astype(np.float32)


@pytest.fixture(scope="module")
def plan():
    return TilePlan(((0, FRAMES),), ((0, HEIGHT),), split_axis(WIDTH, 96, 32, 32))


@pytest.mark.parametrize("preset", ["rvrt-debug", "rvrt-light-debug"])
def test_tiled_equals_untiled_away_from_the_seam(preset, plan):
    network = filled(preset)
    clip = moving_texture()
    run = WindowedNetwork(network)
    whole = run(clip, (0, HEIGHT), (0, WIDTH))
    total = np.zeros((FRAMES, 3, 4 * HEIGHT, 4 * WIDTH), np.float32)
    blend_tiles(run, clip, plan, 4, total, lambda: None)
    assert plan.columns == ((0, 96), (32, 128))
    error = np.abs(total - whole).max(axis=(0, 1, 2))
    assert np.abs(whole - whole.mean()).max() > 0.1
    assert error[: 4 * 40].max() < 1e-3
    assert error[4 * 88 :].max() < 1e-3


def test_no_seam_on_a_gradient():
    """Cut in space and time; those of `filled` tell any two clips apart."""
    network = gentle("rvrt-light-debug")
    frames, height, width = 8, 8, 96
    ramp = np.add.outer(np.arange(frames), np.add.outer(np.arange(height), np.arange(width)))
    clip = np.repeat(ramp[:, None] / ramp.max(), 3, axis=1).astype(np.float32)
    run = WindowedNetwork(network)
    whole = run(clip, (0, height), (0, width))
    plan = TilePlan(((0, 6), (2, 8)), ((0, height),), ((0, 64), (32, 96)))
    tiled = dict(
        restored_frames(run, lambda a, b: clip[a:b], plan, 4, range(frames), np.zeros, lambda: None)
    )
    error = np.stack([tiled[index] for index in range(frames)]) - whole
    assert np.abs(error).max() < 1e-3
    assert np.abs(np.diff(error, axis=-1)).max() < 1e-3
    assert np.abs(error[[0, -1]]).max() < 1e-5


def test_a_mirrored_clip_asks_for_flow_once():
    """Where frame i equals frame T-1-i the network turns the flows round by itself."""
    network = filled("rvrt-debug")
    half = moving_texture()[:2, :, :, :96]
    clip = np.concatenate([half, half[::-1]])
    whole = WindowedNetwork(network)(clip, (0, HEIGHT), (0, 96))
    window = WindowedNetwork(network)(clip, (0, HEIGHT), (0, 64))
    assert np.abs(window[..., : 4 * 16] - whole[..., : 4 * 16]).max() < 1e-3


def test_flows_of_the_whole_frame_are_spynets(plan):
    network = filled("rvrt-debug")
    clip = moving_texture()
    forward, backward = whole_flows(network, clip)
    assert backward.shape == forward.shape == (FRAMES - 1, HEIGHT, WIDTH, 2)
    direct = network.spynet(ms.Tensor(clip[1:2]), ms.Tensor(clip[2:3])).asnumpy()
    np.testing.assert_allclose(backward[1].reshape(-1, 2), direct, atol=1e-5)
    direct = network.spynet(ms.Tensor(clip[2:3]), ms.Tensor(clip[1:2])).asnumpy()
    np.testing.assert_allclose(forward[1].reshape(-1, 2), direct, atol=1e-5)


class GivesItsFlow:
    """Puts out the flow to the next frames that it was given, or its own: the mean brightness of
    all that it sees, as SpyNet's coarsest level does."""

    config = MODEL_PRESETS["rvrt-debug"]

    def __call__(self, frames, flows=None):
        _, backward = flows or self.optical_flows(frames)
        return backward.reshape(1, FRAMES - 1, -1, 2)

    def optical_flows(self, frames):
        _, count, _, height, width = frames.shape
        mean = frames.asnumpy()[0, : count - 1].mean(axis=(1, 2, 3))
        flow = ms.Tensor(np.repeat(mean, height * width * 2).reshape(-1, 2))
        return flow, flow


def test_frames_too_large_for_their_flow_get_the_flow_of_each_window():
    clip = np.random.default_rng(0).random((FRAMES, 3, 8, 12)).astype(np.float32)
    for pixels, seen in ((8 * 12, clip), (8 * 12 - 1, clip[:, :, :, 4:])):
        flows = WindowedNetwork(GivesItsFlow(), pixels)(clip, (0, 8), (4, 12))
        wanted = np.broadcast_to(seen[:-1].mean(axis=(1, 2, 3))[:, None, None], (3, 64, 2))
        np.testing.assert_allclose(flows, wanted, atol=1e-6)


def test_flows_given_are_those_that_the_network_would_find():
    network = filled("rvrt-debug")
    frames = ms.Tensor(moving_texture()[None])
    own = network(frames).asnumpy()
    forward, backward = network.optical_flows(frames)
    np.testing.assert_array_equal(network(frames, (forward, backward)).asnumpy(), own)
    assert np.abs(network(frames, (backward, forward)).asnumpy() - own).max() > 1e-3


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    config = MODEL_PRESETS["rvrt-light-debug"]
    model = randomise(build_network(config, device.execution("CPU")), scale=0.1)
    path = tmp_path_factory.mktemp("light") / "w.safetensors"
    arrays = {p.name: p.asnumpy() for p in model.get_parameters()}
    save_weights(path, arrays, Record(config, "rvrt"))
    return path, model


def test_a_file_of_weights_becomes_a_network(light):
    path, model = light
    network = open_network(path, "rvrt-light-debug")
    assert (network.config, network.preset) == (model.config, "rvrt-light-debug")
    assert network.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert network.name == "rvrt-light-debug" and not network.cell.training
    frames = ms.Tensor(moving_texture()[None, :, :, :8, :12])
    expected = model.set_train(False)(frames).asnumpy()
    np.testing.assert_array_equal(network.cell(frames).asnumpy(), expected)


def test_weights_of_another_preset_are_refused(light, tmp_path):
    with pytest.raises(CheckpointError, match="weights of rvrt-light-debug, not of rvrt;"):
        open_network(light[0], "rvrt")
    with pytest.raises(CheckpointError, match=r"absent\.ckpt"):
        open_network(tmp_path / "absent.ckpt")


def test_a_preset_is_known_whoever_trained():
    for name, config in MODEL_PRESETS.items():
        other = dataclasses.replace(config, gelu="tanh", layer_norm_eps=1e-6)
        assert preset_of(config) == preset_of(other) == name
        assert preset_of(dataclasses.replace(config, mlp_ratio=3)) is None


@pytest.mark.parametrize(
    "module", ["rvrt.restoration.network", "rvrt.restoration.restorer", "rvrt.training.validation"]
)
def test_the_libraries_of_a_gpu_are_found_before_mindspore_looks(module):
    """MindSpore looks for them once, when it is imported."""
    code = (
        "import importlib, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'mindspore':\n"
        "            assert 'vimeo_tools.running.cuda_libraries' in sys.modules\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"importlib.import_module({module!r})\n"
        "assert 'mindspore' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
