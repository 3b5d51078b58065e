import dataclasses
import resource

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import CheckpointError
from rvrt.models import build_network
from rvrt.weights.checkpoint import (
    Record,
    load_arrays,
    load_network,
    load_spynet,
    read_arrays,
    save_weights,
    shapes_of,
)
from vimeo_tools.errors import OutputError

CONFIG = dataclasses.replace(MODEL_PRESETS["rvrt-debug"], gelu="tanh", layer_norm_eps=1e-7)
SUFFIXES = [".ckpt", ".safetensors"]


@pytest.fixture(scope="module")
def arrays():
    network = build_network(CONFIG)
    return {
        name: np.random.default_rng(index).standard_normal(shape).astype(np.float32)
        for index, (name, shape) in enumerate(shapes_of(network).items())
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights_and_config_come_back(tmp_path, arrays, suffix):
    path = tmp_path / f"w{suffix}"
    save_weights(path, arrays, Record(CONFIG, "mindediting"))
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644
    got, record = read_arrays(path)
    assert record == Record(CONFIG, "mindediting")
    assert got.keys() == arrays.keys()
    network, config = load_network(path)
    assert config == CONFIG
    for name, parameter in network.parameters_dict().items():
        np.testing.assert_array_equal(parameter.asnumpy(), arrays[name])


def test_half_precision_becomes_float32_to_the_last_bit(tmp_path, arrays):
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    save_weights(tmp_path / "w.safetensors", half, Record(CONFIG, "rvrt"))
    network, _ = load_network(tmp_path / "w.safetensors")
    for name, parameter in network.parameters_dict().items():
        assert parameter.dtype == ms.float32
        np.testing.assert_array_equal(parameter.asnumpy(), half[name])


def test_light_keeps_its_own_kind_of_config(tmp_path):
    config = MODEL_PRESETS["rvrt-light-debug"]
    network = build_network(config)
    arrays = {p.name: p.asnumpy() for p in network.get_parameters()}
    save_weights(tmp_path / "w.ckpt", arrays, Record(config, "rvrt"))
    assert load_network(tmp_path / "w.ckpt")[1] == config


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_flipped_bit_anywhere_is_noticed(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    small = {"a.gamma": np.ones(5, np.float32), "b": np.arange(6, dtype=np.float32).reshape(2, 3)}
    save_weights(path, small, Record(CONFIG, "rvrt"))
    raw = path.read_bytes()
    for position in range(len(raw)):
        damaged = bytearray(raw)
        damaged[position] ^= 4
        path.write_bytes(damaged)
        try:
            got, record = read_arrays(path)
        except CheckpointError:
            continue
        # Where the flip made our record unknown, loading refuses the file as not ours.
        unharmed = all(np.array_equal(got.get(name), array) for name, array in small.items())
        assert record is None or (unharmed and record == Record(CONFIG, "rvrt")), position


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cut_files(tmp_path, arrays, suffix):
    path = tmp_path / f"w{suffix}"
    save_weights(path, arrays, Record(CONFIG, "rvrt"))
    raw = path.read_bytes()
    for length in (0, 7, 100, len(raw) // 3, len(raw) - 17, len(raw) - 1):
        path.write_bytes(raw[:length])
        with pytest.raises(CheckpointError):
            load_network(path)


@pytest.fixture
def small_disk():
    """Files of this process end at 10 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_saver_that_fails_leaves_the_older_file(tmp_path, arrays, request):
    path = tmp_path / "w.ckpt"
    save_weights(path, arrays, Record(CONFIG, "rvrt"))
    before = path.read_bytes()
    request.getfixturevalue("small_disk")
    with pytest.raises(OutputError, match=r"w\.ckpt: cannot be written: File too large"):
        save_weights(path, arrays, Record(CONFIG, "rvrt"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_every_kind_of_mismatch_is_named(arrays):
    other = dict(arrays)
    for name in list(other)[:5]:
        del other[name]
    other["foreign.weight"] = np.zeros(3, np.float32)
    other["conv_last.bias"] = np.zeros(4, np.float32)
    with pytest.raises(CheckpointError) as caught:
        load_arrays(build_network(CONFIG), other, "some.ckpt")
    message = str(caught.value)
    first, second, third, fourth, *_ = arrays
    assert f"5 missing ({first}, {second}, {third}, ...)" in message
    assert fourth not in message
    assert "1 unexpected (foreign.weight)" in message
    assert "1 of another shape (conv_last.bias is 4 instead of 3)" in message
    assert message.startswith("some.ckpt: not the weights of this network: ")


def test_what_mindspore_does_not_load_is_an_error(arrays, monkeypatch):
    monkeypatch.setattr(ms, "load_param_into_net", lambda *_, **__: (["conv_last.bias"], []))
    with pytest.raises(CheckpointError, match=r"MindSpore did not load 1: conv_last\.bias"):
        load_arrays(build_network(CONFIG), arrays, "w")


def test_spynet_is_filled_alone(tmp_path, arrays):
    spynet = {name: array for name, array in arrays.items() if name.startswith("spynet.")}
    path = tmp_path / "s.ckpt"
    save_weights(path, spynet, Record(CONFIG, "authors", part="spynet"))
    with pytest.raises(CheckpointError, match="holds spynet alone"):
        load_network(path)
    network = build_network(CONFIG)
    before = {name: p.asnumpy() for name, p in network.parameters_dict().items()}
    load_spynet(network, path)
    for name, parameter in network.parameters_dict().items():
        wanted = spynet.get(name, before[name])
        np.testing.assert_array_equal(parameter.asnumpy(), wanted)


def test_files_that_are_not_ours(tmp_path):
    ms.save_checkpoint(nn.Dense(2, 3), str(tmp_path / "x.ckpt"))
    with pytest.raises(CheckpointError, match=r"has no record of its config.*rvrt-convert"):
        load_network(tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match=r"convert it first: rvrt-convert .*w\.pth"):
        load_network(tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="no such file"):
        load_network(tmp_path / "absent.ckpt")
    (tmp_path / "x.bin").write_bytes(b"1")
    with pytest.raises(CheckpointError, match=r"one of \.ckpt, \.safetensors"):
        load_network(tmp_path / "x.bin")
    with pytest.raises(CheckpointError, match=r"one of \.ckpt, \.safetensors"):
        save_weights(tmp_path / "x.bin", {}, Record(CONFIG, "rvrt"))
    (tmp_path / "text.safetensors").write_text("not a header")
    with pytest.raises(CheckpointError, match="damaged, cut short or of another form"):
        load_network(tmp_path / "text.safetensors")
