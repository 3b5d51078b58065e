import dataclasses
import os
from itertools import pairwise

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from rvrt.cli.train import main as train_main
from rvrt.config.loading import flat, load_config, override, to_yaml
from rvrt.config.presets import TRAIN_PRESETS
from rvrt.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "my.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", TRAIN_PRESETS)
def test_yaml_comes_back_as_the_same_config(write, name):
    assert load_config(file=write(to_yaml(TRAIN_PRESETS[name]))) == TRAIN_PRESETS[name]


def test_file_over_preset_and_settings_over_file(write):
    file = write(
        "preset: rvrt\ntrain: {batch_size: 4, steps: 10}\nmodel: {num_blocks: [1, 1, 1]}\n"
    )
    config = load_config(None, file, ["train.batch_size=2", "data.lq=null", "optimiser.lr=1e-3"])
    assert config.train.batch_size == 2
    assert config.train.steps == 10
    assert config.model.num_blocks == (1, 1, 1)
    assert config.data.lq is None
    assert config.optimiser.lr == 1e-3
    changed = {"train", "model", "data", "optimiser"}
    for field in dataclasses.fields(config):
        if field.name not in changed:
            assert getattr(config, field.name) == getattr(TRAIN_PRESETS["rvrt"], field.name)


def test_changes_are_checked_together():
    both = {"train": {"micro_batch": 3, "batch_size": 9}}
    assert override(TRAIN_PRESETS["rvrt"], both).train.micro_batch == 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.bacth_size=4", "train.bacth_size: no such key; did you mean train.batch_size?"),
        ("batch_size=4", "did you mean train.batch_size?"),
        ("data.batch_size=4", "did you mean train.batch_size?"),
        ("zz.qqq=4", "--print-config shows all keys"),
        ("preset=rvrt-light", "preset: no such key"),
        ("train=4", "train: got 4, expected keys such as steps, batch_size"),
        ("train.batch_size=4.5", "train.batch_size: got 4.5, expected a whole number"),
        ("train.batch_size=true", "got True, expected a whole number"),
        ("train.steps='300'", "got '300', expected a whole number"),
        ("train.steps=null", "got None, expected a whole number"),
        ("optimiser.lr=fast", "got 'fast', expected a finite number"),
        ("optimiser.lr=true", "got True, expected a finite number"),
        ("journal.tensorboard=1", "got 1, expected true or false"),
        ("data.gt=5", "got 5, expected text"),
        ("train.steps." + "a." * 5000 + "=1", "train.steps: got {'a': {'a': {'a"),
        ("x" * 100_000, "expected KEY=VALUE"),
        ("train.steps=1e30", "got '1e30', expected a whole number"),
        ("data.workers=two", "got 'two', expected a whole number"),
        ("optimiser.betas=0.9", "got 0.9, expected a list of 2, each a finite number"),
        ("optimiser.betas=[0.9]", "expected a list of 2"),
        ("train.recompute=[1]", r"train.recompute\[0\]: got 1, expected text"),
        ("train.recompute=all", "expected a list, each text"),
        ("train.batch_size", "expected KEY=VALUE"),
        ("=4", "expected KEY=VALUE"),
        ("train.batch_size=[", "the value cannot be read as YAML"),
        ("train.steps.more=1", "train.steps: got {'more': 1}, expected a whole number"),
        ("train.steps=0", "train.steps=0: expected 1 or more"),
        ("model.embed_dim=145", "model.embed_dim=145 is not a multiple"),
        ("data.frames=3", "data.frames=3: expected an even number"),
    ],
)
def test_what_does_not_fit_is_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        load_config("rvrt", settings=[setting])


