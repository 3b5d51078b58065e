"""Clip keys, database keys, frame sizes of a tree."""

import numpy as np
import pytest

from tests.conftest import SIZE, TEST, TRAIN
from vimeo_tools.data.png import encode_png
from vimeo_tools.data.septuplets import (
    KEY_PROFILES,
    check_key,
    find_keys,
    frame_path,
    merge_keys,
    numbered_keys,
    usual_size,
)
from vimeo_tools.errors import AnnotationError, FrameError, SettingsError


@pytest.mark.parametrize(
    "key",
    ["", "00001", "1/1", "00001/001", "00001/00001", "../00001/0001", "/00001/0001",
     "00001/0001/", "00001\\0001", "00001/../0001", "0000\u0661/0001", "00001/0001\n"],
)  # fmt: skip
def test_what_is_no_key(key):
    with pytest.raises(AnnotationError, match="five digits, a slash, four digits"):
        check_key(key)


def test_database_keys():
    basicsr, mmagic = KEY_PROFILES["basicsr"], KEY_PROFILES["mmagic"]
    assert basicsr.key("00001/0002/im3") == "00001/0002/im3"
    assert basicsr.key("000/00000003") == "000/00000003"
    assert mmagic.key("00001/0002/im3") == "00001_0002_3"
    for profile in KEY_PROFILES.values():
        assert profile.parse(profile.key("00001/0002/im7")) == "00001/0002/im7"
    for wrong in ("00001_0002_3", "00000003", "000/a b", "000//1", ""):
        with pytest.raises(AnnotationError, match="profile basicsr"):
            basicsr.parse(wrong)
    for wrong in ("00001/0002/im3", "00001_0002_8", "000_00000003"):
        with pytest.raises(AnnotationError, match="profile mmagic"):
            mmagic.parse(wrong)


def test_numbered_keys():
    keys = numbered_keys(3, 10000)
    assert keys[0] == "00003/0001"
    assert keys[9998:] == ["00003/9999", "00004/0001"]
    assert all(check_key(key) for key in keys)
    with pytest.raises(SettingsError, match="99999"):
        numbered_keys(99999, 10000)


def test_clips_of_a_tree(septuplets):
    (septuplets / "sequences" / "notes").mkdir()
    (septuplets / "sequences" / "00001" / "extra").mkdir()
    assert find_keys(septuplets / "sequences") == [*TRAIN, *TEST]
    with pytest.raises(SettingsError, match="no clip folder"):
        find_keys(septuplets)
    assert merge_keys([["b", "a"], ["c", "a"]]) == ["b", "a", "c"]


def test_one_odd_frame_does_not_set_the_size(septuplets):
    root = septuplets / "sequences"
    frame_path(root, TRAIN[0], 1).write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))
    frame_path(root, TRAIN[0], 2).unlink()
    assert usual_size(root, TRAIN) == SIZE
    with pytest.raises(FrameError, match="no frame could be read"):
        usual_size(septuplets, TRAIN)
