"""A training on long clips: windows, validation, a kill and a resume; a leak is an error."""

import json
import shutil

import numpy as np
import pytest

from rvrt.errors import TrainingError
from rvrt.training.trainer import Trainer
from rvrt.weights.checkpoint import read_arrays
from tests.rvrt.tiny_training import tiny_config
from tests.vimeo_tools.cli.test_sequences import drawn_reds  # noqa: F401  a fixture

LONG = {
    "layout": "reds",
    "gt": "train_sharp",
    "train_list": None,
    "test_list": None,
    "mirror": False,
    "frames": 4,
    "intervals": [1],
}


def trained(root, folder, stop=lambda: False, **sections):
    sections["data"] = {**LONG, **sections.get("data", {})}
    return Trainer(tiny_config(root, **sections), folder).fit(stop)


def test_windows_are_trained_on_and_a_resume_changes_nothing(drawn_reds, tmp_path):  # noqa: F811
    settings = {"train": {"steps": 3}, "validation": {"clips": 1, "every": 3}}
    whole = trained(drawn_reds, tmp_path / "whole", **settings)
    assert whole.last_step == 3
    assert whole.best["psnr_y"] > 5
    asked = iter([False, False, True])
    first = trained(drawn_reds, tmp_path / "parts", lambda: next(asked), **settings)
    assert first.stopped
    trained(drawn_reds, tmp_path / "parts", **settings)
    a, b = (read_arrays(tmp_path / run / "last.safetensors")[0] for run in ("whole", "parts"))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    lines = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    assert sum("psnr_y" in json.loads(line) for line in lines) == 1


def test_a_clip_trained_on_and_tested_on_is_named_before_the_first_step(
    drawn_reds,  # noqa: F811
    tmp_path,
):
    root = shutil.copytree(drawn_reds, tmp_path / "REDS")
    (root / "both.txt").write_text("000\n001 6 (32,48,3) 0\n")
    with pytest.raises(TrainingError, match=r"figures measured .* say nothing: 001; leave them"):
        trained(root, tmp_path / "run", data={"test_list": "both.txt"})
    shutil.copytree(root / "train_sharp" / "000", root / "train_sharp" / "240")  # renamed
    with pytest.raises(TrainingError, match=r"000 \(trained on as 240: the same frames\)"):
        trained(root, tmp_path / "run")
    assert not (tmp_path / "run").exists()
