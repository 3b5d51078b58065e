"""Networks run on a GPU as far as the host goes, and ask little of it; see tests/pretend_gpu."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.pretend_gpu import generate
from tests.rvrt.conftest import ROOT

pytestmark = pytest.mark.slow  # each compiles a graph


@pytest.fixture(scope="session")
def pretend_gpu(tmp_path_factory):
    """Runs Python on the pretend GPU; what it prints."""
    if why := generate.missing():
        pytest.skip(f"no pretend GPU: {why}")
    folder = tmp_path_factory.mktemp("pretend_gpu")
    generate.build(folder)
    environment = generate.environment(folder, dict(os.environ))

    def run(*arguments, code=0):
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == code, done.stderr[-2000:]
        return done.stdout

    return run


def measured(pretend_gpu, *arguments):
    """What the third call asked for: {"launches": 2490, ...}; the first compiles."""
    printed = pretend_gpu("-m", "tests.pretend_gpu.measure", *arguments)
    last = [line for line in printed.splitlines() if line.startswith("call ")][-1]
    return {
        name: int(number)
        for number, name in re.findall(r"(\d+) (launches|uploads|waits|scatters)", last)
    }


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("preset", ["rvrt-debug", "rvrt-light-debug"])
def test_a_forward_asks_little(pretend_gpu, preset, dtype):
    found = measured(pretend_gpu, preset, "fwd", "1x6x3x40x48", "--dtype", dtype)
    assert found["waits"] <= 5
    assert found["uploads"] <= 150
    assert found["launches"] <= 2800


def test_a_step_waits_for_next_to_nothing(pretend_gpu):
    """Gradients, norm, clipping, Adam and the average of the weights; everything recomputed."""
    found = measured(pretend_gpu, "rvrt-light-debug", "step", "1x4x3x16x16")
    assert found["waits"] <= 10
    assert found["uploads"] <= 180
    assert found["launches"] <= 7300
    assert found["scatters"] == 0


def test_check_runs_every_line(pretend_gpu, tmp_path):
    """Nothing is computed here, so that numbers differ; whatever else fails would be ours."""
    command = "from rvrt.cli.check import main; main()"
    pretend_gpu("-c", command, "--device", "GPU", "--quick", "--output", tmp_path, code=1)
    found = json.loads((tmp_path / "rvrt-check.json").read_text())
    assert found["facts"]["device"] == "GPU: PRETEND sm_86"
    for line in found["lines"]:
        assert re.match("$|differs by|not finite", line["problem"]), line
        assert "forward" not in line["what"] or line["compiling"] > line["seconds"] > 0
