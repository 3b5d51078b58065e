import dataclasses
import importlib.util

import mindspore as ms
import numpy as np
import pytest
from click.testing import CliRunner

from rvrt.cli.convert import main as convert_main
from rvrt.config.network import MODEL_PRESETS, RVRTConfig
from rvrt.errors import CheckpointError
from rvrt.models import build_network
from rvrt.weights.checkpoint import load_network, read_arrays, shapes_of
from rvrt.weights.convert import convert
from rvrt.weights.official import official_buffers, official_name, relative_position_index
from rvrt.weights.torch_pickle import read_torch_file, write_torch_file
from tests.expected.make import FOLDER as EXPECTED

DEBUG = MODEL_PRESETS["rvrt-debug"]
LIGHT = MODEL_PRESETS["rvrt-light-debug"]


def listed(preset):
    """{name: shape} of the official parameters and of the buffers."""
    kinds = {"param": {}, "buffer": {}}
    for line in (EXPECTED / f"parameters_{preset.replace('-', '_')}.txt").read_text().splitlines():
        kind, name, shape = line.split()
        kinds[kind][name] = tuple(map(int, shape.split("x")))
    return kinds["param"], kinds["buffer"]


def official(config, seed=0):
    """A state dict with the authors' names, shapes and buffers."""
    rng = np.random.default_rng(seed)
    shapes = shapes_of(build_network(config))
    buffers = official_buffers(config, shapes)
    weights = {official_name(name): rng.standard_normal(s) for name, s in shapes.items()}
    return {name: array.astype(np.float32) for name, array in weights.items()} | buffers


def mindediting(config, seed=0):
    """What mindediting's checkpoint callback saves: LayerNorm as gamma and beta, and more."""
    rng = np.random.default_rng(seed)
    shapes = shapes_of(build_network(config))
    entries = {name: rng.standard_normal(s).astype(np.float32) for name, s in shapes.items()}
    weights = dict(entries)
    entries |= official_buffers(config, shapes)
    for name in shapes:
        entries[f"moment1.{name}"] = weights[name]
        if name.endswith("_bias_table"):
            entries[name.removesuffix("_table")] = np.zeros((4, 4, 2), np.float32)
    entries |= {"beta1_power": np.float32([0.9]), "scale_sense": np.float32([1024])}
    entries["global_step"] = np.int32([7])
    return weights, entries


def save_ckpt(path, entries):
    data = [{"name": name, "data": ms.Tensor(array)} for name, array in entries.items()]
    ms.save_checkpoint(data, str(path), append_dict={"epoch_num": 3, "step_num": 7})


@pytest.mark.parametrize("preset", ["rvrt", "rvrt-debug", "rvrt-light"])
def test_official_names_shapes_and_buffers(preset):
    parameters, buffers = listed(preset)
    config = MODEL_PRESETS[preset]
    shapes = shapes_of(build_network(config))
    assert {official_name(name): shape for name, shape in shapes.items()} == parameters
    ours = official_buffers(config, shapes)
    assert {name: array.shape for name, array in ours.items()} == buffers


