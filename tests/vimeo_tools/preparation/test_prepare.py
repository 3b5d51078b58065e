"""The main job as a function: lists and frames in, annotations and LQ out."""

import pytest

from tests.conftest import TEST, TRAIN, tree_bytes
from vimeo_tools.data.septuplets import frame_path
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.preparation.prepare import PrepareSettings, describe, find_lists, prepare


def settings_for(root, **options):
    return PrepareSettings(
        images_root=root / "sequences",
        lists=find_lists(root),
        output_dir=root / "BIx4",
        **{"generate_lq": True, **options},
    )


def test_annotations_and_frames(septuplets):
    summary = prepare(settings_for(septuplets))
    assert (summary.clips, summary.done, summary.failures) == (3, 21, [])
    lines = (septuplets / "BIx4" / "meta_info_Vimeo90K_train_GT.txt").read_text().splitlines()
    assert lines == [f"{key} 7 (32,48,3)" for key in TRAIN]
    lines = (septuplets / "BIx4" / "meta_info_Vimeo90K_test_GT.txt").read_text().splitlines()
    assert lines == [f"{key} 7 (32,48,3)" for key in TEST]


def test_shards_together_are_the_whole(septuplets, tmp_path):
    prepare(settings_for(septuplets))
    whole = tree_bytes(septuplets / "BIx4")
    for index in (2, 1):
        settings = settings_for(septuplets, shard=(index, 2))
        prepare(PrepareSettings(**{**vars(settings), "output_dir": tmp_path / "shards"}))
    assert tree_bytes(tmp_path / "shards") == whole


def test_each_bad_path_is_counted_once_and_left_out_of_the_annotation(septuplets):
    frame_path(septuplets / "sequences", TRAIN[0], 3).unlink()
    with (septuplets / "sep_trainlist.txt").open("a") as file:
        file.write("../../outside\n00008/0001\n")
    summary = prepare(settings_for(septuplets))
    assert summary.done == 20
    assert len(summary.failures) == 1 + 1 + 7
    lines = (septuplets / "BIx4" / "meta_info_Vimeo90K_train_GT.txt").read_text().splitlines()
    assert lines == [f"{TRAIN[1]} 7 (32,48,3)"]


def test_a_dry_run_says_what_is_missing_and_writes_nothing(septuplets):
    before = tree_bytes(septuplets)
    assert "would make 21 LQ frames" in describe(settings_for(septuplets))
    assert tree_bytes(septuplets) == before
    prepare(settings_for(septuplets))
    assert "would make 0 LQ frames" in describe(settings_for(septuplets))
    assert "replace 3 whole clips" in describe(settings_for(septuplets, overwrite=True))


def test_what_is_refused(septuplets, tmp_path):
    with pytest.raises(SettingsError, match="no such folder"):
        settings_for(tmp_path)
    with pytest.raises(SettingsError, match="--train-annotation"):
        PrepareSettings(septuplets / "sequences", {}, tmp_path)
    with pytest.raises(SettingsError, match="without --shard"):
        settings_for(septuplets, overwrite=True, shard=(1, 2))
    with pytest.raises(FrameError, match="no frame could be read"):
        prepare(PrepareSettings(septuplets, find_lists(septuplets), tmp_path / "out"))
