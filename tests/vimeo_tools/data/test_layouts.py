"""Data sets of several layouts on disk: found, named, listed."""

import shutil

import numpy as np
import pytest
from PIL import Image

from vimeo_tools.data.data_sets import find_data_set, find_lq
from vimeo_tools.data.layouts import LAYOUTS, choose_layout, span_of
from vimeo_tools.data.png import encode_png
from vimeo_tools.errors import AnnotationError, FrameError, SettingsError

FRAME = np.zeros((8, 12, 3), np.uint8)


def put(folder, names):
    """Frames of these names; .jpg or .png."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name.endswith(".png"):
            (folder / name).write_bytes(encode_png(FRAME))
        else:
            Image.fromarray(FRAME).save(folder / name)


def digits(count, width, suffix=".png", first=0):
    return [f"{n:0{width}d}{suffix}" for n in range(first, first + count)]


SETS = {
    "reds": {"train_sharp/000": digits(2, 8), "train_sharp/239": digits(2, 8)},
    "vid4": {f"GT/{k}": digits(2, 8) for k in ("calendar", "city", "foliage", "walk")},
    "udm10": {"GT/archpeople": digits(2, 4), "GT/polyflow": digits(2, 4)},
    "spmcs": {
        "car05_001/truth": digits(2, 4, first=1),
        "car05_001/input4": digits(2, 4, first=1),
        "hdclub_003_001/truth": digits(2, 4, first=1),
        "hdclub_003_001/input4": digits(2, 4, first=1),
    },
    "dvd": {
        "train_GT/IMG_0009": digits(2, 5, ".jpg", 30),
        "train_GT_blurred/IMG_0009": digits(2, 5, ".jpg", 30),
    },
    "gopro": {
        "train/GOPR0372_07_00/sharp": digits(2, 6, first=47),
        "train/GOPR0372_07_00/blur": digits(2, 6, first=47),
    },
    "davis": {"JPEGImages/480p/bike-packing": digits(2, 5, ".jpg")},
    "vimeo90k": {"sequences/00001/0001": [f"im{n}.png" for n in range(1, 8)]},
    "folders": {"GT/a": ["x1.png", "x10.png", "x9.jpg"], "GT/holiday-2": digits(3, 3, first=7)},
}
LQ = {
    "spmcs": [("*/input4", 4)],
    "dvd": [("train_GT_blurred", 1)],
    "gopro": [("train/*/blur", 1)],
}


@pytest.mark.parametrize("name", SETS)
def test_a_data_set_is_recognised_and_its_frames_are_found(tmp_path, name):
    for folder, names in SETS[name].items():
        put(tmp_path / folder, names)
    found = find_data_set(tmp_path)
    assert (found.name, found.layout) == (name, LAYOUTS[name])
    roots = [(str(tree.root.relative_to(tmp_path)), tree.scale) for tree in found.lq]
    assert roots == LQ.get(name, [])
    assert f"layout {name}: " in str(found)
    folders = [
        f for f in SETS[name] if not {"input4", "blur", "train_GT_blurred"} & {*f.split("/")}
    ]
    assert len(found.keys) == len(folders)
    for key in found.keys:
        assert found.layout.check_key(key) == key
        frames = found.layout.frames(found.gt, key)
        assert all(path.is_file() for path in frames.values())
        assert all(name.startswith(f"{key}/") and "." not in name for name in frames)
    assert sum(len(found.layout.frames(found.gt, key)) for key in found.keys) == sum(
        len(SETS[name][folder]) for folder in folders
    )


def test_frames_are_in_the_order_of_their_numbers(tmp_path):
    put(tmp_path / "a", ["x10.png", "x9.jpg", "x1.png", ".hidden.png"])
    (tmp_path / "a" / "notes.txt").write_text("")
    folders = LAYOUTS["folders"]
    assert list(folders.frames(tmp_path, "a")) == ["a/x1", "a/x9", "a/x10"]
    put(tmp_path / "a", ["x9.png"])
    with pytest.raises(FrameError, match="two pictures are called x9"):
        folders.frames(tmp_path, "a")
    assert folders.frames(tmp_path, "missing") == {}
    for key in ("..", "a/b", ".hidden", "a b", "*", "/a", ""):
        with pytest.raises(AnnotationError, match="a clip key is"):
            folders.check_key(key)


def test_folders_without_pictures_are_no_clips(tmp_path):
    put(tmp_path / "GT" / "a", ["1.png"])
    (tmp_path / "GT" / "lists").mkdir()
    assert LAYOUTS["folders"].find_keys(tmp_path / "GT") == ["a"]


def test_trees_of_lq_are_found_by_their_names(tmp_path):
    put(tmp_path / "train_sharp" / "000", digits(1, 8))
    for folder in ("BIx4/000", "BDx4/000", "BIx2/000", "train_sharp_bicubic/X4/000"):
        put(tmp_path / folder, digits(1, 8))
    found = find_lq(tmp_path, LAYOUTS["reds"])
    assert [(tree.tag, tree.scale) for tree in found] == [
        ("BD", 4), ("BI", 2), ("BI", 4), ("BI", 4)
    ]  # fmt: skip
    assert found[-1].root == tmp_path / "train_sharp_bicubic" / "X4"


def test_what_no_list_says_is_split_by_the_layout():
    keys = ["000", "001", "011", "015", "020", "240"]
    assert LAYOUTS["reds"].splits_of(keys) == {
        "train": ["001", "240"],
        "test": ["000", "011", "015", "020"],
    }
    assert LAYOUTS["vid4"].splits_of(["city"]) == {"test": ["city"]}
    assert LAYOUTS["folders"].splits_of(["a"]) == {"train": ["a"]}


def test_lists_beside_gt_go_before_what_the_layout_holds_out(tmp_path):
    put(tmp_path / "train_sharp" / "000", digits(1, 8))
    assert "tested on and never trained on: 000" in str(find_data_set(tmp_path))
    (tmp_path / "train.txt").write_text("000\n")
    said = str(find_data_set(tmp_path))
    assert ("parted by train.txt" in said, "never trained on" in said) == (True, False)


def test_what_is_no_data_set(tmp_path):
    with pytest.raises(SettingsError, match="no clips of any layout looked for: vimeo90k"):
        find_data_set(tmp_path)
    with pytest.raises(SettingsError, match="there is no such folder"):
        find_data_set(tmp_path / "missing")
    with pytest.raises(SettingsError, match="there are vimeo90k, reds, vid4"):
        choose_layout("imagenet")
    put(tmp_path / "GT" / "calendar", digits(1, 8))
    assert find_data_set(tmp_path).name == "vid4"
    put(tmp_path / "GT" / "holiday", digits(1, 8))
    assert find_data_set(tmp_path).name == "folders"
    shutil.rmtree(tmp_path / "GT")


@pytest.mark.parametrize(
    ("names", "first"),
    [(["a/047", "a/048"], "047"), (["a/9", "a/10"], "9"), (["a/1", "a/3"], None),
     (["a/x1", "a/x2"], None), (["a/01", "a/2"], None), ([], None)],
)  # fmt: skip
def test_numbered_frames(names, first):
    assert span_of(names) == first