def test_relative_position_index(rvrt_goldens):
    stored = read_torch_file(rvrt_goldens / "official_subset.pth")["params"]
    indices = [name for name in stored if name.endswith("relative_position_index")]
    assert indices
    for name in indices:
        window = (1, 4, 4) if name.startswith("feat_extract") else (2, 4, 4)
        np.testing.assert_array_equal(relative_position_index(window), stored[name], strict=True)


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("entry", ["params", "params_ema", "state_dict", None])
def test_authors_weights_there_and_back(tmp_path, entry, suffix):
    torch = pytest.importorskip("torch")
    state = official(DEBUG)
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    if entry is None:  # KAIR saves the bare state dict
        torch.save(tensors, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    else:
        torch.save({entry: tensors}, tmp_path / "w.pth")
    done = convert(tmp_path / "w.pth", tmp_path / f"w{suffix}", model="rvrt-debug")
    assert done.record.origin == "authors"
    network, config = load_network(tmp_path / f"w{suffix}")
    assert config == DEBUG
    assert (config.gelu, config.layer_norm_eps) == ("erf", 1e-5)
    for name, parameter in network.parameters_dict().items():
        np.testing.assert_array_equal(parameter.asnumpy(), state[official_name(name)])

    convert(tmp_path / f"w{suffix}", tmp_path / "back.pth", "pytorch")
    back = torch.load(tmp_path / "back.pth", weights_only=True)["params"]
    assert back.keys() == state.keys()
    for name, tensor in back.items():
        np.testing.assert_array_equal(tensor.numpy(), state[name], strict=True)


def test_converted_weights_give_the_authors_pictures(rvrt_goldens, tmp_path):
    """From a .pth to the reference output of the authors' network."""
    spec = importlib.util.spec_from_file_location("weights", rvrt_goldens / "weights.py")
    weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(weights)
    parameters, _ = listed("rvrt-debug")
    state = {name: weights.make(name, shape) for name, shape in parameters.items()}
    write_torch_file(tmp_path / "w.pth", "params", state)
    convert(tmp_path / "w.pth", tmp_path / "w.ckpt", model="rvrt-debug")
    network, _ = load_network(tmp_path / "w.ckpt")
    golden = np.load(rvrt_goldens / "model_plain.npz")
    frames = ms.Tensor(golden["input"].astype(np.float32) / 255)
    output = network.set_train(False)(frames).asnumpy()
    np.testing.assert_allclose(output[0, 2], golden["output_frame2"], rtol=0, atol=5e-6)


def test_one_of_several_entries(tmp_path):
    torch = pytest.importorskip("torch")
    saved = {
        entry: {name: torch.from_numpy(array) for name, array in official(DEBUG, seed).items()}
        for seed, entry in enumerate(["params", "params_ema"])
    }
    torch.save(saved, tmp_path / "w.pth")
    for seed, entry in enumerate([None, "params_ema"]):
        done = convert(tmp_path / "w.pth", tmp_path / "w.ckpt", model="rvrt-debug", entry=entry)
        assert done.notes == ("took 'params' of params, params_ema",) * (entry is None)
        got, _ = read_arrays(tmp_path / "w.ckpt")
        np.testing.assert_array_equal(
            got["conv_last.weight"], official(DEBUG, seed)["conv_last.weight"]
        )
    with pytest.raises(CheckpointError, match=r"no entry 'ema'.*params, params_ema"):
        convert(tmp_path / "w.pth", tmp_path / "w.ckpt", entry="ema")


@pytest.mark.parametrize(("config", "preset"), [(DEBUG, "rvrt-debug"), (LIGHT, "rvrt-light-debug")])
def test_mindediting(tmp_path, config, preset):
    weights, entries = mindediting(config)
    save_ckpt(tmp_path / "iter.ckpt", entries)
    done = convert(tmp_path / "iter.ckpt", tmp_path / "w.safetensors", model=preset)
    assert done.parameters == len(weights)
    network, got = load_network(tmp_path / "w.safetensors")
    assert got == dataclasses.replace(config, gelu="tanh", layer_norm_eps=1e-7)
    for name, parameter in network.parameters_dict().items():
        np.testing.assert_array_equal(parameter.asnumpy(), weights[name])


def test_origin_given_by_hand(tmp_path):
    _, entries = mindediting(DEBUG)
    save_ckpt(tmp_path / "a.ckpt", entries)
    convert(tmp_path / "a.ckpt", tmp_path / "w.ckpt", model="rvrt-debug", origin="authors")
    assert load_network(tmp_path / "w.ckpt")[1] == DEBUG
    with pytest.raises(CheckpointError, match="says itself which model and origin"):
        convert(tmp_path / "w.ckpt", tmp_path / "x.ckpt", origin="mindediting")


@pytest.mark.parametrize("form", [".pth", ".ckpt"])
def test_spynet_alone(tmp_path, form):
    state = {
        name.removeprefix("spynet."): array
        for name, array in official(DEBUG).items()
        if name.startswith("spynet.basic")
    }
    if form == ".pth":
        write_torch_file(tmp_path / "s.pth", "params", state)
    else:
        save_ckpt(tmp_path / "s.ckpt", state)
    done = convert(tmp_path / f"s{form}", tmp_path / "w.ckpt")
    assert (done.record.part, done.parameters, done.numbers) == ("spynet", 60, 1_440_300)
    convert(tmp_path / "w.ckpt", tmp_path / "back.pth", "pytorch")
    back = read_torch_file(tmp_path / "back.pth")["params"]
    assert back.keys() == state.keys()


def test_the_published_size_is_told_from_the_file(tmp_path):
    write_torch_file(tmp_path / "w.pth", "params", official(MODEL_PRESETS["rvrt"]))
    done = convert(tmp_path / "w.pth", tmp_path / "w.ckpt")
    assert done.record.config == RVRTConfig()
    assert (done.parameters, done.numbers) == (482, 10_782_295)
    _, entries = mindediting(MODEL_PRESETS["rvrt-light"])
    save_ckpt(tmp_path / "l.ckpt", entries)
    done = convert(tmp_path / "l.ckpt", tmp_path / "w.safetensors")
    assert done.record.config == MODEL_PRESETS["rvrt-light"]
    assert (done.parameters, done.numbers) == (354, 8_456_755)


def test_half_precision_and_data_parallel(tmp_path):
    torch = pytest.importorskip("torch")
    state = official(LIGHT)
    half = {f"module.{name}": torch.from_numpy(array).half() for name, array in state.items()}
    torch.save(half, tmp_path / "w.pth")
    convert(tmp_path / "w.pth", tmp_path / "w.ckpt", model="rvrt-light-debug")
    got, record = read_arrays(tmp_path / "w.ckpt")
    assert record.origin == "mindediting"
    for name, array in got.items():
        np.testing.assert_array_equal(
            array, state[official_name(name)].astype(np.float16).astype(np.float32), strict=True
        )


@pytest.mark.parametrize("bfloat16", [False, True])
def test_half_precision_with_its_buffers(tmp_path, bfloat16):
    state = {name: array.astype(np.float16) for name, array in official(DEBUG).items()}
    if bfloat16:  # what is left of float32 when its lower half is rounded off
        bits = {n: a.astype(np.float32).view(np.uint32) for n, a in official(DEBUG).items()}
        state = {n: (b + 0x7FFF + (b >> 16 & 1) & 0xFFFF0000) for n, b in bits.items()}
        state = {name: array.astype(np.uint32).view(np.float32) for name, array in state.items()}
    write_torch_file(tmp_path / "w.pth", "params", state)
    convert(tmp_path / "w.pth", tmp_path / "w.ckpt", model="rvrt-debug")
    for name, array in read_arrays(tmp_path / "w.ckpt")[0].items():
        wanted = state[official_name(name)].astype(np.float32)
        np.testing.assert_array_equal(array, wanted, strict=True)


def test_another_model_is_told_by_its_names(rvrt_goldens, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        convert(rvrt_goldens / "official_subset.pth", tmp_path / "w.ckpt")
    message = str(caught.value)
    assert "network: 445 missing (feat_extract.main.1.weight, feat_extract.main.1.bias, " in message
    assert "of another shape (" in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spynet.mean": np.zeros((1, 3, 1, 1), np.float32)}, "spynet.mean differs"),
        ({"spynet.mean": np.zeros(4, np.float32)}, "spynet.mean is 4 instead of 1x3x1x1"),
        ({"conv_last.bias": np.arange(3)}, "conv_last.bias holds int64"),
        ({"feat_extract.main.3.gamma": np.zeros(24, np.float32)}, "main.3.gamma twice"),
        ({"extra": np.zeros(2, np.float32)}, r"1 unexpected \(extra\)"),
    ],
)
def test_wrong_entries(tmp_path, change, message):
    write_torch_file(tmp_path / "w.pth", "params", official(DEBUG) | change)
    with pytest.raises(CheckpointError, match=message):
        convert(tmp_path / "w.pth", tmp_path / "w.ckpt", model="rvrt-debug")


