"""MindRecord: read back by the feed and by MindSpore's own data set; resumed, refused, damaged."""

import pickle

import numpy as np
import pytest

from tests.conftest import TRAIN, tree_bytes
from vimeo_tools import PackPlan, open_sequences, pack
from vimeo_tools.data.frames import open_source
from vimeo_tools.data.mindrecord_store import INDEX_NAME, MindRecordReader
from vimeo_tools.data.png import decode_png
from vimeo_tools.errors import FrameError, LmdbError, OutputError, SettingsError
from vimeo_tools.preparation import pack_mindrecord

pytest.importorskip("mindspore")


@pytest.fixture(scope="module")
def packed(drawn, tmp_path_factory):
    """GT of the training clips; not to be changed."""
    target = tmp_path_factory.mktemp("packed") / "gt.mindrecord"
    plan = PackPlan(drawn / "sequences", target, TRAIN, None, None, format="mindrecord")
    summary = pack(plan)
    assert (summary.done, summary.failures) == (14, [])
    return target


def test_plain_minddataset_reads_it(packed, drawn):
    # As in docs/data.md.
    from mindspore.dataset import MindDataset

    files = [str(path) for path in sorted(packed.glob("*.mindrecord"))]
    clips = {}
    for row in MindDataset(files).create_dict_iterator(num_epochs=1, output_numpy=True):
        ends = np.cumsum(row["lengths"])
        data = row["frames"].item()
        frames = [data[end - n : end] for end, n in zip(ends, row["lengths"], strict=True)]
        clips[row["key"].item()] = dict(zip(row["names"].item().split(), frames, strict=True))
    assert sorted(clips) == TRAIN
    for key, frames in clips.items():
        for name, data in frames.items():
            assert data == (drawn / "sequences" / key / f"{name}.png").read_bytes()


def test_the_feed_reads_it(packed, drawn):
    stored = open_sequences(packed)
    folders = open_sequences(drawn / "sequences", clip_list=drawn / "sep_trainlist.txt")
    assert stored.keys == folders.keys == TRAIN
    for a, b in zip(pickle.loads(pickle.dumps(stored)), folders, strict=True):
        assert np.array_equal(a.gt, b.gt)
        assert np.array_equal(a.lq, b.lq)


def test_from_the_command_and_verified(vimeo_prep, septuplets):
    assert vimeo_prep("--generate-lq", cwd=septuplets).returncode == 0
    done = vimeo_prep("pack", "--format", "mindrecord", cwd=septuplets)
    assert (done.returncode, "vimeo90k_train_LR7frames.mindrecord: 2 clips" in done.stdout) == (
        0,
        True,
    )
    gt, lq = "vimeo90k_train_GT_all.mindrecord", "vimeo90k_train_LR7frames.mindrecord"
    verified = vimeo_prep("verify", gt, lq, cwd=septuplets)
    assert (verified.returncode, "14 of 14 frames exact" in verified.stdout) == (0, True)
    before = tree_bytes(septuplets / gt)
    again = vimeo_prep("pack", "--format", "mindrecord", cwd=septuplets)
    assert (again.returncode, "14 skipped" in again.stdout) == (0, True)
    assert tree_bytes(septuplets / gt) == before


def test_parts_that_are_whole_are_kept_and_a_bad_frame_keeps_its_name_back(
    septuplets, tmp_path, monkeypatch
):
    monkeypatch.setattr(pack_mindrecord.build, "__defaults__", (1,))  # a part for each clip
    root, target = septuplets / "sequences", tmp_path / "gt.mindrecord"
    plan = PackPlan(root, target, TRAIN, None, None, format="mindrecord")
    good = (root / TRAIN[1] / "im3.png").read_bytes()
    (root / TRAIN[1] / "im3.png").write_bytes(b"broken")
    summary = pack(plan)
    assert (summary.done, len(summary.failures), target.exists()) == (7, 1, False)
    first = plan.partial / "part-0000.mindrecord"
    before = first.stat().st_mtime_ns
    (root / TRAIN[1] / "im3.png").write_bytes(good)
    summary = pack(plan)
    assert (summary.done, summary.skipped, summary.failures) == (7, 7, [])
    assert (target / "part-0000.mindrecord").stat().st_mtime_ns == before
    assert sorted(path.name for path in target.glob("part*")) == [
        "part-0000.mindrecord", "part-0000.mindrecord.db",
        "part-0001.mindrecord", "part-0001.mindrecord.db",
    ]  # fmt: skip
    source = open_source(target)
    assert decode_png(good).tolist() == source.frame(f"{TRAIN[1]}/im3").tolist()
    with pytest.raises(OutputError, match="clips 2"):
        pack(PackPlan(root, target, TRAIN[:1], None, None, format="mindrecord"))


def test_what_is_not_whole(packed, tmp_path):
    reader = MindRecordReader(packed)
    with pytest.raises(FrameError, match="has no frame '00001/0009/im1'"):
        reader.read("00001/0009/im1")
    with pytest.raises(LmdbError, match="no such file"):
        MindRecordReader(tmp_path)
    for text in ("{", "[1, 2]\n", '["a", -1, 0, ["b"], [1]]\n', ""):
        (tmp_path / INDEX_NAME).write_text(text)
        with pytest.raises(LmdbError, match=r"damaged|is empty"):
            MindRecordReader(tmp_path)
    (tmp_path / INDEX_NAME).write_bytes((packed / INDEX_NAME).read_bytes())
    with pytest.raises(LmdbError, match="cannot be read"):
        MindRecordReader(tmp_path).read(f"{TRAIN[0]}/im1")
    (tmp_path / "part-0000.mindrecord").write_bytes(b"short")
    with pytest.raises(LmdbError, match="is cut short"):
        MindRecordReader(tmp_path).read(f"{TRAIN[0]}/im1")


def test_what_does_not_go_together(drawn, tmp_path):
    with pytest.raises(SettingsError, match="format 'tar'"):
        PackPlan(drawn, tmp_path, TRAIN, None, None, format="tar")
    with pytest.raises(SettingsError, match="one of LMDB alone"):
        PackPlan(drawn, tmp_path, TRAIN, None, None, "mmagic", format="mindrecord")
