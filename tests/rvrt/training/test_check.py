"""rvrt-train --check, on set-ups that are good and bad."""

import dataclasses
import multiprocessing
import os
import shutil
import signal
import threading
import time

import pytest
from click.testing import CliRunner

from rvrt.cli.train import main
from rvrt.config.loading import to_yaml
from rvrt.training.check import OK, WARNING, WRONG, check_training
from rvrt.training.trial import trial_of
from tests.rvrt.tiny_training import tiny_config
from vimeo_tools.data.septuplets import split_list_path


def before_the_trial(config):
    """What is found before a step is tried, which takes seconds."""
    found = []
    for finding in check_training(config, None, "CPU"):
        found.append(finding)
        if finding.subject == "LQ":
            break
    return {finding.subject: finding for finding in found}


@pytest.mark.slow
def test_a_good_training_is_found_good_and_nothing_is_written(drawn, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(tiny_config(drawn, train={"steps": 1000}, validation={"clips": 1})))
    output = tmp_path / "run"
    command = ["--config", str(file), "--output", str(output), "--check"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert not output.exists()
    lines = done.output.splitlines()
    subjects = [line.split()[1] for line in lines[:-1]]
    assert subjects == [
        "data", "lists", "LQ", "memory", "gradients", "learning", "time", "disk",
    ]  # fmt: skip
    assert "2 clips to train on, 1 to validate on; GT 48x32, LQ 12x8" in lines[0]
    assert "norms by part: feat_extract" in lines[4]
    assert "1,000 steps: " in lines[6] and "GiB are free" in lines[7]
    assert lines[-1] == "0 wrong, 0 warnings; nothing was written"


@pytest.mark.slow
def test_the_trial_measures_what_the_training_would_do(drawn):
    trial = trial_of(tiny_config(drawn, train={"batch_size": 4, "micro_batch": 1}), "CPU")
    assert trial.batch == 2
    assert trial.without == []
    assert sum(norm**2 for norm in trial.norms.values()) == pytest.approx(1)
    assert trial.state > 2 * trial.weights > 0
    assert min(trial.losses[1:]) < trial.losses[0]


def test_frames_that_the_recipe_does_not_make_are_wrong(septuplets, vimeo_prep):
    vimeo_prep("--generate-lq", "--output-dir", "BIx4", cwd=septuplets)
    config = tiny_config(septuplets, data={"lq": "BIx4"})
    assert "samples made again, none differs" in before_the_trial(config)["LQ"].text
    (septuplets / "BIx4" / "vimeo-prep.json").unlink()  # nothing says how they were made
    other = tiny_config(septuplets, data={"lq": "BIx4", "degradation": "bd"})
    finding = before_the_trial(other)["LQ"]
    assert finding.verdict == WRONG and "BIx4 is not bd x4 of sequences" in finding.text


def test_a_clip_in_both_lists_is_wrong(septuplets):
    shutil.copy(split_list_path(septuplets, "train"), split_list_path(septuplets, "test"))
    finding = before_the_trial(tiny_config(septuplets))["lists"]
    assert finding.verdict == WRONG and "00001/0001" in finding.text


def test_absent_data_are_wrong_and_the_end(tmp_path):
    (finding,) = check_training(tiny_config(tmp_path / "absent"), None, "CPU")
    assert (finding.verdict, finding.subject) == (WRONG, "data")


@pytest.mark.slow
def test_a_trial_that_is_killed_is_a_finding(drawn):
    def kill():
        deadline = time.monotonic() + 60
        while not multiprocessing.active_children() and time.monotonic() < deadline:
            time.sleep(0.05)
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    *_, last = check_training(tiny_config(drawn), None, "CPU")
    thread.join()
    assert (last.verdict, last.subject) == (WRONG, "step")
    assert "ended with -9" in last.text and "train.micro_batch=1" in last.text


def test_departures_from_a_published_training_are_warnings(drawn):
    config = tiny_config(drawn)
    assert all(f.verdict == OK for f in before_the_trial(config).values())
    published = before_the_trial(dataclasses.replace(config, preset="rvrt-light"))
    assert published["recipe"].verdict == WARNING
