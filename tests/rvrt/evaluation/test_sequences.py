import json

import numpy as np
import pytest

from rvrt.errors import EvaluationError
from rvrt.evaluation.opening import (
    holds_septuplets,
    open_data_set,
    open_folders,
    open_septuplets_at,
    open_vimeo,
)
from rvrt.evaluation.protocol import PROTOCOLS
from rvrt.restoration.pictures import save_picture
from vimeo_tools import DEGRADATIONS, degrade, downscale
from vimeo_tools.data.png import decode_png
from vimeo_tools.degradations import Bicubic
from vimeo_tools.errors import SettingsError


def picture(septuplets, key, number):
    return decode_png((septuplets / "sequences" / key / f"im{number}.png").read_bytes())


@pytest.mark.parametrize(
    ("protocol", "numbers"), [("vimeo-centre", [4]), ("vimeo-all", [1, 2, 3, 4, 5, 6, 7])]
)
def test_vimeo_with_lq_made_as_read(septuplets, protocol, numbers):
    vimeo = open_vimeo(septuplets, "train", PROTOCOLS[protocol])
    assert vimeo.keys == ["00001/0001", "00001/0002"] and vimeo.source.lq is None
    sequence = vimeo.read("00001/0002")
    assert sequence.mirrored and sequence.scale == 4
    assert sequence.measured == tuple(number - 1 for number in numbers)
    truth = np.stack([picture(septuplets, "00001/0002", number) for number in range(1, 8)])
    np.testing.assert_array_equal(sequence.lq.read(0, 7), downscale(truth, 4))
    np.testing.assert_array_equal(
        sequence.gt.read(0, len(numbers)), truth[[n - 1 for n in numbers]]
    )


def test_trees_and_databases_give_the_same(septuplets, vimeo_prep):
    made = open_vimeo(septuplets, "train").read("00001/0001")
    assert vimeo_prep("--generate-lq", "--output-dir", "BIx4", cwd=septuplets).returncode == 0
    trees = open_vimeo(septuplets, "train")
    assert trees.source.lq == septuplets / "BIx4"
    assert trees.source.degradation == Bicubic()
    from_trees = trees.read("00001/0001")
    content = ("--content", "gt-centre", "--content", "lq")
    assert vimeo_prep("pack-lmdb", *content, cwd=septuplets).returncode == 0
    for folder in ("sequences", "BIx4"):
        (septuplets / folder).rename(septuplets / f"no_{folder}")
    databases = open_vimeo(septuplets, "train")
    assert databases.source.gt.name.endswith("only4th.lmdb")
    for sequence in (from_trees, databases.read("00001/0001")):
        np.testing.assert_array_equal(sequence.lq.read(0, 7), made.lq.read(0, 7))
        np.testing.assert_array_equal(sequence.gt.read(0, 1), made.gt.read(0, 1))
    with pytest.raises(EvaluationError, match="holds neither sequences nor"):
        open_vimeo(septuplets, "train", PROTOCOLS["vimeo-all"])


def test_what_holds_septuplets(septuplets, tmp_path):
    assert holds_septuplets(septuplets / "sequences")
    assert not holds_septuplets(septuplets)
    assert not holds_septuplets(tmp_path / "absent")
    without_list = open_septuplets_at(septuplets / "sequences", None, None)
    assert len(without_list.keys) == 3


def write_frames(folder, names, size):
    rng = np.random.default_rng(len(names))
    frames = rng.integers(0, 256, (len(names), *size, 3), np.uint8)
    for name, frame in zip(names, frames, strict=True):
        save_picture(folder / f"{name}.png", frame)
    return frames


def test_folders_of_sequences(tmp_path):
    lengths = {"a": "012", "b": "01234"}
    lq = {key: write_frames(tmp_path / "lq" / key, n, (4, 6)) for key, n in lengths.items()}
    gt = {key: write_frames(tmp_path / "gt" / key, n, (16, 24)) for key, n in lengths.items()}
    pairs = open_folders(tmp_path / "gt", tmp_path / "lq")
    assert pairs.keys == ["a", "b"] and pairs.protocol is PROTOCOLS["frames"]
    for key in "ab":
        sequence = pairs.read(key)
        assert sequence.measured == tuple(range(len(lq[key]))) and not sequence.mirrored
        np.testing.assert_array_equal(sequence.lq.read(0, 9), lq[key])
        np.testing.assert_array_equal(sequence.gt.read(1, 2), gt[key][1:2])


def test_one_sequence_without_a_folder_of_its_own(tmp_path):
    write_frames(tmp_path / "small", ["0x4", "1x4"], (4, 6))
    gt = write_frames(tmp_path / "large", ["0", "1"], (16, 24))
    assert open_folders(tmp_path / "large", tmp_path / "small").read("large").scale == 4
    made = open_folders(tmp_path / "large").read("large")
    np.testing.assert_array_equal(made.lq.read(0, 2), downscale(gt, 4))


