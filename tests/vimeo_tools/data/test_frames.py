"""The same pixels from a folder, from databases of all makers, and made on the fly."""

import io
import json
import multiprocessing
import pickle
import shutil

import lmdb
import numpy as np
import pytest
from PIL import Image

from tests.vimeo_tools.noise import read_frames, write_noise
from vimeo_tools import downscale
from vimeo_tools.data.frames import LqFromGt, SequenceFolder, open_source, recorded_degradation
from vimeo_tools.data.lists import ANNOTATION_FORMS, ClipLine, write_annotation
from vimeo_tools.data.png import FrameSize, encode_png
from vimeo_tools.data.septuplets import CENTRE_FRAME, FRAME_NUMBERS, find_keys, frame_path
from vimeo_tools.degradations import Bicubic
from vimeo_tools.errors import AnnotationError, FrameError, LmdbError, OutputError, SettingsError
from vimeo_tools.feed.augment import Augmentation, AugmentConfig, augment, draw
from vimeo_tools.feed.opening import open_septuplets, open_sequences
from vimeo_tools.feed.samples import SequenceSource
from vimeo_tools.preparation.downsample import LqSettings, downsample_tree
from vimeo_tools.preparation.pack import pack
from vimeo_tools.preparation.pack_plan import PackPlan
from vimeo_tools.resize.matlab import CONVENTIONS

SIZE = FrameSize(height=32, width=48)
KEYS = ["00001/0001", "00001/0002", "00002/0001"]


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """``sequences``, ``BIx4`` (double), ``BIx4-uint8`` and databases of the first two."""
    root = tmp_path_factory.mktemp("septuplets")
    write_noise(root / "sequences", KEYS, SIZE)
    for name, convention in (("BIx4", "double"), ("BIx4-uint8", "uint8")):
        settings = LqSettings(Bicubic(convention), 4, SIZE)
        downsample_tree(root / "sequences", root / name, KEYS, settings)
    for profile in ("basicsr", "mmagic"):
        for name, size in (("sequences", SIZE), ("BIx4", SIZE.divided_by(4))):
            target = root / f"{name}-{profile}.lmdb"
            pack(PackPlan(root / name, target, KEYS, FRAME_NUMBERS, size, profile))
    for name in ("sequences", "BIx4"):
        pack_as_basicsr_does(root / name, root / f"{name}-script.lmdb")
    centre = root / "only4th.lmdb"
    pack(PackPlan(root / "sequences", centre, KEYS, [CENTRE_FRAME], SIZE))
    return root


def pack_as_basicsr_does(tree, target):
    """Keys, re-encoded PNG values and meta_info.txt as BasicSR's and KAIR's scripts make them."""
    lines = []
    with lmdb.open(str(target), map_size=1 << 24) as env, env.begin(write=True) as transaction:
        for key in find_keys(tree):
            for number in FRAME_NUMBERS:
                frame = Image.open(frame_path(tree, key, number))
                value = io.BytesIO()
                frame.save(value, format="PNG", compress_level=1)
                transaction.put(f"{key}/im{number}".encode(), value.getvalue())
                lines.append(f"{key}/im{number}.png ({frame.height},{frame.width},3) 1\n")
    (target / "meta_info.txt").write_text("".join(lines))


BACKINGS = {
    "folder": ("sequences", "BIx4"),
    "LMDB": ("sequences-basicsr.lmdb", "BIx4-basicsr.lmdb"),
    "LMDB of mmagic's keys": ("sequences-mmagic.lmdb", "BIx4-mmagic.lmdb"),
    "LMDB of BasicSR's script": ("sequences-script.lmdb", "BIx4-script.lmdb"),
    "on the fly": ("sequences", None),
    "on the fly from LMDB": ("sequences-basicsr.lmdb", None),
    "GT folder, LQ LMDB": ("sequences", "BIx4-basicsr.lmdb"),
}


def opened(trees, backing, **options):
    gt, lq = BACKINGS[backing]
    return open_septuplets(trees / gt, lq and trees / lq, **options)


def by_hand(trees, key, lq="BIx4"):
    """(7, H, W, 3) of LQ and of GT, by Pillow alone."""
    return read_frames(trees / lq, key), read_frames(trees / "sequences", key)


def channels_first(frames):
    return frames.transpose(0, 3, 1, 2)


# --- the same pixels ----------------------------------------------------------------------------


@pytest.mark.parametrize("backing", BACKINGS)
def test_every_backing_gives_the_pixels_of_the_files(trees, backing):
    source = opened(trees, backing)
    assert source.keys == KEYS
    assert (source.gt_size, source.lq_size, source.scale) == (SIZE, FrameSize(8, 12), 4)
    for index, key in enumerate(KEYS):
        clip = source[index]
        for found, expected in zip(clip, by_hand(trees, key), strict=True):
            assert found.dtype == np.uint8
            assert np.array_equal(found, channels_first(expected))


