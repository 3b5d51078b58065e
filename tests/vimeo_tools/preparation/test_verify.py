"""What verification finds, in trees, databases and plain folders."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SIZE, TEST, TRAIN
from vimeo_tools import degrade, downscale, imresize
from vimeo_tools.data.png import FrameSize, decode_png, encode_png
from vimeo_tools.data.septuplets import FRAME_NUMBERS, frame_path, split_list_path
from vimeo_tools.degradations import Bicubic
from vimeo_tools.errors import LmdbError, SettingsError
from vimeo_tools.preparation.downsample import LqSettings, downsample_tree
from vimeo_tools.preparation.pack import pack
from vimeo_tools.preparation.pack_plan import PackPlan
from vimeo_tools.preparation.verify import verify
from vimeo_tools.running.records import RECORD_NAME

KEYS = [*TRAIN, *TEST]


@pytest.fixture(params=["double", "uint8"])
def trees(request, septuplets):
    """(GT, LQ, convention); nothing beside LQ says how it was made."""
    gt, lq = septuplets / "sequences", septuplets / "BIx4"
    downsample_tree(gt, lq, KEYS, LqSettings(Bicubic(request.param), 4, SIZE))
    (lq / RECORD_NAME).unlink()
    return gt, lq, request.param


def rewrite(path, change):
    image = decode_png(path.read_bytes()).copy()
    change(image)
    path.write_bytes(encode_png(image))


def test_a_right_tree_and_its_convention(trees):
    gt, lq, convention = trees
    result = verify(gt, lq)
    assert result.failures == []
    assert (result.frames, result.convention) == (21, convention)
    assert result.exact[convention] == 21
    assert result.differing[convention] == 0
    assert f"made under convention {convention}, every sample equal" in str(result)


def test_the_other_convention_is_not_accepted(trees):
    gt, lq, convention = trees
    other = {"double": "uint8", "uint8": "double"}[convention]
    result = verify(gt, lq, convention=other)
    assert len(result.failures) == 21 - result.exact[other] > 0


def test_a_wrong_sample_is_found_and_placed(trees):
    gt, lq, convention = trees
    path = frame_path(lq, TRAIN[1], 5)

    def change(image):
        image[3, 7, 1] ^= 1
        image[6, 0, 2] ^= 8

    rewrite(path, change)
    result = verify(gt, lq)
    (failure,) = result.failures
    assert failure.path == f"{lq}/00001/0002/im5"
    assert f"convention {convention}: 2 samples differ, by up to 8" in failure.reason
    assert "row 3, column 7" in failure.reason
    assert result.exact[convention] == 20
    assert result.convention == convention


def test_missing_damaged_missized_and_surplus_frames(trees):
    gt, lq, _ = trees
    frame_path(lq, TRAIN[0], 1).unlink()
    damaged = frame_path(lq, TRAIN[0], 2)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    frame_path(lq, TRAIN[0], 3).write_bytes(frame_path(gt, TRAIN[0], 3).read_bytes())
    frame_path(gt, TRAIN[1], 7).unlink()
    frame_path(lq, "00009/0001", 1).parent.mkdir(parents=True)
    result = verify(gt, lq)
    reasons = {failure.path: failure.reason for failure in result.failures}
    assert len(reasons) == 4
    assert "missing" in reasons[f"{lq}/00001/0001/im1"]
    assert "truncated" in reasons[f"{lq}/00001/0001/im2"]
    assert reasons[f"{lq}/00001/0001/im3"] == "the frame is 48x32, need 12x8"
    assert "missing" in reasons[f"{gt}/00001/0002/im7"]


def test_databases(trees, tmp_path):
    gt, lq, convention = trees
    for source, name, size in ((gt, "gt", SIZE), (lq, "lq", FrameSize(8, 12))):
        pack(PackPlan(source, tmp_path / f"{name}.lmdb", KEYS, FRAME_NUMBERS, size))
    for pair in ((tmp_path / "gt.lmdb", tmp_path / "lq.lmdb"), (gt, tmp_path / "lq.lmdb")):
        result = verify(*pair)
        assert result.failures == []
        assert result.convention == convention
    (tmp_path / "lq.lmdb" / "meta_info.txt").unlink()
    with pytest.raises(LmdbError, match="meta_info"):
        verify(gt, tmp_path / "lq.lmdb")


def half_even(picture):
    rows = np.clip(np.rint(imresize(picture.astype(float), (8, 48))), 0, 255)
    return np.clip(np.rint(imresize(rows, (8, 12))), 0, 255).astype(np.uint8)


def pillow(picture):
    return np.asarray(Image.fromarray(picture).resize((12, 8), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    "make, words",
    [
        (half_even, "halves rounded to even"),
        (lambda picture: imresize(picture, 0.25, border="replicate"), "old releases of MATLAB"),
        (pillow, "Pillow's bicubic"),
        (lambda picture: downscale(picture)[..., ::-1], "the channels are swapped"),
        (lambda picture: degrade(picture, "bd-duf"), "DUF's blur: its pixels lie 1.5 GT pixels up"),
        (
            lambda picture: picture[::4, ::4],
            "neither convention, but with: OpenCV's nearest",
        ),
    ],
)
def test_other_makers_are_named(tmp_path, make, words):
    rng = np.random.default_rng(0)
    for folder in ("hr", "lr"):
        (tmp_path / folder).mkdir()
    for name in "abc":
        picture = rng.integers(0, 256, (32, 48, 3), dtype=np.uint8)
        # A step of one level, placed so that exact halves occur and roundings differ.
        picture[:, :24] = 100
        picture[:, 10:24] = 101
        (tmp_path / "hr" / f"{name}.png").write_bytes(encode_png(picture))
        (tmp_path / "lr" / f"{name}x4.png").write_bytes(encode_png(make(picture)))
    result = verify(tmp_path / "hr", tmp_path / "lr")
    assert re.search(words, str(result))
    assert len(result.failures) == 3


def test_plain_folders_of_any_size_and_grey(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("hr", "lr"):
        (tmp_path / folder).mkdir()
    for n, shape in enumerate([(33, 47, 3), (20, 21), (64, 8, 3)]):
        picture = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / "hr" / f"{n}.bmp")
        Image.fromarray(downscale(picture, 3)).save(tmp_path / "lr" / f"{n}.png")
    result = verify(tmp_path / "hr", tmp_path / "lr", scale=3)
    assert (result.frames, result.failures, result.convention) == (3, [], "double")
    clear = np.dstack([picture, np.full(picture.shape[:2], 7, np.uint8)])
    Image.fromarray(clear).save(tmp_path / "hr" / "3.png")
    Image.fromarray(picture[..., 0]).save(tmp_path / "lr" / "0.png")
    reasons = [
        failure.reason for failure in verify(tmp_path / "hr", tmp_path / "lr", scale=3).failures
    ]
    assert any("is transparent" in reason for reason in reasons)
    assert any("need 16x11" in reason for reason in reasons)


def test_flat_frames_do_not_tell_the_conventions_apart(tmp_path):
    for folder, shape in (("hr", (16, 16, 3)), ("lr", (4, 4, 3))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(encode_png(np.full(shape, 77, np.uint8)))
    result = verify(tmp_path / "hr", tmp_path / "lr")
    assert result.failures == []
    assert "do not tell the conventions apart" in str(result)


def test_a_sample_is_spread_over_the_clips(trees):
    gt, lq, convention = trees
    result = verify(gt, lq, sample=2)
    assert (result.frames, result.convention) == (14, convention)
    assert verify(gt, lq, sample=99).frames == 21


def test_what_cannot_be_verified(trees, tmp_path):
    gt, lq, _ = trees
    with pytest.raises(SettingsError, match="no such folder"):
        verify(gt, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="neither clips"):
        verify(gt, tmp_path / "empty")
    with pytest.raises(SettingsError, match="double, uint8"):
        verify(gt, lq, convention="single")
    with pytest.raises(SettingsError, match="at least 1"):
        verify(gt, lq, sample=0)


# --- which clips, in which words ----------------------------------------------------------------


def test_the_lists_that_were_used_are_named(trees):
    gt, lq, _ = trees
    official = [split_list_path(gt.parent, split) for split in ("train", "test")]
    assert f"clips of {official[0]} and {official[1]}" in str(verify(gt, lq))
    test_alone = verify(gt, lq, clip_list=str(official[1]))
    assert (test_alone.frames, test_alone.clips) == (7, f"clips of {official[1]}")
    for path in official:
        path.unlink()
    assert f"all clips in {gt}" in str(verify(gt, lq))


def test_bad_lines_of_a_list_are_failures(trees):
    gt, lq, _ = trees
    (gt.parent / "mine.txt").write_text(f"{TRAIN[0]}\nnonsense\n")
    (failure,) = verify(gt, lq, clip_list=gt.parent / "mine.txt").failures
    assert failure.path.endswith("mine.txt:2")


def packed(source, target, keys=KEYS, numbers=FRAME_NUMBERS):
    size = FrameSize(*decode_png(frame_path(source, KEYS[0], 1).read_bytes()).shape[:2])
    pack(PackPlan(source, target, keys, numbers, size))
    return target


def test_a_database_holds_what_its_own_meta_info_says(trees, tmp_path):
    gt, lq, convention = trees
    train = packed(lq, tmp_path / "train.lmdb", TRAIN)
    result = verify(gt, train)  # the test list beside GT is none of its business
    assert (result.frames, result.failures, result.convention) == (14, [], convention)
    assert result.clips == f"clips of {train / 'meta_info.txt'}"
    assert verify(packed(gt, tmp_path / "gt.lmdb", TRAIN), lq).frames == 14


def test_centre_frames_beside_all_seven_of_lq(trees, tmp_path):
    gt, lq, _ = trees
    centre = packed(gt, tmp_path / "centre.lmdb", numbers=[4])
    result = verify(centre, packed(lq, tmp_path / "lq.lmdb"))
    assert (result.frames, result.failures) == (3, [])
    assert "GT holds im4 alone: im1, im2, im3, im5, im6, im7 of LQ cannot" in str(result)
    surplus = verify(packed(gt, tmp_path / "c.lmdb", TRAIN, [4]), tmp_path / "lq.lmdb")
    assert [failure.path[-14:] for failure in surplus.failures] == [f"{TEST[0]}/im4"]


def test_words(trees):
    gt, lq, convention = trees
    path = frame_path(lq, TRAIN[1], 5)

    def change(image):
        image[3, 7, 1] ^= 1

    rewrite(path, change)
    text = str(verify(gt, lq))
    assert f"  {convention}: 20 of 21 frames exact; 1 sample differs\n" in text
    assert text.endswith("  1 failure")
    for key in KEYS:
        for number in FRAME_NUMBERS:
            rewrite(frame_path(lq, key, number), lambda image: image.__ixor__(1))
    assert "made with neither convention" in str(verify(gt, lq))


def test_a_scale_that_contradicts_the_record(septuplets):
    gt, lq = str(septuplets / "sequences"), str(septuplets / "BIx2")
    downsample_tree(Path(gt), Path(lq), KEYS, LqSettings(Bicubic(), 2, SIZE))
    assert verify(gt, lq).failures == []
    with pytest.raises(SettingsError, match="was made with scale 2, asked for is 4"):
        verify(gt, lq, scale=4)


def test_ties_of_blur_down_are_no_failures(tmp_path):
    edge = np.full((32, 32, 3), 100, np.uint8)
    edge[:, 18:] = 101  # the middle of the kernel of column 4
    made = degrade(edge, "bd")
    made[:, 4] ^= 1  # 100 and 101
    for folder, picture in (("hr", edge), ("lr", made)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(encode_png(picture))
    result = verify(tmp_path / "hr", tmp_path / "lr", degradation="bd")
    assert (result.failures, result.ties) == ([], 24)
    assert "24 more by one level at a tie" in str(result)
    made[0, 0] += 1
    (tmp_path / "lr" / "a.png").write_bytes(encode_png(made))
    (failure,) = verify(tmp_path / "hr", tmp_path / "lr", degradation="bd").failures
    assert "3 samples differ" in failure.reason