def test_known_sets_have_their_protocol(tmp_path):
    for key in ("calendar", "city", "foliage", "walk"):
        (tmp_path / "vid4" / key).mkdir(parents=True)
    for key in ("000", "011", "015", "020"):
        (tmp_path / "reds4" / key).mkdir(parents=True)
    assert open_folders(tmp_path / "vid4").protocol is PROTOCOLS["vid4"]
    assert open_folders(tmp_path / "reds4").protocol is PROTOCOLS["reds4"]


def test_folders_that_do_not_fit(tmp_path):
    write_frames(tmp_path / "gt" / "a", "012", (16, 24))
    write_frames(tmp_path / "gt" / "b", "012", (16, 24))
    write_frames(tmp_path / "lq" / "a", "013", (4, 6))
    with pytest.raises(EvaluationError, match="no such folder"):
        open_folders(tmp_path / "absent")
    with pytest.raises(EvaluationError, match="sequence b is in only one"):
        write_frames(tmp_path / "lq" / "c", "012", (4, 5))
        open_folders(tmp_path / "gt", tmp_path / "lq")
    (tmp_path / "lq" / "c").rename(tmp_path / "lq" / "b")
    pairs = open_folders(tmp_path / "gt", tmp_path / "lq")
    with pytest.raises(EvaluationError, match="a: 3 LQ frames from 0 to 3, 3 GT frames"):
        pairs.read("a")
    with pytest.raises(EvaluationError, match="b: GT frames of 24x16 with LQ frames of 5x4"):
        pairs.read("b")
    write_frames(tmp_path / "odd", "0", (15, 24))
    with pytest.raises(EvaluationError, match="24x15: no multiple of 4"):
        open_folders(tmp_path / "odd").read("odd")


def test_lq_of_another_scale(septuplets, vimeo_prep, tmp_path):
    options = ("--generate-lq", "--scale", 2, "--output-dir", "BIx2")
    assert vimeo_prep(*options, cwd=septuplets).returncode == 0
    for scale in (2, None):  # asked for, or all that is there
        half = open_vimeo(septuplets, "train", scale=scale)
        assert half.source.lq == septuplets / "BIx2"
        assert half.read("00001/0001").scale == 2
    quarter = open_vimeo(septuplets, "train", scale=4)
    assert quarter.source.lq is None and quarter.read("00001/0001").scale == 4
    with pytest.raises(SettingsError, match=r"scale 2; asked for is .*scale 4"):
        open_septuplets_at(septuplets / "sequences", septuplets / "BIx2", None, scale=4)
    (septuplets / "BIx2").rename(septuplets / "BIx3")
    (septuplets / "BIx8").mkdir()
    with pytest.raises(EvaluationError, match="holds BIx3, BIx8; say which with --scale"):
        open_vimeo(septuplets, "train")


def test_folders_of_another_scale(tmp_path):
    gt = write_frames(tmp_path / "gt", ["0", "1"], (16, 24))
    assert open_folders(tmp_path / "gt", scale=2).read("gt").lq.read(0, 1).shape == (1, 8, 12, 3)
    write_frames(tmp_path / "lq", ["0x2", "1x2"], (8, 12))
    pairs = open_folders(tmp_path / "gt", tmp_path / "lq", scale=2)
    np.testing.assert_array_equal(pairs.read("gt").gt.read(0, 2), gt)
    with pytest.raises(EvaluationError, match="GT is 2 times as large as LQ, asked for is scale 4"):
        open_folders(tmp_path / "gt", tmp_path / "lq", scale=4).read("gt")