def test_a_section_that_is_a_number():
    with pytest.raises(ConfigError, match="holds 4, no keys"):
        load_config("rvrt", settings=["train=4", "train.steps=5"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [", "cannot be read as YAML"),
        ("- 4", "holds list, expected keys and values"),
        ("!!python/object/apply:os.system ['true']", "cannot be read as YAML"),
        ("preset: swin", "preset 'swin': expected one of rvrt, rvrt-light"),
        ("5: 4", "5: no such key"),
        ("preset: [rvrt]", r"preset \['rvrt'\]: expected one of"),
        ("train: {steps: 1}\ntrain: {steps: 2}", r"a key is given twice \(line 1, column 1\)"),
        ("data: {root: &a x, gt: *a}", "anchors and aliases are not taken; write the value out"),
        ("train: {<<: {steps: 1}}", "train.<<: no such key"),
        ("train: {steps: !!int '5'}", "tags are not taken"),
        ("train: {steps: 2020-01-01}", "train.steps: got '2020-01-01', expected a whole number"),
        ("train: {steps: " + "9" * 5000 + "}", "a number of more than 30 digits"),
        ("optimiser: {lr: .inf}", "optimiser.lr: got inf, expected a finite number"),
        ("optimiser: {lr: .nan}", "optimiser.lr: got nan, expected a finite number"),
        ("optimiser: {lr: 1e999}", "optimiser.lr: got inf, expected a finite number"),
        ("x: 0b_", "cannot be read as YAML: invalid literal"),
        ("[" * 60_000, "nested deeper than 16"),
        ("- " * 30_000, "nested deeper than 16"),
        ("? [a]\n: b", "found unhashable key"),
        ("#" * 70_000, "more than 65536 characters of YAML"),
        ("k" * 1000 + ": 1", "'kkk.*: no such key"),
        ('data: {root: "\\0"}', r"data.root: got '\\x00', expected text without NUL"),
        ('data: {root: "\\ud800"}', "expected text without NUL or surrogates"),
        (f"data: {{root: {'x' * 5000}}}", "got 5000 characters, expected at most 4095"),
        ("\x00", "unacceptable character #x0000"),
    ],
)
def test_a_wrong_file_is_refused(write, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(None if "preset" in text else "rvrt", write(text))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_what_unfolds_without_end_is_refused_at_once(write):
    names = "abcdefgh"
    lists, merges = "a: &a [x, x, x]\n", "a: &a {k: 1}\n"
    for one, two in pairwise(names):
        lists += f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]\n"
        merges += f"{two}: &{two} {{<<: [{', '.join([f'*{one}'] * 9)}]}}\n"
    for text in (lists, merges):
        with pytest.raises(ConfigError, match="anchors and aliases are not taken"):
            load_config("rvrt", write(text))


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from("abt01.:-{}[],&*!<>|?'\"#%\\ \n\t"), max_size=60) | st.text(max_size=20)
)
def test_any_text_is_a_config_or_one_line(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    for file, settings_ in ((path, ()), (None, (f"train.steps={text}", f"data.root={text}"))):
        try:
            load_config("rvrt", file, settings_)
        except ConfigError as error:
            assert str(error).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(flat(TRAIN_PRESETS["rvrt"]))), JSON)
def test_any_value_is_taken_or_one_line(name, value):
    section, _, key = name.rpartition(".")
    values = {section: {key: value}} if section else {key: value}
    try:
        changed = flat(override(TRAIN_PRESETS["rvrt"], values))[name]
    except ConfigError as error:
        assert str(error).isprintable()
    else:
        assert changed == (tuple(value) if isinstance(value, list) else value)


def test_pipes_folders_and_other_bytes(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes(b"a: \xe4")
    for name in ("pipe", "latin", "", "a\0b", "x" * 5000):
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            load_config("rvrt", tmp_path / name)
        assert str(caught.value).isprintable()


def test_presets_that_contradict_each_other(write):
    with pytest.raises(ConfigError, match="has preset: rvrt-light; give one of them"):
        load_config("rvrt", write("preset: rvrt-light"))
    assert load_config("rvrt", write("preset: rvrt")).preset == "rvrt"


def test_no_preset_and_no_file(tmp_path):
    with pytest.raises(ConfigError, match="no preset: give rvrt, "):
        load_config()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(file=tmp_path / "absent.yaml")


def test_an_empty_file_changes_nothing(write):
    assert load_config("rvrt", write("")) == TRAIN_PRESETS["rvrt"]


def test_flat_names_every_value():
    names = flat(TRAIN_PRESETS["rvrt"])
    assert names["model.num_blocks"] == (1, 2, 1)
    assert names["preset"] == "rvrt"


@pytest.mark.parametrize(
    "setting",
    [
        "train.batch_size=1000000000",
        "train.steps=9223372036854775808",
        "train.steps=2020-01-01",
        "train.steps=" + "9" * 5000,
        "model.upscale=1048576",
        "optimiser.lr=.inf",
        "data.root=" + "x" * 5000,
        'data.root="\\0"',
        "data=[" * 5000,
    ],
)
def test_the_command_says_it_in_one_line_and_leaves_nothing(tmp_path, setting):
    command = ["--preset", "rvrt-debug", "--output", str(tmp_path / "run"), "--set", setting]
    done = CliRunner().invoke(train_main, command)
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert done.output.startswith("Error: ") and done.output.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage", [b"", b"\0", b"preset: [", b"preset: x\n", b"a: &a [*a]", b"\xff"]
)
def test_a_damaged_config_of_a_run_is_named(tmp_path, damage):
    (tmp_path / "config.yaml").write_bytes(damage)
    with pytest.raises(ConfigError) as caught:
        load_config(file=tmp_path / "config.yaml")
    assert str(caught.value).isprintable()
