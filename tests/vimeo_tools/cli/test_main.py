"""vimeo-prep as its users run it: right, with bad input, interrupted and killed."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TRAIN, tree_bytes
from vimeo_tools.data.png import check_png, decode_png, encode_png
from vimeo_tools.data.septuplets import frame_path


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def processes_of(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


# --- the main job -------------------------------------------------------------------------------


def test_the_command_of_the_readme(vimeo_prep, septuplets):
    done = vimeo_prep("--generate-lq", "--output-dir", "BIx4", cwd=septuplets)
    assert done.returncode == 0
    assert "3 clips, 21 frames" in done.stdout
    assert "0 skipped, 0 failed\n  pictures decoded by " in done.stdout
    assert done.stderr == ""  # no progress bar where there is no terminal
    assert sorted(path.name for path in (septuplets / "BIx4").iterdir()) == [
        "00001",
        "meta_info_Vimeo90K_test_GT.txt",
        "meta_info_Vimeo90K_train_GT.txt",
        "vimeo-prep.json",
    ]
    assert sorted(path.name for path in septuplets.iterdir()) == [
        "BIx4", "sep_testlist.txt", "sep_trainlist.txt", "sequences",
    ]  # fmt: skip
    again = vimeo_prep("--generate-lq", "--output-dir", "BIx4", cwd=septuplets)
    assert (again.returncode, "0 frames" in again.stdout) == (0, True)
    assert "21 skipped" in again.stdout


def test_without_generate_lq_only_annotations_are_written(vimeo_prep, septuplets):
    before = set(tree_bytes(septuplets))
    assert vimeo_prep(cwd=septuplets).returncode == 0
    assert set(tree_bytes(septuplets)) - before == {
        "meta_info_Vimeo90K_train_GT.txt",
        "meta_info_Vimeo90K_test_GT.txt",
    }


def test_everything_can_be_named(vimeo_prep, septuplets, tmp_path):
    done = vimeo_prep(
        "--train-annotation", septuplets / "sep_trainlist.txt",
        "--images-root", septuplets / "sequences",
        "--output-dir", tmp_path / "out", "--generate-lq", "--scale", 2, "--convention", "uint8",
        "--workers", 1, "--annotation-form", "mindediting",
    )  # fmt: skip
    assert done.returncode == 0
    frame = decode_png(frame_path(tmp_path / "out", TRAIN[0], 1).read_bytes())
    assert frame.shape == (16, 24, 3)
    annotation = tmp_path / "out" / "meta_info_Vimeo90K_train_GT.txt"
    assert annotation.read_text().splitlines()[0] == "00001/0001 (32, 48, 3)"
    assert not (tmp_path / "out" / "meta_info_Vimeo90K_test_GT.txt").exists()


def test_another_convention_is_refused_then_overwritten(vimeo_prep, septuplets):
    arguments = ["--generate-lq", "--workers", 1]
    vimeo_prep(*arguments, cwd=septuplets)
    refused = vimeo_prep(*arguments, "--convention", "uint8", cwd=septuplets)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: BIx4: was made with convention double")
    forced = [*arguments, "--convention", "uint8", "--overwrite"]
    assert "replace 3 whole clips" in vimeo_prep(*forced, "--dry-run", cwd=septuplets).stdout
    assert vimeo_prep(*forced, cwd=septuplets).returncode == 0
    assert "made under convention uint8" in vimeo_prep("verify", cwd=septuplets).stdout


def test_bad_frames_and_lines_are_listed_in_a_file(vimeo_prep, septuplets):
    gt = septuplets / "sequences"
    picture = Image.fromarray(np.zeros((32, 48, 3), np.uint8))
    frames = [frame_path(gt, TRAIN[0], number) for number in range(1, 8)]
    frames[0].write_bytes(frames[0].read_bytes()[:-30])
    frames[1].write_bytes(encode_png(np.zeros((32, 44, 3), np.uint8)))
    picture.convert("L").save(frames[2])
    picture.quantize(4).save(frames[3])
    picture.convert("RGBA").save(frames[4])
    Image.fromarray(np.zeros((32, 48), np.uint16)).save(frames[5])
    frames[6].write_text("hello")
    lines = ["../../../etc", "/etc/passwd", "00001/0002", "one/two"]
    with (septuplets / "sep_trainlist.txt").open("ab") as file:
        file.write("\r\n".join(lines).encode())
    done = vimeo_prep("--generate-lq", cwd=septuplets)
    assert done.returncode == 1
    assert "14 frames" in done.stdout
    assert "11 failed" in done.stdout
    report = (septuplets / "BIx4" / "vimeo-prep-failures.txt").read_text().splitlines()
    listed = dict(line.split("\t") for line in report)
    words = ["truncated", "44x32, need 48x32", "grey", "palette", "alpha", "16-bit", "not a PNG"]
    for number, word in enumerate(words, start=1):
        assert word in listed[f"sequences/00001/0001/im{number}.png"]
    assert "line 2 already" in listed["sep_trainlist.txt:5"]
    assert "five digits" in listed["sep_trainlist.txt:3"]
    assert [path.name for path in septuplets.parent.iterdir()] == ["vimeo_septuplet"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "there is no such folder"),
        (["--images-root", "."], "--train-annotation"),
        (["--shard", "0/4"], "3/8"),
        (["--scale", "1"], "scale 1: need 2 to 64"),
        (["--degradation", "noise", "--scale", "4"], "noise, scale 4: need 1"),
        (["--degradation", "noise", "--sigma", "nan"], "of noise, need 0 to 255"),
        (["--degradation", "noise", "--seed", "-1"], "seed -1: need 0 to 4294967295"),
        (["--convention", "single"], "double"),
        (["--dask", "tcp://127.0.0.1:9", "--workers", "2"], "sequences"),
        (["--output-dir", "x", "verify"], "--output-dir stands before 'verify'"),
        (["pack-lmdb"], "no train list"),
        (["verify"], "sequences: there is no such folder"),
        (["verify", ".", "."], "neither clips"),
        (["from-video", "missing.mp4"], "cannot be read"),
        (["from-video", "a.mp4", "--size", "big"], "448x256"),
        (["synthesize", "--clips", "1", "--test-clips", "1"], "at least one for training"),
        (["--scale", "1000000000"], "1<=x<=64"),
        (["--scale", "inf"], "not a valid integer"),
        (["--workers", str(2**63)], "1<=x<=256"),
        (["--shard", f"1/{2**70}"], "at most 1,000,000"),
        (["--shard", "\u0661/\u0662"], "3/8"),
        (["--degradation", "bd", "--sigma", "inf"], "0.1 to 20"),
        (["verify", "--scale", "65"], "1<=x<=64"),
        (["synthesize", "--clips", str(10**20)], "1<=x<=1000000"),
        (["synthesize", "--seed", str(2**63)], "0<=x<=4294967295"),
        (["synthesize", "--size", "99999x99999"], "at most 67,108,864 pixels"),
        (["from-video", "a.mp4", "--stride", str(2**63)], "1<=x<=1000000"),
        (["from-video", "a.mp4", "--workers", str(2**63)], "1<=x<=64"),
        (["--output-dir", "x" * 5000, "--images-root", "."], "--train-annotation"),
    ],
)
def test_mistakes_get_a_message(vimeo_prep, tmp_path, arguments, words):
    done = vimeo_prep(*arguments, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert words in done.stderr


def test_a_clip_in_both_lists_is_a_leak(vimeo_prep, septuplets):
    with (septuplets / "sep_testlist.txt").open("a") as file:
        file.write(f"\n{TRAIN[0]}\n")
    done = vimeo_prep(cwd=septuplets)
    assert done.returncode == 0
    assert "Warning: leak: sep_trainlist.txt and sep_testlist.txt: 1 of 2 test clips" in done.stderr


def test_an_unwritable_output(vimeo_prep, septuplets):
    (septuplets / "BIx4").write_text("a file")
    done = vimeo_prep("--generate-lq", cwd=septuplets)
    assert done.returncode == 1
    assert "BIx4" in done.stderr


def test_help_has_an_example(vimeo_prep):
    for command in ([], ["pack-lmdb"], ["verify"], ["from-video"], ["synthesize"]):
        done = vimeo_prep(*command, "--help")
        assert done.returncode == 0
        assert " ".join(["    vimeo-prep", *command]) in done.stdout


def test_a_dask_cluster_and_shards_make_the_same_tree(vimeo_prep, septuplets, tmp_path):
    distributed = pytest.importorskip("distributed")
    arguments = ["--generate-lq", "--output-dir"]
    vimeo_prep(*arguments, tmp_path / "plain", cwd=septuplets)
    cluster = {"n_workers": 2, "processes": False, "protocol": "tcp", "dashboard_address": None}
    with distributed.LocalCluster(**cluster) as running:
        address = running.scheduler_address
        done = vimeo_prep(
            *arguments, tmp_path / "dask", "--dask", address, cwd=septuplets.resolve()
        )
    assert (done.returncode, "21 frames" in done.stdout) == (0, True)
    assert tree_bytes(tmp_path / "dask") == tree_bytes(tmp_path / "plain")
    for shard in ("2/2", "1/2"):
        options = ["--shard", shard, "--workers", 1]
        assert vimeo_prep(*arguments, tmp_path / "shards", *options, cwd=septuplets).returncode == 0
    assert tree_bytes(tmp_path / "shards") == tree_bytes(tmp_path / "plain")


# --- interrupted and killed ---------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_nothing_is_broken_and_nothing_is_lost(
    vimeo_prep, many_clips, tmp_path, workers
):
    arguments = ["--generate-lq", "--workers", str(workers)]
    vimeo_prep(*arguments, "--output-dir", tmp_path / "undisturbed", cwd=many_clips)
    lq = many_clips / "BIx4"

    def frames():
        return list(lq.glob("*/*/im?.png"))

    def kill_when(wanted):
        child = subprocess.Popen(
            [vimeo_prep.path, *arguments], cwd=many_clips, start_new_session=True
        )
        wait_until(lambda: len(frames()) >= wanted or child.poll() is not None)
        child.kill()
        child.wait()
        wait_until(lambda: not processes_of(child.pid))

    for wanted in (1, 60, 130):
        kill_when(wanted)
        for path in frames():
            check_png(path.read_bytes())
    before = {path: path.stat().st_mtime_ns for path in frames()}
    assert vimeo_prep(*arguments, cwd=many_clips).returncode == 0
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())
    assert tree_bytes(lq) == tree_bytes(tmp_path / "undisturbed")


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_with_a_message_and_no_process(vimeo_prep, many_clips, workers):
    child = subprocess.Popen(
        [vimeo_prep.path, "--generate-lq", "--workers", str(workers)],
        cwd=many_clips,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: list(many_clips.glob("BIx4/*/*/im1.png")))
    os.killpg(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=30)
    assert child.returncode == 130
    assert errors == "\nInterrupted. What is done is kept: run the same command again.\n"
    wait_until(lambda: not processes_of(child.pid))
    assert vimeo_prep("--generate-lq", cwd=many_clips).returncode == 0


def test_a_killed_pack_leaves_no_database_of_that_name(vimeo_prep, many_clips, tmp_path):
    arguments = ["pack-lmdb", "--content", "gt-all"]
    vimeo_prep(*arguments, "--output-dir", tmp_path, cwd=many_clips)
    name = "vimeo90k_train_GT_all.lmdb"
    partial = many_clips / f"{name}.partial" / "data.mdb"
    child = subprocess.Popen([vimeo_prep.path, *arguments], cwd=many_clips)
    wait_until(partial.exists)
    child.kill()
    child.wait()
    assert (many_clips / name).exists() != partial.exists()
    assert vimeo_prep(*arguments, cwd=many_clips).returncode == 0
    assert tree_bytes(many_clips / name) == tree_bytes(tmp_path / name)
    assert not partial.exists()


# --- the other commands -------------------------------------------------------------------------


def test_pack_lmdb_packs_what_is_there(vimeo_prep, septuplets):
    vimeo_prep("--generate-lq", cwd=septuplets)
    done = vimeo_prep("pack-lmdb", cwd=septuplets)
    assert done.returncode == 0
    assert "vimeo90k_train_GT_all.lmdb: 2 clips, 14 frames" in done.stdout
    assert "vimeo90k_train_LR7frames.lmdb: 2 clips, 14 frames" in done.stdout
    pair = ["vimeo90k_train_GT_all.lmdb", "vimeo90k_train_LR7frames.lmdb"]
    assert (
        "convention double, every sample equal"
        in vimeo_prep("verify", *pair, cwd=septuplets).stdout
    )
    centre = ["pack-lmdb", "--content", "gt-centre", "--profile", "mmagic", "--split", "test"]
    assert vimeo_prep(*centre, "--name", "c.lmdb", cwd=septuplets).returncode == 0
    assert (septuplets / "c.lmdb" / "meta_info.txt").read_text() == "00001_0003_4.png (32,48,3) 1\n"
    assert vimeo_prep("pack-lmdb", "--name", "a.lmdb", cwd=septuplets).returncode == 1


def test_pack_lmdb_with_a_bad_frame(vimeo_prep, septuplets):
    frame_path(septuplets / "sequences", TRAIN[1], 2).write_bytes(b"")
    done = vimeo_prep("pack-lmdb", cwd=septuplets)
    assert done.returncode == 1
    assert "1 failed; kept as vimeo90k_train_GT_all.lmdb.partial" in done.stdout
    report = (septuplets / "vimeo90k_train_GT_all.lmdb.failures.txt").read_text()
    assert report == "sequences/00001/0002/im2.png\tthe file is empty\n"


def test_verify_exits_with_1_and_reports(vimeo_prep, septuplets):
    vimeo_prep("--generate-lq", cwd=septuplets)
    assert vimeo_prep("verify", "--sample", 1, cwd=septuplets).returncode == 0
    frame_path(septuplets / "BIx4", TRAIN[0], 1).unlink()
    done = vimeo_prep("verify", "--report", "off.txt", cwd=septuplets)
    assert done.returncode == 1
    assert "  1 failure\n" in done.stdout
    assert "1 failure in all, listed in off.txt" in done.stderr
    assert (septuplets / "off.txt").read_text() == "BIx4/00001/0001/im1\tthe file is missing\n"


def test_synthesize_then_prepare(vimeo_prep, tmp_path):
    arguments = ["--clips", 2, "--test-clips", 0, "--size", "64x32", "--output-dir", "drawn"]
    assert vimeo_prep("synthesize", *arguments, cwd=tmp_path).returncode == 0
    assert vimeo_prep("--generate-lq", cwd=tmp_path / "drawn").returncode == 0
    assert vimeo_prep("verify", cwd=tmp_path / "drawn").returncode == 0
