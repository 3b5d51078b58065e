"""GT tree -> LQ tree: right pixels, resume, never a mixture."""

import errno
import json

import numpy as np
import pytest

from tests.conftest import SIZE, TEST, TRAIN, tree_bytes
from vimeo_tools import open_sequences
from vimeo_tools.data.codecs import CODECS, VARIABLE, choose_codec
from vimeo_tools.data.png import FrameSize, decode_png, encode_png
from vimeo_tools.data.septuplets import FRAME_NUMBERS, frame_path
from vimeo_tools.degradations import DEGRADATIONS, Bicubic, Noise
from vimeo_tools.errors import OutputError, SettingsError
from vimeo_tools.feed.augment import Augmentation
from vimeo_tools.preparation.downsample import (
    LqSettings,
    downsample_tree,
    read_settings,
)
from vimeo_tools.preparation.verify import verify
from vimeo_tools.resize.matlab import downscale
from vimeo_tools.running.atomic import write_file
from vimeo_tools.running.jobs import process_pool
from vimeo_tools.running.records import RECORD_NAME, read_record

KEYS = [*TRAIN, *TEST]
DOUBLE, UINT8 = (LqSettings(Bicubic(convention), 4, SIZE) for convention in ("double", "uint8"))


@pytest.fixture
def gt(septuplets):
    return septuplets / "sequences"


@pytest.fixture
def lq(septuplets):
    return septuplets / "BIx4"


@pytest.mark.parametrize("settings", [DOUBLE, UINT8, LqSettings(Bicubic("uint8"), 2, SIZE)])
def test_frames_are_imresize_of_gt(gt, lq, settings):
    summary = downsample_tree(gt, lq, KEYS, settings)
    assert (summary.clips, summary.done, summary.skipped, summary.failures) == (3, 21, 0, [])
    assert read_settings(lq) == settings
    for key in KEYS:
        for number in FRAME_NUMBERS:
            ours = decode_png(frame_path(lq, key, number).read_bytes())
            source = decode_png(frame_path(gt, key, number).read_bytes())
            assert (
                ours == downscale(source, settings.scale, settings.degradation.convention)
            ).all()


def test_processes_make_the_same_bytes(gt, lq, tmp_path):
    downsample_tree(gt, lq, KEYS, DOUBLE)
    with process_pool(2) as pool:
        downsample_tree(gt, tmp_path / "again", KEYS, DOUBLE, executor=pool)
    assert tree_bytes(tmp_path / "again") == tree_bytes(lq)


def test_only_what_is_missing_is_made(gt, lq):
    downsample_tree(gt, lq, KEYS, DOUBLE)
    whole = tree_bytes(lq)
    frame_path(lq, TRAIN[1], 4).unlink()
    part = lq / TRAIN[1] / ".im4.png.0123456789ab.part"
    part.write_bytes(b"what a killed writer left")
    kept = frame_path(lq, TRAIN[0], 1)
    before = kept.stat().st_mtime_ns
    assert len(list(lq.rglob("im*.png"))) == 20
    summary = downsample_tree(gt, lq, KEYS, DOUBLE)
    assert (summary.done, summary.skipped) == (1, 20)
    assert tree_bytes(lq) == whole
    assert kept.stat().st_mtime_ns == before


def test_a_tree_made_otherwise_is_refused(gt, lq):
    downsample_tree(gt, lq, TRAIN, DOUBLE)
    before = tree_bytes(lq)
    with pytest.raises(OutputError, match="made with convention double, scale 4, GT 48x32"):
        downsample_tree(gt, lq, KEYS, UINT8)
    assert tree_bytes(lq) == before


def test_a_tree_of_unknown_make_is_refused(gt, lq):
    downsample_tree(gt, lq, TRAIN, DOUBLE)
    (lq / RECORD_NAME).unlink()
    with pytest.raises(OutputError, match=r"holds 00001/0001 and no vimeo-prep\.json"):
        downsample_tree(gt, lq, KEYS, DOUBLE)