def test_on_the_fly_in_the_other_convention(trees):
    source = opened(trees, "on the fly", convention="uint8")
    expected, _ = by_hand(trees, KEYS[0], "BIx4-uint8")
    assert np.array_equal(source[0].lq, channels_first(expected))
    assert not np.array_equal(source[0].lq, opened(trees, "on the fly")[0].lq)


MADE = [*({"convention": name} for name in CONVENTIONS), {"degradation": "bd"}]


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("made", MADE, ids=str)
def test_lq_of_a_crop_equals_the_crop_of_lq(tmp_path, scale, made):
    # few levels: many samples lie on an exact half, where every bit of the sums counts
    path = frame_path(tmp_path / "sequences", KEYS[0], 1)
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(scale)
    for number in FRAME_NUMBERS:
        frame = rng.choice(np.array([0, 1, 2, 254, 255], np.uint8), (72, 120, 3))
        path.with_name(f"im{number}.png").write_bytes(encode_png(frame))
    source = open_septuplets(tmp_path / "sequences", None, None, scale=scale, **made)
    whole = source[0]
    for top, left in [(0, 0), (1, 2), (72 // scale - 5, 120 // scale - 5), (3, 0)]:
        part = source.read(0, Augmentation(top, left, side=5))
        assert np.array_equal(part.lq, whole.lq[..., top : top + 5, left : left + 5])
        top, left, side = scale * top, scale * left, scale * 5
        assert np.array_equal(part.gt, whole.gt[..., top : top + side, left : left + side])


@pytest.mark.parametrize("backing", BACKINGS)
@pytest.mark.parametrize("crop", [5, None])
def test_reading_a_view_equals_the_view_of_the_whole(trees, backing, crop):
    source = opened(trees, backing)
    config = AugmentConfig(crop=crop, mirror=0.0)
    for seed in range(8):
        drawn = draw(config, source.lq_size, np.random.default_rng(seed))
        expected = augment(*by_hand(trees, KEYS[1]), config, np.random.default_rng(seed))
        for found, whole in zip(source.read(1, drawn), expected, strict=True):
            assert np.array_equal(found, channels_first(whole))


def test_lq_made_on_the_fly_is_a_source_like_any_other(trees):
    gt = open_source(trees / "sequences")
    made = LqFromGt(gt)
    name = f"{KEYS[0]}/im3"
    assert made.groups() == gt.groups()
    assert np.array_equal(made.frame(name), open_source(trees / "BIx4").frame(name))
    assert np.array_equal(made.shrink(gt.frame(name), name), downscale(gt.frame(name)))
    assert made.where(name) == gt.where(name) == str(trees / "sequences" / f"{name}.png")


# --- only what is needed ------------------------------------------------------------------------


class Counting(SequenceFolder):
    """Counts what is decoded."""

    def __init__(self, root):
        super().__init__(root)
        self.decoded = []

    def read_data(self, name):
        self.decoded.append(name)
        return super().read_data(name)


def test_on_the_fly_each_gt_frame_is_decoded_once(trees):
    gt = Counting(trees / "sequences")
    source = SequenceSource(KEYS, gt, LqFromGt(gt))
    gt.decoded.clear()
    source.read(0)
    assert gt.decoded == [f"{KEYS[0]}/im{n}" for n in FRAME_NUMBERS]


@pytest.mark.parametrize("gt", ["sequences", "only4th.lmdb"])
def test_the_centre_frame_alone_can_be_asked_for(trees, gt):
    source = open_septuplets(trees / gt, trees / "BIx4", gt_numbers=[CENTRE_FRAME])
    clip = source[2]
    expected_lq, expected_gt = by_hand(trees, KEYS[2])
    assert np.array_equal(clip.lq, channels_first(expected_lq))
    assert np.array_equal(clip.gt, channels_first(expected_gt[3:4]))


# --- lists --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [*ANNOTATION_FORMS, "plain"])
def test_clips_come_from_a_list_of_any_form(trees, tmp_path, form):
    path, keys = tmp_path / "list.txt", [KEYS[2], KEYS[0]]
    if form == "plain":
        path.write_text("".join(f"{key}\n" for key in keys))
    else:
        write_annotation(path, [ClipLine(key, 7, "1", SIZE) for key in keys], form)
    source = opened(trees, "folder", clip_list=path)
    assert source.keys == keys
    assert np.array_equal(source[1].gt, opened(trees, "folder")[0].gt)


def test_a_bad_line_is_not_skipped(trees, tmp_path):
    (tmp_path / "list.txt").write_text("00001/0001\nx/1\n")
    with pytest.raises(AnnotationError, match=r"list\.txt:2: 'x/1'"):
        opened(trees, "folder", clip_list=tmp_path / "list.txt")


# --- processes ----------------------------------------------------------------------------------


def total(source, queue):
    queue.put(int(source[1].gt.sum()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("backing", ["LMDB", "on the fly from LMDB"])
def test_a_database_that_was_read_is_read_in_another_process(trees, backing, method):
    source = opened(trees, backing)
    expected = int(source[1].gt.sum())
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    process = context.Process(target=total, args=(source, queue))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert queue.get() == expected
    assert int(source[1].gt.sum()) == expected


def test_a_source_is_pickled_without_its_handle(trees):
    source = opened(trees, "LMDB")
    data = pickle.dumps(source)
    expected = source[0]
    del source
    assert np.array_equal(pickle.loads(data)[0].gt, expected.gt)


# --- refusals -----------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """A GT tree of its own, to be broken."""
    return write_noise(tmp_path / "sequences", KEYS, SIZE)


def test_a_missing_frame_is_named(copy):
    path = frame_path(copy, KEYS[1], 5)
    path.unlink()
    source = open_septuplets(copy)
    with pytest.raises(FrameError, match=f"^{path}: the file is missing$"):
        source[1]


def test_a_damaged_frame_is_named(copy):
    path = frame_path(copy, KEYS[1], 5)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FrameError, match=f"^{path}: the PNG is truncated"):
        open_septuplets(copy)[1]


def test_a_frame_of_another_size_is_named(copy):
    path = frame_path(copy, KEYS[1], 5)
    Image.new("RGB", (44, 32)).save(path)
    with pytest.raises(FrameError, match=f"^{path}: the frame is 44x32, need 48x32$"):
        open_septuplets(copy)[1]


def test_a_missing_record_is_named(trees):
    source = open_septuplets(trees / "only4th.lmdb", trees / "BIx4", gt_numbers=[4, 5])
    with pytest.raises(FrameError, match=r"only4th\.lmdb, record '00001/0001/im5'"):
        source[0]


def test_a_database_without_meta_info_is_refused(trees, tmp_path):
    (tmp_path / "data.mdb").write_bytes((trees / "only4th.lmdb/data.mdb").read_bytes())
    with pytest.raises(LmdbError, match=r"meta_info\.txt"):
        open_septuplets(tmp_path)


def test_sizes_that_do_not_align_are_refused(trees):
    with pytest.raises(SettingsError, match="GT frames of 12x8 with LQ frames of 48x32"):
        open_septuplets(trees / "BIx4", trees / "sequences")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"scale": 1}, "scale 1: need 2 to 64"),
        ({"convention": "single"}, "convention 'single': allowed are double, uint8"),
        ({"gt_numbers": [0]}, r"GT frames \[0\]"),
        ({"gt_numbers": []}, r"GT frames \[\]"),
    ],
)
def test_wrong_options_are_refused(trees, options, message):
    with pytest.raises(SettingsError, match=message):
        opened(trees, "on the fly", **options)


