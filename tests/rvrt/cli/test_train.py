"""rvrt-train as a user runs it: the installed command's function, in a process of its own."""

import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner

from rvrt.cli.train import main
from rvrt.config.loading import load_config, to_yaml
from rvrt.config.training import TRAIN_PRESETS
from rvrt.training.journal import read
from rvrt.training.state import read_state
from rvrt.weights.checkpoint import read_arrays
from tests.rvrt.tiny_training import tiny_config
from tests.rvrt.training.test_trainer import LATEST, assert_equal_runs, fit

COMMAND = [sys.executable, "-c", "from rvrt.cli.train import main; main()"]


@pytest.fixture
def start():
    """Starts the command; whatever a test does, no process is left."""
    started = []

    def run(config, folder, **how):
        file = folder.with_suffix(".yaml")
        file.write_text(to_yaml(config))
        call = [*COMMAND, "--config", str(file), "--output", str(folder)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            call, stdout=pipe, stderr=pipe, text=True, start_new_session=True, **how
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(path, process):
    """Until the file is there; the process must not end before."""
    for _ in range(1200):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def finish(process):
    out, err = process.communicate(timeout=100)
    assert "Traceback" not in out + err
    return out, err


@pytest.mark.slow
def test_ten_steps_a_kill_and_ten_steps_equal_twenty(drawn, tmp_path, start):
    config = tiny_config(
        drawn,
        train={"steps": 20, "ema": 0.9},
        checkpoints={"every": 10},
        validation={"clips": 1, "every": 5},
        journal={"every": 2},
    )
    killed = start(config, tmp_path / "killed")
    wait_for(tmp_path / "killed" / LATEST.format(10), killed)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / LATEST.format(20)).exists()
    again = start(config, tmp_path / "killed")
    out, err = finish(again)
    assert again.returncode == 0
    assert "resumed after step 10" in err
    assert "step 20 of 20, 10 in this run" in out
    fit(config, tmp_path / "whole")
    assert_equal_runs(tmp_path / "whole", tmp_path / "killed", 20)
    for name in ("best.safetensors", "last.safetensors"):
        one, other = (tmp_path / folder / name for folder in ("whole", "killed"))
        one, other = read_arrays(one)[0], read_arrays(other)[0]
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends(drawn, tmp_path, start, number):
    config = tiny_config(drawn, train={"steps": 100_000}, data={"workers": 1})
    process = start(config, tmp_path / "run")
    wait_for(tmp_path / "run" / "metrics.jsonl", process)
    os.killpg(process.pid, number)  # as a terminal and a job's manager do
    out, err = finish(process)
    assert process.returncode == 128 + number
    assert "ends after this step, and saves" in err
    assert "stopped, and saved; the same command goes on" in out
    (last,) = (tmp_path / "run" / "checkpoints").iterdir()
    state = read_state(last)
    assert f"step {state.step} of 100000" in out
    assert read(tmp_path / "run")[-1]["step"] == state.step


def test_a_full_disk_ends_with_a_message_and_the_last_state_stays(drawn, tmp_path, start):
    config = tiny_config(drawn, train={"steps": 2}, checkpoints={"every": 1})
    fit(config, tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run" / "checkpoints").iterdir()}
    longer = tiny_config(drawn, train={"steps": 3}, checkpoints={"every": 1})
    limit = min(len(data) for data in before.values()) // 2

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = start(longer, tmp_path / "run", preexec_fn=small_files)
    _, err = finish(process)
    assert process.returncode == 1
    assert "cannot be written" in err
    after = {p: p.read_bytes() for p in (tmp_path / "run" / "checkpoints").iterdir()}
    assert after == before


def test_two_at_once_are_refused(drawn, tmp_path, start):
    config = tiny_config(drawn, train={"steps": 100_000})
    first = start(config, tmp_path / "run")
    wait_for(tmp_path / "run" / "metrics.jsonl", first)
    second = start(config, tmp_path / "run")
    _, err = finish(second)
    assert second.returncode == 1
    assert "another process is at work there" in err
    assert first.poll() is None


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("preset", TRAIN_PRESETS)
def test_print_config_shows_what_would_be_trained(tmp_path, preset):
    done = invoke("--preset", preset, "--data", "a 'b'", "--set", "train.steps=7", "--print-config")
    assert done.exit_code == 0
    file = tmp_path / "shown.yaml"
    file.write_text(done.output)
    config = load_config(file=file)
    assert config.train.steps == 7
    assert config.data.root == "a 'b'"
    assert np.isclose(config.optimiser.min_lr, 1e-7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no preset: give rvrt"),
        (["--preset", "rvrt"], "--output is missing"),
        (["--preset", "rvtr", "--output", "x"], "preset 'rvtr': expected one of rvrt"),
        (["--preset", "rvrt", "--set", "train.step=1"], "did you mean train.steps?"),
        (["--config", "absent.yaml"], "absent.yaml: cannot be read"),
        (["--preset", "rvrt", "--output", "x", "--data", "absent"], "absent: no such file"),
        (
            ["--preset", "rvrt", "--output", "x", "--device", "Ascend"],
            "Ascend is not here; CPU can be used",
        ),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = invoke(*arguments)
    assert done.exit_code == 1
    assert message in done.output
    assert done.output.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_weights_to_begin_with_must_be_there(drawn, tmp_path):
    done = invoke(
        *("--preset", "rvrt-light-debug", "--data", drawn, "--set", "data.crop=8"),
        *("--init", "absent.ckpt", "--output", tmp_path / "run"),
    )
    assert done.exit_code == 1
    assert "absent.ckpt: no such file" in done.output
