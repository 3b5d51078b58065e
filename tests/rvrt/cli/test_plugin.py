"""A metric and a loss from outside, in a few lines, used through the commands."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rvrt.config.loading import to_yaml
from tests.rvrt.tiny_training import tiny_config

METRIC = """
import numpy as np
from rvrt import METRICS

def mean_error(restored, gt):
    return np.abs(restored.astype(float) - gt).mean()

METRICS["mean_error"] = mean_error
"""
LOSS = """
from mindspore import ops
from rvrt import LOSSES

def half(restored, gt):
    return ops.abs(restored - gt).mean() / 2

LOSSES["half"] = half
"""


def run(command, *arguments, cwd):
    call = [Path(sys.executable).with_name(command), *map(str, arguments)]
    return subprocess.run(call, cwd=cwd, capture_output=True, text=True, timeout=200)


def test_a_metric(drawn, tmp_path):
    (tmp_path / "mine.py").write_text(METRIC)
    arguments = ["--weights", "none", "--data", drawn, "--output-dir", "out", "--plugin", "mine"]
    done = run("rvrt-eval", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "MEAN-ERROR" in done.stdout
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert 0 < stored["means"]["bicubic"]["mean_error"] < 128
    (row,) = csv.DictReader((tmp_path / "out" / "per_sequence.csv").read_text().splitlines())
    assert float(row["bicubic_mean_error"]) == stored["means"]["bicubic"]["mean_error"]
    assert (tmp_path / "out" / "report.html").exists()


def test_a_loss(drawn, tmp_path):
    pytest.importorskip("mindspore")
    (tmp_path / "mine.py").write_text(LOSS)
    config = tiny_config(drawn, train={"steps": 1, "loss": "half"}, data={"lq": None})
    (tmp_path / "tiny.yaml").write_text(to_yaml(config))
    arguments = ["--config", "tiny.yaml", "--output", "run"]
    done = run("rvrt-train", *arguments, "--plugin", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line, *_) = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert 0 < json.loads(line)["loss"] < 0.5
    unknown = run("rvrt-train", "--config", "tiny.yaml", "--output", "other", cwd=tmp_path)
    assert (unknown.returncode, "train.loss='half'" in unknown.stderr) == (1, True)