def test_files_without_weights(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"state": {}, "param_groups": [1]}, tmp_path / "optimizerG.pth")
    with pytest.raises(CheckpointError, match="state, param_groups; is it an optimiser's"):
        convert(tmp_path / "optimizerG.pth", tmp_path / "w.ckpt")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds a list"):
        convert(tmp_path / "list.pth", tmp_path / "w.ckpt")
    with pytest.raises(CheckpointError, match=r"for pytorch the name ends in \.pth or \.pt"):
        convert(tmp_path / "list.pth", tmp_path / "w.ckpt", "pytorch")
    write_torch_file(tmp_path / "w.pth", "params", official(DEBUG))
    with pytest.raises(CheckpointError, match="model 'rvtr': known are rvrt,"):
        convert(tmp_path / "w.pth", tmp_path / "w.ckpt", model="rvtr")


def test_command(tmp_path):
    _, entries = mindediting(DEBUG)
    save_ckpt(tmp_path / "iter.ckpt", entries)
    command = [str(tmp_path / "iter.ckpt"), str(tmp_path / "w.pth"), "--to", "pytorch"]
    done = CliRunner().invoke(convert_main, [*command, "--model", "rvrt-debug"])
    assert done.exit_code == 0, done.output
    assert "482 parameters" in done.output
    assert "trained by mindediting: tanh GELU, epsilon 1e-07" in done.output
    assert "note: these weights were trained with tanh GELU" in done.output
    assert (tmp_path / "w.pth").is_file()


