"""The loop that docs/training.md shows, run as it stands there."""

import re
import subprocess
import sys

import pytest

from rvrt.config.network import MODEL_PRESETS
from rvrt.weights.checkpoint import load_network
from tests.rvrt.conftest import ROOT


def shown():
    page = (ROOT / "docs" / "training.md").read_text()
    (code,) = re.findall(r"```python\n(import rvrt .*?)```", page, re.DOTALL)
    return code


def test_the_page_shows_few_lines():
    assert len([line for line in shown().splitlines() if line.strip()]) <= 25


@pytest.mark.slow
def test_the_loop_of_the_page_trains(septuplets):
    run = subprocess.run(
        [sys.executable, "-c", shown()],
        cwd=septuplets,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    losses = [float(line.split()[1]) for line in run.stdout.splitlines() if line[:4] == "loss"]
    assert len(losses) == 3 and all(0 < loss < 1 for loss in losses)
    _, config = load_network(septuplets / "mine.safetensors")
    assert config == MODEL_PRESETS["rvrt-light-debug"]
