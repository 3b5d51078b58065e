"""A sample of tests/kill_points.py, in a process of its own, as it forks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("av")
ROOT = Path(__file__).parents[1]
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


def test_killed_at_some_steps_every_command_ends_as_if_undisturbed():
    done = subprocess.run(
        [sys.executable, "-m", "tests.kill_points", "--points", "3"],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 kill points, 0 wrong" in done.stdout