def test_blur_down_made_as_read_from_a_tree_and_from_a_database(septuplets, vimeo_prep):
    made = open_vimeo(septuplets, "train", degradation="bd")
    assert made.source.lq is None
    assert made.source.to_json()["lq"] == "made from GT, bd"
    own = open_vimeo(septuplets, "train", degradation="bd (sigma 1)").read("00001/0001").lq
    options = ("--generate-lq", "--degradation", "bd")
    assert vimeo_prep(*options, cwd=septuplets).returncode == 0
    tree = open_vimeo(septuplets, "train", degradation="bd")
    assert tree.source.to_json()["lq_degradation"] == "bd"
    assert tree.source.lq == septuplets / "BDx4"
    stored = tree.read("00001/0001").lq
    np.testing.assert_array_equal(stored.read(0, 7), made.read("00001/0001").lq.read(0, 7))
    assert open_vimeo(septuplets, "train").source.lq is None  # bicubic is not what is there
    options = ("pack-lmdb", "--content", "lq", "--lq-root", "BDx4")
    assert vimeo_prep(*options, cwd=septuplets).returncode == 0
    with pytest.raises(SettingsError, match="was made with bd, scale 4; asked for is convention"):
        gt, lq = septuplets / "sequences", septuplets / "BDx4"
        open_septuplets_at(gt, lq, None, degradation="bicubic")
    (septuplets / "BDx4").rename(septuplets / "elsewhere")
    packed = open_vimeo(septuplets, "train", degradation="bd")
    assert packed.source.lq.name == "vimeo90k_train_BDLR7frames.lmdb"
    frames = packed.read("00001/0001").lq.read(0, 7)
    np.testing.assert_array_equal(frames, stored.read(0, 7))
    truth = np.stack([picture(septuplets, "00001/0001", number) for number in range(1, 8)])
    np.testing.assert_array_equal(frames, degrade(truth, "bd"))
    assert not np.array_equal(own.read(0, 7), frames)


def test_folders_whose_record_contradicts(tmp_path):
    gt = write_frames(tmp_path / "gt", ["0", "1"], (16, 24))
    made = open_folders(tmp_path / "gt", degradation="bd").read("gt")
    np.testing.assert_array_equal(made.lq.read(0, 2), degrade(gt, "bd"))
    noisy = open_folders(tmp_path / "gt", degradation="noise", protocol=PROTOCOLS["deblur"]).read(
        "gt"
    )
    assert noisy.scale == 1 and not np.array_equal(noisy.lq.read(0, 2), gt)
    np.testing.assert_array_equal(noisy.lq.read(1, 2), noisy.lq.read(0, 2)[1:])
    write_frames(tmp_path / "lq", ["0", "1"], (4, 6))
    record = {"degradation": "bd-duf", "scale": 4}
    (tmp_path / "lq" / "vimeo-prep.json").write_text(json.dumps(record))
    both = (tmp_path / "gt", tmp_path / "lq")
    assert open_folders(*both).source.degradation == DEGRADATIONS["bd-duf"]
    with pytest.raises(SettingsError, match="was made with bd-duf, scale 4; asked for is bd"):
        open_folders(*both, degradation="bd")
    with pytest.raises(SettingsError, match="scale 4; asked for is bd-duf, scale 2"):
        open_folders(*both, scale=2)


def test_data_sets_by_their_own_names(tmp_path):
    reds = tmp_path / "REDS"
    for key in ("000", "001", "011", "015", "020"):
        gt = write_frames(reds / "train_sharp" / key, ["00000000", "00000001"], (16, 24))
        for number, frame in enumerate(downscale(gt, 4)):
            small = reds / "train_sharp_bicubic" / "X4" / key / f"{number:08}.png"
            save_picture(small, frame)
    found = open_data_set(reds, "test")
    assert found.protocol is PROTOCOLS["reds4"] and found.keys == ["000", "011", "015", "020"]
    assert found.source.lq == reds / "train_sharp_bicubic" / "X4"
    sequence = found.read("020")
    np.testing.assert_array_equal(sequence.gt.read(0, 2), gt)
    np.testing.assert_array_equal(sequence.lq.read(0, 2), downscale(gt, 4))
    assert open_data_set(reds, "train").keys == ["001"]
    assert open_data_set(reds, "test", protocol=PROTOCOLS["duf"]).protocol is PROTOCOLS["duf"]
    blurred = open_data_set(reds, "test", "bd")
    assert blurred.source.lq is None  # what is there is bicubic
    np.testing.assert_array_equal(blurred.read("020").lq.read(0, 2), degrade(gt, "bd"))


def test_deblurring_finds_the_blurred_frames_of_equal_size(tmp_path):
    for name in ("test_GT", "test_GT_blurred"):
        write_frames(tmp_path / name / "GOPR0384_11_00", ["000047", "000048"], (16, 24))
    found = open_data_set(tmp_path, "test", protocol=PROTOCOLS["deblur"])
    assert found.keys == ["GOPR0384_11_00"] and found.read(found.keys[0]).scale == 1
    assert found.source.lq == tmp_path / "test_GT_blurred"
    (tmp_path / "test_GT_blurred").rename(tmp_path / "elsewhere")
    with pytest.raises(EvaluationError, match="holds no blurred frames"):
        open_data_set(tmp_path, "test", protocol=PROTOCOLS["deblur"])


def test_a_data_set_of_septuplets_is_none_of_sequences(septuplets):
    with pytest.raises(EvaluationError, match="septuplets, protocol duf is of others"):
        open_data_set(septuplets, "test", protocol=PROTOCOLS["duf"])
