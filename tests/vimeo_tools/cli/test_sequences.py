"""Data sets of long sequences through the commands: prepared, verified, packed, read back."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TEST, TRAIN, tree_bytes
from vimeo_tools import open_sequences
from vimeo_tools.data.png import decode_png

SOURCES = [*TRAIN, *TEST]


@pytest.fixture(scope="session")
def drawn_reds(drawn, tmp_path_factory):
    """REDS in small: four training clips, 000 of REDS4 among them, and one validation clip."""
    root = tmp_path_factory.mktemp("reds")
    for n, key in enumerate(["000", "001", "002", "239"]):
        put_clip(drawn, root / "train_sharp" / key, n)
    put_clip(drawn, root / "val_sharp" / "000", 4, last=5)
    return root


@pytest.fixture
def reds(drawn_reds, tmp_path):
    """A copy, to do anything with."""
    return shutil.copytree(drawn_reds, tmp_path / "REDS")


def put_clip(drawn, folder, source, last=6):
    folder.mkdir(parents=True)
    for number in range(last):
        frame = drawn / "sequences" / SOURCES[source % 3] / f"im{(number + source) % 7 + 1}.png"
        shutil.copy(frame, folder / f"{number:08d}.png")


def test_reds_is_prepared_verified_and_packed(vimeo_prep, reds):
    done = vimeo_prep("--layout", "auto", "--generate-lq", cwd=reds)
    assert (done.returncode, done.stderr) == (0, "")
    assert "layout reds: train_sharp holds 4 clips (three digits" in done.stdout
    assert "tested on and never trained on: 000" in done.stdout
    assert len(list((reds / "BIx4").rglob("0000000?.png"))) == 24
    train = (reds / "BIx4" / "meta_info_REDS_train_GT.txt").read_text()
    assert train == "001 6 (32,48,3)\n002 6 (32,48,3)\n239 6 (32,48,3)\n"
    test = (reds / "BIx4" / "meta_info_REDS_test_GT.txt").read_text()
    assert test == "000 6 (32,48,3)\n"

    verified = vimeo_prep("verify", "--layout", "reds", cwd=reds)
    assert (verified.returncode, "double: 24 of 24 frames exact" in verified.stdout) == (0, True)

    assert vimeo_prep("pack-lmdb", "--layout", "reds", cwd=reds).returncode == 0
    gt, lq = reds / "train_sharp_with_val.lmdb", reds / "train_sharp_bicubic_with_val.lmdb"
    lines = (gt / "meta_info.txt").read_text().splitlines()
    assert (lines[0], len(lines)) == ("001/00000000.png (32,48,3) 1", 18)
    assert (lq / "meta_info.txt").read_text().splitlines()[-1] == "239/00000005.png (8,12,3) 1"
    assert vimeo_prep("verify", gt, lq, cwd=reds).returncode == 0
    assert vimeo_prep("verify", "train_sharp", lq, "--layout", "reds", cwd=reds).returncode == 0

    folders = open_sequences(reds / "train_sharp", reds / "BIx4", layout="reds", split="train")
    databases = open_sequences(gt, lq)
    made = open_sequences(reds / "train_sharp", layout="reds", split="train")
    assert folders.keys == databases.keys == made.keys == ["001", "002", "239"]
    for a, b, c in zip(folders, databases, made, strict=True):
        assert a.gt.shape == (6, 3, 32, 48)
        for lq, gt in (b, c):
            assert np.array_equal(a.lq, lq)
            assert np.array_equal(a.gt, gt)


def test_a_second_run_makes_what_is_new_and_touches_nothing_else(vimeo_prep, reds, drawn):
    vimeo_prep("--layout", "reds", "--generate-lq", cwd=reds)
    before = {path: path.stat().st_mtime_ns for path in (reds / "BIx4").rglob("*.png")}
    put_clip(drawn, reds / "train_sharp" / "100", 1)
    again = vimeo_prep("--layout", "reds", "--generate-lq", cwd=reds)
    assert (again.returncode, "6 frames in" in again.stdout) == (0, True)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert "100 6" in (reds / "BIx4" / "meta_info_REDS_train_GT.txt").read_text()


def test_four_fields_are_written_read_and_held_against_the_frames(vimeo_prep, reds):
    form = ["--layout", "reds", "--annotation-form", "kair", "--output-dir", "lists"]
    assert vimeo_prep(*form, cwd=reds).returncode == 0
    path = reds / "lists" / "meta_info_REDS_train_GT.txt"
    assert path.read_text().startswith("001 6 (32,48,3) 00000000\n002")
    again = [*form, "--train-annotation", path]
    assert vimeo_prep(*again, cwd=reds).returncode == 0
    (reds / "train_sharp" / "002" / "00000003.png").unlink()
    (reds / "train_sharp" / "239" / "00000005.png").unlink()
    found = vimeo_prep(*again, cwd=reds)
    assert found.returncode == 1
    assert "002: between frames 00000002 and 00000004 others are missing" in found.stderr
    assert "239: the list says 6 frames, there are 5" in found.stderr
    assert path.read_text() == "001 6 (32,48,3) 00000000\n"


def test_validation_clips_of_reds_are_grouped_with_the_others(vimeo_prep, reds):
    before = tree_bytes(reds)
    done = vimeo_prep("--layout", "reds", "--regroup", "--output-dir", "lists", cwd=reds)
    assert (done.returncode, "regrouped: 1 clips, 5 frames" in done.stdout) == (0, True)
    for number in range(5):
        names = (f"train_sharp/240/{number:08d}.png", f"val_sharp/000/{number:08d}.png")
        assert (reds / names[0]).samefile(reds / names[1])
    assert "240 5 (32,48,3)" in (reds / "lists" / "meta_info_REDS_train_GT.txt").read_text()
    assert before.items() <= tree_bytes(reds).items()
    again = vimeo_prep("--layout", "reds", "--regroup", "--output-dir", "lists", cwd=reds)
    assert (again.returncode, "0 frames" in again.stdout) == (0, True)

    shutil.rmtree(reds / "train_sharp" / "240")
    shutil.copytree(reds / "train_sharp" / "001", reds / "train_sharp" / "240")
    refused = vimeo_prep("--layout", "reds", "--regroup", cwd=reds)
    assert (refused.returncode, "240: is there and is not" in refused.stderr) == (1, True)
    assert "is for REDS" in vimeo_prep("--regroup", cwd=reds / "lists").stderr


def test_clips_of_any_size_and_jpeg_frames(vimeo_prep, drawn, tmp_path):
    source = decode_png((drawn / "sequences" / TRAIN[0] / "im1.png").read_bytes())
    for name, width in (("walk", 48), ("city", 40)):
        (tmp_path / "GT" / name).mkdir(parents=True)
        for n in range(9, 12):
            Image.fromarray(source[:, :width]).save(tmp_path / "GT" / name / f"f{n}.jpg")
    (tmp_path / "GT" / "odd").mkdir()
    Image.fromarray(source[:30]).save(tmp_path / "GT" / "odd" / "1.png")
    done = vimeo_prep("--layout", "auto", "--generate-lq", cwd=tmp_path)
    assert (done.returncode, "layout folders: GT holds 3 clips" in done.stdout) == (1, True)
    assert "odd: frames of 48x30 at scale 4: both sides must be multiples" in done.stderr
    assert len(list((tmp_path / "BIx4").rglob("f*.png"))) == 6
    shutil.rmtree(tmp_path / "GT" / "odd")
    verified = vimeo_prep("verify", "--layout", "folders", cwd=tmp_path)
    assert "double: 6 of 6 frames exact" in verified.stdout
    packed = vimeo_prep("pack-lmdb", "--layout", "folders", cwd=tmp_path)
    assert packed.returncode == 0
    lines = (tmp_path / "folders_train_LR.lmdb" / "meta_info.txt").read_text().splitlines()

    assert {line.split()[1] for line in lines} == {"(8,10,3)", "(8,12,3)"}
    source = open_sequences(tmp_path / "GT", tmp_path / "BIx4", layout="folders")
    databases = open_sequences(
        tmp_path / "folders_train_GT.lmdb", tmp_path / "folders_train_LR.lmdb"
    )
    for a, b in zip(source, databases, strict=True):
        assert np.array_equal(a.gt, b.gt)
        assert np.array_equal(a.lq, b.lq)


def test_frames_within_a_folder_of_each_clip(vimeo_prep, drawn, tmp_path):
    for clip in ("GOPR0372_07_00", "GOPR0384_11_00"):
        (tmp_path / "train" / clip / "sharp").mkdir(parents=True)
        for n in range(47, 50):
            frame = drawn / "sequences" / TRAIN[0] / f"im{n - 46}.png"
            shutil.copy(frame, tmp_path / "train" / clip / "sharp" / f"{n:06d}.png")
    options = ["--layout", "gopro", "--generate-lq", "--annotation-form", "kair"]
    assert vimeo_prep(*options, cwd=tmp_path).returncode == 0
    assert (tmp_path / "train" / "BIx4").exists() is False
    assert (tmp_path / "BIx4" / "GOPR0372_07_00" / "000047.png").is_file()
    annotation = tmp_path / "BIx4" / "meta_info_GoPro_train_GT.txt"
    assert annotation.read_text() == "GOPR0372_07_00 3 (32,48,3) 000047\n"
    verified = vimeo_prep("verify", "train/*/sharp", "BIx4", "--layout", "gopro", cwd=tmp_path)
    assert (verified.returncode, "6 of 6 frames exact" in verified.stdout) == (0, True)
