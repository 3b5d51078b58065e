"""rvrt-train as a user runs it: the installed command's function, in a process of its own."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rvrt.cli.train import main
from rvrt.config.loading import load_config, to_yaml
from rvrt.config.presets import TRAIN_PRESETS
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


@pytest.mark.slow
@pytest.mark.usefixtures("all_processors")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once_with_its_workers(drawn, tmp_path, start, number):
    config = tiny_config(drawn, train={"steps": 100_000}, data={"workers": 2})
    process = start(config, tmp_path / "run")
    wait_for(tmp_path / "run" / "metrics.jsonl", process)
    os.kill(process.pid, number)
    deadline = time.monotonic() + 60
    while process.poll() is None:  # the first few seconds count as the same wish
        assert time.monotonic() < deadline
        time.sleep(2.5)
        process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 128 + number
    assert "Traceback" not in err and "leaked" not in err
    while True:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    again = start(config, tmp_path / "run")  # nothing that it left is in the way
    wait_for(tmp_path / "run" / "metrics.jsonl", again)


@pytest.mark.parametrize("refusal", [["--init", "absent.ckpt"], ["--set", "train.batch_size=3"]])
def test_a_refused_training_gives_way_to_the_corrected_one(drawn, tmp_path, refusal):
    config = tiny_config(drawn, train={"steps": 1, "batch_size": 2, "micro_batch": 2})
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    command = ["--config", tmp_path / "c.yaml", "--output", tmp_path / "run"]
    assert invoke(*command, *refusal).exit_code == 1
    assert not (tmp_path / "run").exists()
    # As a kill between the config and the first step leaves it.
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(to_yaml(tiny_config(drawn)))
    (tmp_path / "run" / ".lock").touch()
    done = invoke(*command)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "config.yaml").read_text() == to_yaml(config)
    assert "all 1 steps were done already" in invoke(*command).output


@pytest.mark.parametrize("output", ["sequences", "sequences/run", "x" * 5000, "sep_trainlist.txt"])
def test_an_output_that_cannot_be_is_one_line(drawn, monkeypatch, output):
    monkeypatch.chdir(drawn)
    before = sorted(drawn.rglob("*"))
    sizes = ("--set", "data.crop=8", "--set", "data.lq=null")
    done = invoke("--preset", "rvrt-light-debug", "--data", ".", *sizes, "--output", output)
    assert done.exit_code == 1
    assert done.output.splitlines()[-1].startswith("Error: ")
    assert sorted(drawn.rglob("*")) == before


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


@pytest.mark.slow
@pytest.mark.usefixtures("all_processors")
def test_a_worker_that_is_killed_ends_the_run_which_saves_and_goes_on(drawn, tmp_path, start):
    config = tiny_config(drawn, train={"steps": 100_000}, data={"workers": 2})
    process = start(config, tmp_path / "run")
    wait_for(tmp_path / "run" / "metrics.jsonl", process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    out, err = finish(process)
    assert process.returncode == 128 + signal.SIGTERM  # which MindSpore sends to itself
    assert f"worker process {children[0]} was killed" in err
    assert "stopped, and saved; the same command goes on" in out
    (last,) = (tmp_path / "run" / "checkpoints").iterdir()
    assert read_state(last).step == read(tmp_path / "run")[-1]["step"]


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


def test_print_config_explains_every_key(tmp_path):
    shown = invoke("--preset", "rvrt", "--print-config").output
    assert "  # samples of one step, over all devices.\n  batch_size: 8\n" in shown
    assert "\n# The steps of a training.\ntrain:\n" in shown
    assert "  # probabilities, 0 to 1.\n  reverse: 0.5\n  flip_horizontal: 0.5\n" in shown
    assert "  # hidden channels of an MLP, as times of its input's.\n  mlp_ratio: 2\n" in shown
    assert "null: from scratch" in shown and "None" not in shown


def test_a_queue_s_time_ends_it_and_the_exit_code_asks_for_more(drawn, tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(to_yaml(tiny_config(drawn, train={"steps": 100_000})))
    command = ("--config", file, "--output", tmp_path / "run", "--stop-after", "1e-9")
    done = invoke(*command)
    assert done.exit_code == 75, done.output
    assert "stopped, and saved; the same command goes on" in done.output


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