def test_what_weights_were_trained_on(tmp_path):
    names = {
        "003_RVRT_videosr_bd_Vimeo_14frames.pth": "bd",
        "002_RVRT_videosr_bi_Vimeo_14frames.pth": "bicubic",
        "mine_bd.pth": None,
    }
    for name, recipe in names.items():
        write_torch_file(tmp_path / name, "params", official(DEBUG))
        target = tmp_path / "w.safetensors"
        convert(tmp_path / name, target, model="rvrt-debug")
        assert read_arrays(target)[1].degradation == recipe
        convert(target, tmp_path / "w.ckpt")  # it goes along
        assert read_arrays(tmp_path / "w.ckpt")[1].degradation == recipe
    given = [str(tmp_path / "mine_bd.pth"), str(target), "--model", "rvrt-debug", "--degradation"]
    done = CliRunner().invoke(convert_main, [*given, "bd (sigma 1.2)"])
    assert done.exit_code == 0 and "trained by authors on bd (sigma 1.2): erf" in done.output
    assert read_arrays(target)[1].degradation == "bd (sigma 1.2)"
    done = CliRunner().invoke(convert_main, [*given, "blur"])
    assert done.exit_code == 1 and "degradation 'blur': there are bicubic" in done.output


def test_command_says_what_is_wrong_without_a_traceback(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"nonsense")
    done = CliRunner().invoke(convert_main, [str(tmp_path / "w.pth"), str(tmp_path / "w.ckpt")])
    assert done.exit_code == 1
    assert done.output.startswith("Error: ") and "not a PyTorch file" in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


@pytest.fixture(scope="module")
def spynet_file(tmp_path_factory):
    """A small file that converts."""
    path = tmp_path_factory.mktemp("spynet") / "s.pth"
    state = official(DEBUG)
    names = [name for name in state if name.startswith("spynet.basic")]
    write_torch_file(path, "params", {name.removeprefix("spynet."): state[name] for name in names})
    return path


def test_careless_arguments_end_in_one_line_and_leave_nothing(spynet_file, tmp_path):
    source = tmp_path / "s.pth"
    source.write_bytes(spynet_file.read_bytes())
    (tmp_path / "link.pth").symlink_to(source)
    (tmp_path / "folder.ckpt").mkdir()
    (tmp_path / "file").write_bytes(b"")

    def state():
        return {path: path.stat().st_size * path.is_file() for path in tmp_path.rglob("*")}

    before = state()
    for given, message in [
        ([source, source, "--to", "pytorch"], "choose an output apart from it"),
        ([source, tmp_path / "link.pth", "--to", "pytorch"], "choose an output apart from it"),
        ([tmp_path / "link.pth", source, "--to", "pytorch"], "choose an output apart from it"),
        ([source, tmp_path / "x.bin"], "for mindspore the name ends in .ckpt or .safetensors"),
        ([source, tmp_path / "x.pth"], "for mindspore the name ends in .ckpt or .safetensors"),
        ([source, tmp_path / "file" / "x.ckpt"], "cannot be written"),
        ([source, tmp_path / "folder.ckpt"], "cannot be written: Is a directory"),
        ([source, tmp_path / ("x" * 300 + ".ckpt")], "cannot be written: File name too long"),
        ([source, "/proc/x.ckpt"], "cannot be written"),
        ([tmp_path / "absent.pth", tmp_path / "x.ckpt"], "absent.pth: no such file"),
        ([tmp_path / "folder.ckpt", tmp_path / "x.ckpt"], "folder.ckpt: not a regular file"),
        ([tmp_path / ("y" * 300), tmp_path / "x.ckpt"], "cannot be read: File name too long"),
        ([tmp_path / "file", tmp_path / "x.ckpt"], "not a PyTorch file (0 bytes)"),
    ]:
        done = CliRunner().invoke(convert_main, list(map(str, given)))
        assert (done.exit_code, type(done.exception)) == (1, SystemExit), (given, done.output)
        assert message in done.output and done.output.count("\n") == 1, done.output
        assert state() == before


def test_numbers_that_are_not_finite_are_said(spynet_file, tmp_path):
    tensors = read_torch_file(spynet_file)["params"]
    first = next(iter(tensors))
    tensors[first] = tensors[first].astype(np.float64) * 1e300
    write_torch_file(tmp_path / "s.pth", "params", tensors)
    done = convert(tmp_path / "s.pth", tmp_path / "w.ckpt")
    (note,) = done.notes
    assert note.startswith(f"1 of 60 tensors hold numbers that are not finite, spynet.{first} the")


def test_command_does_not_write_over_its_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.safetensors").write_bytes(b"theirs")
    (tmp_path / "link.safetensors").symlink_to("theirs.safetensors")
    for target in ("theirs.safetensors", "link.safetensors"):
        done = CliRunner().invoke(convert_main, ["theirs.safetensors", target])
        assert done.exit_code == 1 and "is the input" in done.output
    assert (tmp_path / "theirs.safetensors").read_bytes() == b"theirs"