def test_a_folder_of_single_pictures_is_refused(trees):
    with pytest.raises(SettingsError, match="holds single pictures"):
        open_septuplets(trees / "sequences" / KEYS[0])


# --- what LQ was made with ----------------------------------------------------------------------


def test_an_lq_tree_that_was_made_otherwise_is_refused(trees):
    for wanted, words in (
        ({"convention": "uint8"}, "was made with convention double, scale 4; asked for is"),
        ({"degradation": "bd"}, "asked for is bd"),
        ({"scale": 2}, "scale 4; asked for is convention double, scale 2"),
    ):
        with pytest.raises(SettingsError, match=words):
            opened(trees, "folder", **wanted)
    assert opened(trees, "folder", scale=4, convention="double").scale == 4


def test_a_scale_that_contradicts_frames_without_a_record(trees, tmp_path):
    shutil.copytree(trees / "BIx4", tmp_path / "lq")
    (tmp_path / "lq" / "vimeo-prep.json").unlink()
    with pytest.raises(SettingsError, match=r"its frames are 1/4 of .*, asked for is scale 2"):
        open_sequences(str(trees / "sequences"), str(tmp_path / "lq"), scale=2)


@pytest.mark.parametrize(
    "record",
    [
        {"convention": "single", "scale": 4},
        {"convention": ["double"], "scale": 4},
        {"convention": "double", "scale": "4"},
        {"convention": "double", "scale": 2**70},
        {"degradation": ["bd"], "scale": 4},
        {"degradation": "bd", "sigma": "wide", "scale": 4},
        {"degradation": "mine", "scale": 4},
        {"made_of": 7},
    ],
)
def test_a_record_that_cannot_be_understood(tmp_path, record):
    (tmp_path / "vimeo-prep.json").write_text(json.dumps(record))
    with pytest.raises(OutputError, match="its record cannot be understood"):
        recorded_degradation(tmp_path)
