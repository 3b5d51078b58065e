"""Packing: bytes unchanged, whole or without its name, resumed to the same database."""

import lmdb
import pytest

from tests.conftest import SIZE, TEST, TRAIN, tree_bytes
from vimeo_tools.data.lmdb_store import LmdbReader, LmdbWriter
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import FRAME_NUMBERS, frame_path
from vimeo_tools.errors import OutputError, SettingsError
from vimeo_tools.preparation.pack import pack
from vimeo_tools.preparation.pack_plan import CONTENTS, PackPlan
from vimeo_tools.running.folders import taken

KEYS = [*TRAIN, *TEST]


@pytest.fixture
def gt(septuplets):
    return septuplets / "sequences"


@pytest.fixture
def plan(gt, tmp_path):
    return PackPlan(gt, tmp_path / "gt.lmdb", KEYS, FRAME_NUMBERS, SIZE)


def test_names_that_trainers_ask_for():
    names = {
        name: content.name_template.format(split="train") for name, content in CONTENTS.items()
    }
    assert names == {
        "gt-all": "vimeo90k_train_GT_all.lmdb",
        "gt-centre": "vimeo90k_train_GT_only4th.lmdb",
        "lq": "vimeo90k_train_LR7frames.lmdb",
    }
    assert CONTENTS["gt-centre"].numbers == (4,)


@pytest.mark.parametrize("profile", ["basicsr", "mmagic"])
def test_png_bytes_are_stored_unchanged(gt, tmp_path, profile):
    plan = PackPlan(gt, tmp_path / "gt.lmdb", KEYS, FRAME_NUMBERS, SIZE, profile)
    summary = pack(plan)
    assert (summary.clips, summary.done, summary.skipped, summary.failures) == (3, 21, 0, [])
    reader = LmdbReader(plan.target)
    assert reader.profile.name == profile
    names = [f"{key}/im{number}" for key in KEYS for number in FRAME_NUMBERS]
    assert sorted(reader.frames()) == names
    for name in names:
        assert reader.read(name) == (gt / f"{name}.png").read_bytes()
    assert not plan.partial.exists()


def test_the_readers_way_of_opening_it(plan):
    """As BasicSR's and KAIR's LMDB clients open a database, and the keys they form."""
    pack(plan)
    env = lmdb.open(str(plan.target), readonly=True, lock=False, readahead=False)
    with env.begin(write=False) as transaction:
        assert (
            transaction.get(b"00001/0001/im4") == frame_path(plan.source, KEYS[0], 4).read_bytes()
        )
    env.close()
    lines = (plan.target / "meta_info.txt").read_text().splitlines()
    assert [line.split(".")[0] for line in lines][:2] == ["00001/0001/im1", "00001/0001/im2"]


def test_packed_already_is_nothing_to_do_and_another_packing_is_refused(plan, gt):
    pack(plan)
    before = tree_bytes(plan.target)
    assert pack(plan).skipped == 21
    shorter = PackPlan(gt, plan.target, TRAIN, FRAME_NUMBERS, SIZE)
    with pytest.raises(OutputError, match=r"clips 3 \(now 2\).*--overwrite"):
        pack(shorter)
    assert tree_bytes(plan.target) == before
    assert pack(shorter, overwrite=True).done == 14
    assert len(list(LmdbReader(plan.target).frames())) == 14
    assert [path.name for path in plan.target.parent.glob("gt.lmdb*")] == ["gt.lmdb"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at_batch", [0, 1])
def test_a_killed_run_is_continued_to_the_same_bytes(plan, tmp_path, monkeypatch, at_batch):
    undisturbed = PackPlan(plan.source, tmp_path / "other.lmdb", KEYS, FRAME_NUMBERS, SIZE)
    pack(undisturbed)
    calls = []

    def killed(writer, records):
        if len(calls) == at_batch:
            raise Killed
        calls.append(records)
        real(writer, records)

    real = LmdbWriter.put_all
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(LmdbWriter, "put_all", killed)
        pack(plan)
    assert not plan.target.exists()
    summary = pack(plan)
    assert (summary.done, summary.skipped) == (
        21 - 16 * at_batch,
        16 * at_batch,
    )
    assert tree_bytes(plan.target) == tree_bytes(undisturbed.target)


def test_with_a_bad_frame_it_does_not_get_its_name(plan):
    bad = frame_path(plan.source, TRAIN[0], 2)
    data = bad.read_bytes()
    bad.write_bytes(data[:-20])
    frame_path(plan.source, TRAIN[1], 7).rename(plan.source / "im7.png")
    summary = pack(plan)
    assert summary.done == 19
    assert ["truncated" in f.reason or "missing" in f.reason for f in summary.failures] == [
        True
    ] * 2
    assert not plan.target.exists()
    assert plan.partial.exists()
    bad.write_bytes(data)
    (plan.source / "im7.png").rename(frame_path(plan.source, TRAIN[1], 7))
    assert pack(plan).done == 2
    reader = LmdbReader(plan.target)
    for name in reader.frames():
        assert reader.read(name) == (plan.source / f"{name}.png").read_bytes()


def test_a_partial_of_other_frames_is_refused(plan, gt):
    frame_path(gt, TEST[0], 1).unlink()
    pack(plan)
    with pytest.raises(OutputError, match="clips 3"):
        pack(PackPlan(gt, plan.target, TRAIN, FRAME_NUMBERS, SIZE))
    assert pack(PackPlan(gt, plan.target, TRAIN, FRAME_NUMBERS, SIZE), overwrite=True).done == 14


def test_a_strangers_folder_of_that_name_is_refused(plan):
    plan.target.mkdir()
    (plan.target / "data.mdb").write_bytes(b"precious")
    with pytest.raises(OutputError, match="no database that this command made"):
        pack(plan)
    assert (plan.target / "data.mdb").read_bytes() == b"precious"


def test_two_at_once_are_refused(plan):
    with taken(plan.partial, plan.record()), pytest.raises(OutputError, match="is at work there"):
        pack(plan)


def test_wrong_sizes_and_profiles(gt, tmp_path):
    with pytest.raises(SettingsError, match="basicsr, mmagic"):
        PackPlan(gt, tmp_path / "a.lmdb", KEYS, (4,), SIZE, "caffe")
    summary = pack(PackPlan(gt, tmp_path / "a.lmdb", KEYS, (4,), FrameSize(64, 112)))
    assert {failure.reason for failure in summary.failures} == {"the frame is 48x32, need 112x64"}
