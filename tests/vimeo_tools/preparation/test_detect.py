"""The detective on data as it lies on disk, and as a command."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import SIZE, TEST, TRAIN
from tests.oracles.makers import textured
from vimeo_tools import degrade, detect, downscale, pack
from vimeo_tools.data.png import FrameSize, decode_png, encode_png
from vimeo_tools.data.septuplets import FRAME_NUMBERS, frame_path
from vimeo_tools.degradations import DEGRADATIONS
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.preparation.downsample import LqSettings, downsample_tree
from vimeo_tools.preparation.pack_plan import PackPlan
from vimeo_tools.running.records import RECORD_NAME

KEYS = [*TRAIN, *TEST]


def write(path, frame):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.ascontiguousarray(frame)))


@pytest.fixture
def trees(septuplets):
    """GT and LQ made by DUF's blur."""
    gt, lq = septuplets / "sequences", septuplets / "mine"
    downsample_tree(gt, lq, KEYS, LqSettings(DEGRADATIONS["bd-duf"], 4, SIZE))
    return gt, lq


def test_trees_and_databases(trees, tmp_path):
    gt, lq = trees
    found = detect(lq)
    assert (found.gt, found.detection.best.name, found.contradiction) == (gt, "bd-duf", "")
    assert found.detection.frames == 8
    for source, name, size in ((gt, "gt", SIZE), (lq, "lq", FrameSize(8, 12))):
        pack(PackPlan(source, tmp_path / f"{name}.lmdb", KEYS, FRAME_NUMBERS, size))
    for pair in ((tmp_path / "lq.lmdb", tmp_path / "gt.lmdb"), (tmp_path / "lq.lmdb", gt)):
        assert detect(*pair).detection.degradation == DEGRADATIONS["bd-duf"]


def test_a_record_that_is_wrong(trees):
    gt, lq = trees
    for number in FRAME_NUMBERS:
        for key in KEYS:
            frame = decode_png(frame_path(gt, key, number).read_bytes())
            write(frame_path(lq, key, number), degrade(frame, "bd"))
    found = detect(lq, gt)
    assert found.detection.best.name == "bd"
    assert found.contradiction.endswith("says otherwise: bd-duf, scale 4")
    assert found.contradiction in str(found)


def test_pictures_by_any_name_at_any_depth(tmp_path):
    for n, (folder, name) in enumerate([("", "a"), ("calendar", "Frame 001"), ("x/y", "00000007")]):
        gt = textured(n)
        write(tmp_path / f"{n}/GT" / folder / f"{name}.png", gt)
        write(tmp_path / f"{n}/LRx4" / folder / f"{name}x4.png", downscale(gt, 4, "uint8"))
        found = detect(tmp_path / f"{n}/LRx4")
        assert found.gt == tmp_path / f"{n}/GT"
        assert found.detection.values()["convention"] == "uint8"


def test_a_few_frames_are_read_and_no_others(trees):
    gt, lq = trees
    chosen = frame_path(lq, TRAIN[1], 4)  # in the middle of all
    for path in lq.rglob("*.png"):
        if path != chosen:
            path.write_bytes(b"damaged")
    assert detect(lq, gt, sample=1).detection.best.name == "bd-duf"
    with pytest.raises(FrameError, match=str(lq)):
        detect(lq, gt)


@pytest.mark.slow
def test_a_large_tree_takes_no_longer(tmp_path):
    """Half a million frames of a full-size tree: names alone, but for those that are looked at."""
    import os
    import time

    gt, lq = textured(0), tmp_path / "lq"
    write(tmp_path / "gt.png", gt)
    write(tmp_path / "lq.png", degrade(gt, "bd"))
    for folder in range(1, 21):
        for clip in range(1, 1001):
            for root, source in (("sequences", "gt.png"), ("lq", "lq.png")):
                place = tmp_path / root / f"{folder:05d}" / f"{clip:04d}"
                place.mkdir(parents=True)
                os.link(tmp_path / source, place / "im4.png")
    start = time.process_time()
    assert detect(lq).detection.best.name == "bd"
    assert time.process_time() - start < 5


def test_what_cannot_be_told(trees, tmp_path):
    gt, lq = trees
    with pytest.raises(SettingsError, match="no such folder"):
        detect(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="holds no pictures"):
        detect(tmp_path / "empty")
    with pytest.raises(SettingsError, match="at least 1"):
        detect(lq, gt, sample=0)
    with pytest.raises(SettingsError, match="holds no frame for 00001"):
        detect(lq, tmp_path / "empty")
    lonely = tmp_path / "alone" / "lq"
    write(lonely / "a.png", textured(0))
    with pytest.raises(SettingsError, match="give the frames that these were made of with --gt"):
        detect(lonely)
    with pytest.raises(SettingsError, match="both of 48x32"):
        detect(gt, gt)


def test_the_command(vimeo_prep, trees):
    gt, lq = trees
    (lq / RECORD_NAME).unlink()
    done = vimeo_prep("detect", "mine", cwd=gt.parent)
    assert done.returncode == 0, done.stderr
    assert "made with DUF's blur: its pixels lie 1.5 GT pixels up and left" in done.stdout
    done = vimeo_prep("detect", "mine", "--gt", "sequences", "--sample", 3, "--json", cwd=gt.parent)
    values = json.loads(done.stdout)
    assert (values["maker"], values["frames"], values["recorded"]) == ("bd-duf", 3, None)
    assert values["channels"] == "RGB" and values["scale"] == 4
    done = vimeo_prep("detect", "nothing", cwd=gt.parent)
    assert done.returncode == 1 and "no such folder" in done.stderr


def test_it_needs_none_of_the_programs():
    probe = (
        "import sys, numpy, vimeo_tools;"
        "vimeo_tools.detect_degradation(numpy.eye(32, dtype='uint8'), numpy.eye(8, dtype='uint8'));"
        "print({'PIL', 'cv2', 'scipy', 'torch'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
