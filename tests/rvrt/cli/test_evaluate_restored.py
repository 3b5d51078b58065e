"""rvrt-eval --restored: frames of another program, measured as a network's are."""

import json
import shutil

import numpy as np
import pytest

from rvrt.restoration.pictures import save_picture
from tests.rvrt.cli.evaluating import rvrt_eval
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import synthesize


def means(folder):
    return json.loads((folder / "results.json").read_text())["means"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "vimeo_septuplet"
    synthesize(root, 4, test_clips=3, size=FrameSize(height=32, width=48), seed=1)
    return root


@pytest.fixture(scope="module")
def others(data, tmp_path_factory):
    """What another program restored: here bicubic's own frames, so that its scores are known."""
    out = tmp_path_factory.mktemp("others")
    done = rvrt_eval("--weights", "none", "--data", data, "--output-dir", out, "--save-images")
    assert done.exit_code == 0, done.output
    return out / "images"


def test_frames_of_others_score_as_what_they_are(data, others, tmp_path):
    arguments = ("--restored", others, "--data", data, "--output-dir")
    done = rvrt_eval(*arguments, tmp_path / "out", "--save-images")
    assert done.exit_code == 0, done.output
    found = means(tmp_path / "out")
    assert found["ours"] == found["bicubic"]
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert stored["title"] == "images on vimeo_septuplet test"
    assert stored["settings"]["restored"] == str(others)
    assert stored["seconds_per_call"] is stored["weights"] is None
    assert rvrt_eval("--verify", tmp_path / "out").exit_code == 0
    # Flat names of clips, as some programs write them.
    flat = tmp_path / "flat"
    for clip in others.glob("*/*"):
        shutil.copytree(clip, flat / f"{clip.parent.name}_{clip.name}")
    done = rvrt_eval("--restored", flat, "--data", data, "--output-dir", tmp_path / "second")
    assert done.exit_code == 0 and means(tmp_path / "second")["ours"] == found["ours"]


def test_sequences_of_any_length(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        for index in range(3):
            picture = rng.integers(0, 256, (24, 32, 3), np.uint8)
            save_picture(tmp_path / "gt" / name / f"{index}.png", picture)
            save_picture(tmp_path / "restored" / name / f"{index}.png", picture // 2)
    out = tmp_path / "out"
    done = rvrt_eval(
        "--restored", tmp_path / "restored", "--gt", tmp_path / "gt", "--output-dir", out
    )
    assert done.exit_code == 0, done.output
    assert 4 < means(out)["ours"]["psnr_rgb"] < 12  # half as bright
    frames = (out / "per_frame.csv").read_text().splitlines()
    assert len(frames) == 1 + 6


def test_what_cannot_be_measured_is_named(data, others, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(others, mine)
    first = sorted(mine.glob("*/*/im4.png"))[0]
    arguments = ("--restored", mine, "--data", data, "--output-dir", tmp_path / "out")
    save_picture(first, np.zeros((16, 48, 3), np.uint8))
    done = rvrt_eval(*arguments)
    assert done.exit_code == 1 and f"{first}: is 48x16, the true frame 48x32" in done.output
    shutil.copy(others / first.relative_to(mine), first.with_suffix(".bmp"))
    done = rvrt_eval(*arguments)
    assert done.exit_code == 1 and "im4.bmp and" in done.output
    first.with_suffix(".bmp").unlink()
    first.unlink()
    done = rvrt_eval(*arguments)
    assert done.exit_code == 1 and "is not there" in done.output and str(first) in done.output
    shutil.copy(others / first.relative_to(mine), first)
    assert rvrt_eval(*arguments).exit_code == 0  # goes on
    done = rvrt_eval("--restored", others, *arguments[2:])
    assert done.exit_code == 1 and "restored" in done.output


def test_one_of_weights_and_restored(data, tmp_path):
    out = ("--data", data, "--output-dir", tmp_path / "out")
    assert rvrt_eval(*out).exit_code == 2
    done = rvrt_eval("--restored", tmp_path, "--weights", "rvrt-small", *out)
    assert done.exit_code == 1 and "give one of them" in done.output
    done = rvrt_eval("--restored", tmp_path / "absent", *out)
    assert done.exit_code == 1 and "no such folder" in done.output