def test_overwrite_replaces_all_of_another_make(gt, lq, tmp_path):
    downsample_tree(gt, lq, KEYS, DOUBLE)
    downsample_tree(gt, lq, TRAIN, UINT8, overwrite=True)  # a shorter list leaves no old clip
    downsample_tree(gt, tmp_path / "fresh", TRAIN, UINT8)
    assert tree_bytes(lq) == tree_bytes(tmp_path / "fresh")


def test_an_interrupted_overwrite_is_not_taken_for_whole(gt, lq, monkeypatch):
    downsample_tree(gt, lq, KEYS, DOUBLE)
    real = type(lq).unlink

    def interrupted(path, *arguments, **options):
        if path.name == "im3.png":
            raise KeyboardInterrupt
        return real(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            downsample_tree(gt, lq, KEYS, UINT8, overwrite=True)
    with pytest.raises(OutputError, match="interrupted; finish it with --overwrite"):
        downsample_tree(gt, lq, KEYS, UINT8)
    assert downsample_tree(gt, lq, KEYS, UINT8, overwrite=True).done == 21


def test_bad_frames_are_listed_and_the_rest_is_done(gt, lq):
    whole = frame_path(gt, TRAIN[0], 1).read_bytes()
    frame_path(gt, TRAIN[0], 1).write_bytes(whole[: len(whole) // 2])
    frame_path(gt, TRAIN[0], 2).write_bytes(encode_png(np.zeros((32, 52, 3), np.uint8)))
    frame_path(gt, TRAIN[1], 7).unlink()
    summary = downsample_tree(gt, lq, KEYS, DOUBLE)
    assert summary.done == 18
    reasons = {failure.path[-18:]: failure.reason for failure in summary.failures}
    assert "truncated" in reasons["00001/0001/im1.png"]
    assert reasons["00001/0001/im2.png"] == "the frame is 52x32, need 48x32"
    assert "missing" in reasons["00001/0002/im7.png"]
    frame_path(gt, TRAIN[0], 1).write_bytes(whole)
    assert downsample_tree(gt, lq, KEYS, DOUBLE).done == 1


def test_an_unwritable_clip_does_not_stop_the_others(gt, lq):
    lq.mkdir()
    (lq / "00001").mkdir()
    (lq / TRAIN[0]).write_text("a file where a folder must be")
    (lq / RECORD_NAME).unlink(missing_ok=True)
    summary = downsample_tree(gt, lq, KEYS, DOUBLE)
    assert summary.done == 14
    assert {failure.reason[:17] for failure in summary.failures} == {"cannot be written"}


def test_a_full_disk_stops_the_run_with_all_files_whole(gt, lq, monkeypatch):
    written = []

    def fill(path, data):
        if len(written) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        return real(path, data)

    real = type(lq).replace
    monkeypatch.setattr("pathlib.Path.replace", lambda part, path: fill(part, path))
    with pytest.raises(OutputError, match="No space left"):
        downsample_tree(gt, lq, KEYS, DOUBLE)
    monkeypatch.undo()
    summary = downsample_tree(gt, lq, KEYS, DOUBLE)
    assert summary.skipped == 4  # the fifth file was the record
    assert summary.done == 17
    assert not list(lq.rglob("*.part"))


def test_settings_are_checked(gt, lq):
    with pytest.raises(SettingsError, match="double, uint8"):
        Bicubic("single")
    with pytest.raises(SettingsError, match="need 2 to 64"):
        LqSettings(Bicubic(), 1, SIZE)
    with pytest.raises(SettingsError, match="multiples of 4"):
        LqSettings(Bicubic(), 4, FrameSize(30, 48))
    lq.mkdir()
    write_file(lq / RECORD_NAME, b'{"scale": 4}')
    with pytest.raises(OutputError, match="not the record of an LQ tree"):
        downsample_tree(gt, lq, KEYS, DOUBLE)


def test_ties_are_counted_and_told(gt, lq):
    edge = np.full((32, 48, 3), 100, np.uint8)
    edge[:, 18:] = 101  # the middle of the kernel of column 4
    frame_path(gt, TRAIN[0], 1).write_bytes(encode_png(edge))
    bd = LqSettings(DEGRADATIONS["bd"], 4, SIZE)
    with_edge = downsample_tree(gt, lq, TRAIN[:1], bd)
    sources = [decode_png(frame_path(gt, TRAIN[0], n).read_bytes()) for n in FRAME_NUMBERS]
    ties = [int(DEGRADATIONS["bd"].undecided(source, 4).sum()) for source in sources]
    assert with_edge.ties == sum(ties) >= ties[0] == 24
    assert f"; {sum(ties)} samples at a tie" in str(with_edge)
    assert "tie" not in str(downsample_tree(gt, lq, TRAIN[:1], bd))


def test_noise_of_a_frame_is_the_same_in_any_order(gt, lq, tmp_path):
    noise = LqSettings(Noise(10, 3), 1, SIZE)
    downsample_tree(gt, lq, KEYS, noise)
    downsample_tree(gt, tmp_path / "again", KEYS[::-1], noise)
    assert tree_bytes(lq) == tree_bytes(tmp_path / "again")
    frames = [decode_png(frame_path(lq, TRAIN[0], n).read_bytes()) for n in FRAME_NUMBERS]
    source = open_sequences(gt, None, degradation=Noise(10, 3))
    assert (source.scale, source.lq_size) == (1, SIZE)
    read = source.read(source.keys.index(TRAIN[0]), Augmentation(reverse=True)).lq
    assert np.array_equal(read.transpose(0, 2, 3, 1)[::-1], frames)
    assert np.array_equal(open_sequences(gt, lq)[0].lq, source[0].lq)
    result = verify(gt, lq)
    assert (result.frames, result.failures) == (21, [])


def other_encoder():
    """Of the codecs here, one that writes other bytes than the usual; its name."""
    usual = choose_codec()
    found = [c for c in CODECS.values() if not c.lacks and c.encoder != usual.encoder]
    return found[0] if found else pytest.skip("Pillow alone encodes here: install isal")


def test_the_record_says_what_encoded(gt, lq):
    notes = downsample_tree(gt, lq, TRAIN, DOUBLE).notes
    codec = choose_codec()
    assert read_record(lq)["encoders"] == [codec.encoder]
    assert notes == [f"pictures decoded by {codec.decoder}, encoded by {codec.encoder}"]


def test_a_tree_that_goes_on_with_another_encoder_says_so(gt, lq, monkeypatch):
    usual, other = choose_codec(), other_encoder()
    downsample_tree(gt, lq, TRAIN, DOUBLE)
    before = tree_bytes(lq)
    monkeypatch.setenv(VARIABLE, other.name)
    summary = downsample_tree(gt, lq, KEYS, DOUBLE)
    assert (summary.done, summary.skipped) == (7, 14)
    assert f"also encoded by {usual.encoder}: the pixels are the same" in summary.notes[1]
    assert read_record(lq)["encoders"] == [usual.encoder, other.encoder]
    assert read_settings(lq) == DOUBLE
    assert before.items() - tree_bytes(lq).items() == {(RECORD_NAME, before[RECORD_NAME])}
    for number in FRAME_NUMBERS:
        source = decode_png(frame_path(gt, TEST[0], number).read_bytes())
        data = frame_path(lq, TEST[0], number).read_bytes()
        assert data == other.encode(downscale(source, 4))
        assert data != usual.encode(downscale(source, 4))


def test_a_tree_from_before_encoders_were_recorded(gt, lq):
    downsample_tree(gt, lq, TRAIN, DOUBLE)
    record = lq / RECORD_NAME
    made = json.loads(record.read_text())
    del made["encoders"]
    record.write_text(json.dumps(made))
    summary = downsample_tree(gt, lq, KEYS, DOUBLE)
    assert "also encoded by what was not recorded" in summary.notes[1]
    assert read_record(lq)["encoders"] == ["what was not recorded", choose_codec().encoder]


def test_overwriting_leaves_the_encoder_that_is_left(gt, lq, monkeypatch):
    other = other_encoder()
    downsample_tree(gt, lq, KEYS, DOUBLE)
    monkeypatch.setenv(VARIABLE, other.name)
    assert len(downsample_tree(gt, lq, KEYS, UINT8, overwrite=True).notes) == 1
    assert read_record(lq)["encoders"] == [other.encoder]
