"""The feed through MindSpore: columns, order over workers and ranks."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.conftest import ALL_PROCESSORS
from tests.vimeo_tools.noise import read_frames, write_noise
from tests.vimeo_tools.png_files import assembled, saved
from vimeo_tools import downscale
from vimeo_tools.data.png import FrameSize, decode_png
from vimeo_tools.data.septuplets import FRAME_NUMBERS, find_keys
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.feed.augment import AugmentConfig, augment
from vimeo_tools.feed.opening import open_septuplets
from vimeo_tools.feed.order import Evaluation, Sample, Training
from vimeo_tools.preparation.pack import pack
from vimeo_tools.preparation.pack_plan import PackPlan
from vimeo_tools.running.jobs import available_workers

pytest.importorskip("mindspore")

from vimeo_tools.feed.dataset import create_dataset, decode_with_mindspore

# MindSpore forks its workers in a process with threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

KEYS = [f"00001/{n:04d}" for n in range(1, 8)]
SIZE = FrameSize(height=32, width=48)
CROP = AugmentConfig(crop=5)
needs_two = pytest.mark.skipif(len(ALL_PROCESSORS) < 2, reason="needs two processors")
WORKERS = [1, pytest.param(2, marks=needs_two)]


@pytest.fixture
def gt(tmp_path):
    """Seven clips of noise."""
    return write_noise(tmp_path / "sequences", KEYS, SIZE)


def collected(source, plan, workers=1):
    """Columns of all batches, joined."""
    batches = list(create_dataset(source, plan, workers))
    names = batches[0] if batches else []
    arrays = {n: [b[n] if n == "key" else b[n].asnumpy() for b in batches] for n in names}
    return {name: np.concatenate(values) for name, values in arrays.items()}


def clip_by_hand(gt, key):
    frames = read_frames(gt, key)
    return downscale(frames), frames


# --- columns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", WORKERS)
def test_training_columns(gt, workers):
    source = open_septuplets(gt)
    plan = Training(batch_size=2, augment=CROP, seed=4)
    feed = create_dataset(source, plan, workers)
    batches = list(feed)
    assert len(batches) == len(feed) == 4
    for step, batch in enumerate(batches):
        assert sorted(batch) == ["gt", "lq"]
        assert batch["lq"].shape == (2, 14, 3, 5, 5)
        assert batch["gt"].shape == (2, 14, 3, 20, 20)
        assert {str(value.dtype) for value in batch.values()} == {"Float32"}
        for place in range(2):
            sample = plan.samples(7)[2 * step + place]
            expected = augment(*clip_by_hand(gt, KEYS[sample.clip]), CROP, plan.rng(sample))
            for name, frames in zip(("lq", "gt"), expected, strict=True):
                unit = frames.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
                assert np.array_equal(batch[name].asnumpy()[place], unit)


def test_it_answers_to_the_names_of_mindspores_data_sets(gt):
    feed = create_dataset(open_septuplets(gt), Training(augment=CROP, seed=4), 1)
    batches = list(feed)
    twice = list(feed.create_dict_iterator(num_epochs=2, output_numpy=True))
    assert feed.get_dataset_size() == len(batches) == 7
    for batch, array in zip([*batches, *batches], twice, strict=True):
        assert isinstance(array["gt"], np.ndarray)
        assert np.array_equal(batch["lq"].asnumpy(), array["lq"])


@pytest.mark.parametrize("workers", WORKERS)
def test_evaluation_columns(gt, workers):
    columns = collected(open_septuplets(gt), Evaluation(batch_size=2), workers)
    assert columns["key"].tolist() == KEYS
    assert columns["lq"].shape == (7, 7, 3, 8, 12)
    assert columns["gt"].shape == (7, 7, 3, 32, 48)
    for place, key in enumerate(KEYS):
        for name, frames in zip(("lq", "gt"), clip_by_hand(gt, key), strict=True):
            levels = columns[name][place] * 255
            assert np.array_equal(np.rint(levels), frames.transpose(0, 3, 1, 2))
    assert columns["gt"].max() == 1
    assert columns["gt"].min() == 0


def test_evaluation_of_the_centre_frame_alone(gt):
    source = open_septuplets(gt, gt_numbers=[4])
    whole = collected(open_septuplets(gt), Evaluation())
    centre = collected(source, Evaluation())
    assert np.array_equal(centre["gt"], whole["gt"][:, 3:4])
    assert np.array_equal(centre["lq"], whole["lq"])


# --- order --------------------------------------------------------------------------------------


@needs_two
def test_batches_do_not_depend_on_the_number_of_workers(gt):
    plan = Training(batch_size=3, augment=CROP, seed=1, steps=range(6))
    alone, shared = (collected(open_septuplets(gt), plan, workers) for workers in (1, 2))
    assert np.array_equal(alone["lq"], shared["lq"])
    assert np.array_equal(alone["gt"], shared["gt"])


def test_batches_do_not_depend_on_the_number_of_ranks(gt):
    source = open_septuplets(gt)
    alone = collected(source, Training(4, CROP, seed=1, steps=range(5)))["gt"]
    ranks = [collected(source, Training(2, CROP, 1, rank, 2, range(5)))["gt"] for rank in range(2)]
    steps = [part.reshape(5, 2, *part.shape[1:]) for part in ranks]
    assert np.array_equal(np.concatenate(steps, 1).reshape(alone.shape), alone)


@pytest.mark.parametrize("workers", WORKERS)
def test_resumed_in_mid_epoch_the_batches_are_the_same(gt, workers):
    source = open_septuplets(gt)
    whole = collected(source, Training(2, CROP, steps=range(8)))["gt"]
    resumed = collected(source, Training(2, CROP, steps=range(5, 8)), workers)["gt"]
    assert np.array_equal(resumed, whole[10:])


def test_a_feed_may_be_gone_through_again(gt):
    feed = create_dataset(open_septuplets(gt), Training(1, CROP), 1)
    first, second = ([batch["gt"].asnumpy() for batch in feed] for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("world", [2, 3, 9])
def test_over_all_ranks_each_clip_is_evaluated_once(gt, world):
    source = open_septuplets(gt)
    parts = [collected(source, Evaluation(2, rank, world)) for rank in range(world)]
    keys = [key for part in parts if part for key in part["key"].tolist()]
    assert sorted(keys) == KEYS


def test_the_sample_of_a_seed_epoch_and_clip_is_fixed(gt):
    """In another epoch another view; whoever asks for a (seed, epoch, clip), the same."""
    source = open_septuplets(gt)
    config = AugmentConfig(crop=5, mirror=0.0)
    plans = [Training(1, config, steps=range(14)), Training(2, config, 0, 1, 2, range(4))]
    views = {}
    for plan in plans:
        columns = collected(source, plan)
        for sample, lq in zip(plan.samples(7), columns["lq"], strict=True):
            assert np.array_equal(views.setdefault(sample, lq), lq)
    assert not np.array_equal(views[Sample(0, 3)], views[Sample(1, 3)])


# --- workers and databases ----------------------------------------------------------------------


@pytest.mark.parametrize("workers", WORKERS)
def test_databases_are_read_by_workers_and_parent(gt, workers):
    target = gt.with_name("gt.lmdb")
    pack(PackPlan(gt, target, find_keys(gt), FRAME_NUMBERS, SIZE))
    source = open_septuplets(target)
    before = source[0].gt  # opens the database in this process
    columns = collected(source, Evaluation(), workers)
    assert np.array_equal(columns["gt"], collected(open_septuplets(gt), Evaluation())["gt"])
    assert np.array_equal(source[0].gt, before)


@pytest.mark.parametrize("workers", [0, -1, 10_000])
def test_more_workers_than_processors_are_refused(gt, workers):
    allowed = available_workers()
    with pytest.raises(
        SettingsError, match=f"^{workers} workers: this machine allows 1 to {allowed}"
    ):
        create_dataset(open_septuplets(gt), Evaluation(), workers)


def test_by_default_all_processors_work(gt):
    assert len(list(create_dataset(open_septuplets(gt), Evaluation()))) == 7


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan, message",
    [
        (Training(), "crop 64 of LQ frames of 12x8: need at most 8"),
        (Training(2, AugmentConfig(crop=None)), "transpose 0.5 of whole frames of 12x8"),
    ],
)
def test_a_plan_must_fit_the_clips(gt, plan, message):
    with pytest.raises(SettingsError, match=message):
        create_dataset(open_septuplets(gt), plan)


def test_training_needs_all_gt_frames(gt):
    with pytest.raises(SettingsError, match="training needs all 7"):
        create_dataset(open_septuplets(gt, gt_numbers=[4]), Training(1, CROP))


# --- MindSpore's decoder ------------------------------------------------------------------------


def turned_by_metadata():
    """Says that it is to be shown turned by a quarter, and with a gamma."""
    exif = Image.Exif()
    exif[0x0112] = 6
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", (20000).to_bytes(4, "big"))
    return {"exif": exif, "pnginfo": chunks}


@pytest.mark.parametrize("height, width", [(1, 1), (9, 14), (64, 31)])
@pytest.mark.parametrize(
    "options", [{}, {"compress_level": 0}, {"transparency": (1, 2, 3)}, turned_by_metadata()]
)
def test_it_decodes_what_pillow_decodes(height, width, options):
    rng = np.random.default_rng(height)
    noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    smooth = np.sort(noise, axis=1)  # chooses other filters
    for picture in (noise, smooth):
        data = saved(Image.fromarray(picture), **options)
        assert np.array_equal(decode_png(data, None, decode_with_mindspore), picture)


def test_it_decodes_interlaced_pictures():
    """Seven passes over 5 x 3 pixels, written by hand: Pillow writes none."""
    picture = np.arange(45, dtype=np.uint8).reshape(5, 3, 3)
    assert np.array_equal(decode_png(interlaced(picture), None, decode_with_mindspore), picture)


def interlaced(picture):
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2)]
    parts = [picture[r::rs, c::cs] for r, rs, c, cs in [*passes, (1, 2, 0, 1)]]
    rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    header = struct.pack(">IIBBBBB", picture.shape[1], picture.shape[0], 8, 2, 0, 0, 1)
    return assembled(b"IHDR" + header, b"IDAT" + zlib.compress(rows), b"IEND")


@pytest.mark.parametrize("length", [0, 11, 200])
def test_it_refuses_what_it_cannot_decompress(length):
    noise = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise))
    with pytest.raises(FrameError, match="picture data are damaged"):
        decode_png(
            assembled(whole[12:29], b"IDAT" + bytes(length), b"IEND"), None, decode_with_mindspore
        )
