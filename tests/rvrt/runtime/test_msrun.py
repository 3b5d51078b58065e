"""Two processes on this machine, started by MindSpore's own launcher."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rvrt.config.loading import to_yaml
from tests.rvrt.conftest import ROOT
from tests.rvrt.tiny_training import tiny_config
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import synthesize

# What an installer writes for rvrt-train.
CONSOLE_SCRIPT = """import sys
from rvrt.cli.train import main
if __name__ == "__main__":
    sys.exit(main())
"""
KILLED = """import os, signal
from rvrt.runtime import device
from rvrt.runtime.world import init_world
device.use("CPU")
world = init_world()
if world.rank == 1:
    os.kill(os.getpid(), signal.SIGKILL)
world.any(True)
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment():
    bin_folder = Path(sys.executable).parent  # msrun starts whatever "python" is found first
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "MS_NODE_TIMEOUT": "5",
    }


def msrun(folder, script, *arguments):
    launcher = Path(sys.executable).with_name("msrun")
    if not launcher.is_file():
        pytest.skip(f"no msrun at {launcher}")
    command = [launcher, "--worker_num=2", "--local_worker_num=2", "--master_addr=127.0.0.1"]
    command += [f"--master_port={free_port()}", f"--log_dir={folder / 'logs'}", "--join=True"]
    run = subprocess.run(
        [*command, script, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=180,
    )
    logs = {p.stem: p.read_text() for p in (folder / "logs").glob("*.log")}
    return run, logs


def untimed(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        (line["step"], line["loss"], line["gradient_norm"], line["rate"], line["skipped"])
        for line in lines
    ]


@pytest.mark.slow
def test_two_ranks_equal_one_at_twice_the_batch(tmp_path):
    synthesize(tmp_path / "data", 4, size=FrameSize(height=64, width=64))
    config = tiny_config(tmp_path / "data", train={"steps": 3, "batch_size": 2})
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    script = tmp_path / "rvrt-train"
    script.write_text(CONSOLE_SCRIPT)
    arguments = ["--config", str(tmp_path / "config.yaml"), "--output"]
    alone = [sys.executable, script, *arguments, tmp_path / "one"]
    subprocess.run(alone, env=environment(), check=True, capture_output=True)
    run, logs = msrun(tmp_path, str(script), *arguments, str(tmp_path / "two"))
    assert run.returncode == 0, run.stdout + run.stderr
    files = [
        sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))
        for folder in (tmp_path / "one", tmp_path / "two")
    ]
    assert files[0] == files[1]
    state = "checkpoints/step_00000003.safetensors"
    one, two = load_file(tmp_path / "one" / state), load_file(tmp_path / "two" / state)
    assert one.keys() == two.keys()
    moved = 0.0
    for name in one.keys() - {"random_state"}:
        np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-5, err_msg=name)
        if "moment" in name:
            moved = max(moved, np.abs(one[name]).max())
    assert moved > 1e-4  # gradients there were
    np.testing.assert_allclose(untimed(tmp_path / "two"), untimed(tmp_path / "one"), atol=1e-5)
    assert "step 3 of 3" in logs["worker_0"]


def test_a_killed_rank_is_named_and_ends_the_job(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    run, logs = msrun(tmp_path, str(script))
    assert run.returncode != 0
    assert "Error: rank 1 of 2 was killed" in logs["worker_1"]
    assert "was killed" not in logs["worker_0"]  # msrun ended that one
