import dataclasses
import hashlib

import numpy as np
import pytest

from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import CheckpointError
from rvrt.evaluation.network import load_restorer, preset_of
from rvrt.evaluation.protocol import restore_septuplet
from rvrt.evaluation.sequences import Sequence
from rvrt.models import build_network
from rvrt.weights.checkpoint import Record, save_weights
from tests.rvrt.conftest import randomise
from vimeo_tools.data.pictures import ArraySequence


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    config = MODEL_PRESETS["rvrt-light-debug"]
    model = randomise(build_network(config), scale=0.1)
    path = tmp_path_factory.mktemp("light") / "w.safetensors"
    arrays = {p.name: p.asnumpy() for p in model.get_parameters()}
    save_weights(path, arrays, Record(config, "rvrt"))
    return path, model


def test_the_network_is_run_as_the_protocol_says(light):
    from mindspore import Tensor

    path, model = light
    restorer, described = load_restorer(path, "rvrt-light-debug")
    assert described == {
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "preset": "rvrt-light-debug",
    }
    lq = np.random.default_rng(0).integers(0, 256, (7, 8, 12, 3), np.uint8)
    gt = ArraySequence(np.zeros((1, 32, 48, 3), np.uint8))
    sequence = Sequence("a", ArraySequence(lq), gt, (3,), mirrored=True)
    (centre,) = restorer.restore(sequence)
    model.set_train(False)
    expected = restore_septuplet(lambda x: model(Tensor(x)).asnumpy(), lq.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(centre, expected[3], atol=1e-6)
    assert restorer.seconds > 0 and restorer.peak_memory() > 2**20


def test_weights_of_another_preset_are_refused(light, tmp_path):
    with pytest.raises(CheckpointError, match="weights of rvrt-light-debug, not of rvrt;"):
        load_restorer(light[0], "rvrt")
    with pytest.raises(CheckpointError, match=r"absent\.ckpt"):
        load_restorer(tmp_path / "absent.ckpt")


def test_a_preset_is_known_whoever_trained():
    for name, config in MODEL_PRESETS.items():
        other = dataclasses.replace(config, gelu="tanh", layer_norm_eps=1e-6)
        assert preset_of(config) == preset_of(other) == name
        assert preset_of(dataclasses.replace(config, mlp_ratio=3)) is None
