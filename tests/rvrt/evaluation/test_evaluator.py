import dataclasses
import json
import math
import shutil

import mindspore as ms
import numpy as np
import pytest

from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import EvaluationError
from rvrt.evaluation.evaluator import Job, evaluate, measure_sequence
from rvrt.evaluation.metrics import METRICS, measure
from rvrt.evaluation.opening import open_folders, open_vimeo
from rvrt.evaluation.protocol import PROTOCOLS
from rvrt.evaluation.results import read_records
from rvrt.evaluation.sequences import Sequence
from rvrt.evaluation.summary import Facts, Settings
from rvrt.restoration.frames import mirror
from rvrt.restoration.pictures import save_picture
from rvrt.restoration.restorer import Cutting, Restorer
from vimeo_tools import imresize
from vimeo_tools.data.pictures import ArraySequence, read_picture
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import synthesize

LIGHT = MODEL_PRESETS["rvrt-light"]


class Network:
    """A function of (T, 3, H, W) arrays as a network, with four times as many rows and columns."""

    def __init__(self, function, config=LIGHT):
        self.function = function
        self.config = config

    def __call__(self, frames, flows=None):
        clip = frames.asnumpy()[0]
        assert clip.dtype == np.float32 and len(clip) % 2 == 0
        restored = self.function(clip).repeat(4, axis=-1).repeat(4, axis=-2)
        return ms.Tensor(restored[None].astype(np.float32))


def mixed(clip):
    """Sees time and place, as a real network: a frame depends on its number and its neighbour."""
    number = np.arange(len(clip), dtype=np.float32)[:, None, None, None]
    return 0.9 * clip + 0.1 * np.roll(clip, 1, axis=0) + number / 500


def restorer(function=mixed, **cutting):
    return Restorer(Network(function), Cutting(**cutting))


def pixelwise(clip):
    return clip


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    """Twelve small clips in the test list; not to be changed."""
    root = tmp_path_factory.mktemp("twelve")
    synthesize(root, 13, test_clips=12, size=FrameSize(height=32, width=48), seed=1)
    return root


@pytest.fixture
def job(twelve, tmp_path):
    vimeo = open_vimeo(twelve, "test")

    def make(name="out", **changes):
        chosen = {
            "output": tmp_path / name,
            "sequences": vimeo,
            "keys": vimeo.keys,
            "groups": {vimeo.keys[0]: "slow"},
            "settings": Settings(vimeo.source, "vimeo-centre", False, None),
            "facts": Facts("t", "vimeo-centre", "test", None, {}, "CPU", (), {}),
        }
        return Job(**{**chosen, **changes})

    return make


def by_the_protocol(lq):
    """A septuplet restored by hand: mirrored, folded, clamped, rounded."""
    clip = mirror(lq.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    out = mixed(clip).repeat(4, -1).repeat(4, -2)
    means = [(out[i] + out[13 - i]) / 2 for i in range(7)]
    return [np.rint(np.clip(m, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0) for m in means]


def test_the_protocol_frame_by_frame(twelve):
    vimeo = open_vimeo(twelve, "test", PROTOCOLS["vimeo-all"])
    sequence = vimeo.read(vimeo.keys[3])
    record, shown = measure_sequence(sequence, restorer())
    lq, gt = sequence.lq.read(0, 7), sequence.gt.read(0, 7)
    ours = [measure(f, g) for f, g in zip(by_the_protocol(lq), gt, strict=True)]
    bicubic = [measure(imresize(f, 4), g) for f, g in zip(lq, gt, strict=True)]
    for scores, expected in ((record.ours, ours), (record.bicubic, bicubic)):
        np.testing.assert_allclose(
            [scores[name] for name in METRICS], np.mean(expected, axis=0), rtol=1e-12
        )
    assert (record.frames, record.nan_frames) == (7, 0) and record.seconds > 0
    assert record.peak_memory_bytes > 2**20
    middle = shown.middle
    assert middle.name == "im4" and middle.scores.items() >= ours[3]._asdict().items()
    centre = open_vimeo(twelve, "test", PROTOCOLS["vimeo-centre"]).read(vimeo.keys[3])
    record, _ = measure_sequence(centre, restorer())
    assert record.ours == ours[3]._asdict() and record.frames == 1


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_folders_of_any_length_and_tiles(tmp_path, frames):
    rng = np.random.default_rng(0)
    lq = rng.integers(0, 256, (frames, 40, 100, 3), np.uint8)
    gt = rng.integers(0, 256, (frames, 160, 400, 3), np.uint8)
    for index in range(frames):
        save_picture(tmp_path / "lq" / f"{index}.png", lq[index])
        save_picture(tmp_path / "gt" / f"{index}.png", gt[index])
    pairs = open_folders(tmp_path / "gt", tmp_path / "lq")
    for options in ({}, {"tile": 64, "tile_frames": 6}, {"padding": "borders"}):
        images = tmp_path / "images"
        record, _ = measure_sequence(pairs.read("gt"), restorer(pixelwise, **options), images)
        expected = np.stack([read_picture(images / f"{i}.png") for i in range(frames)])
        np.testing.assert_array_equal(expected, lq.repeat(4, 1).repeat(4, 2))
        scores = [measure(a, b) for a, b in zip(expected, gt, strict=True)]
        assert record.frames == frames
        assert record.ours["psnr_y"] == pytest.approx(np.mean([s.psnr_y for s in scores]))


def test_tiles_are_bounded(twelve):
    vimeo = open_vimeo(twelve, "test")
    lq = np.zeros((7, 40, 100, 3), np.uint8)
    gt = np.zeros((1, 160, 400, 3), np.uint8)
    sequence = Sequence(
        vimeo.keys[0], ArraySequence(lq), ArraySequence(gt), (3,), PROTOCOLS["vimeo-centre"]
    )
    seen = []

    def shape(clip):
        seen.append(clip.shape)
        return clip

    measure_sequence(sequence, restorer(shape))
    assert seen == [(14, 3, 40, 104)]
    seen.clear()
    measure_sequence(sequence, restorer(shape, tile=64, tile_frames=8))
    assert len(seen) > 4
    assert all(frames <= 8 and width <= 64 for frames, _, _, width in seen)


def test_nan_frames_are_counted_and_shown(job):
    def broken(clip):
        restored = clip.copy()
        if clip[0].mean() > 0.4:
            restored[3, 0, 0, 0] = np.nan
            restored[4, 0, 0, 0] = np.inf
        return restored

    results = evaluate(job(), restorer(broken))
    records = read_records(job().output)
    bad = [key for key, record in records.items() if record.nan_frames]
    assert 0 < len(bad) < 12 and results.nan_frames == len(bad)
    assert all(math.isnan(records[key].ours["psnr_y"]) for key in bad)
    written = json.loads((job().output / "results.json").read_text())
    assert written["means"]["ours"]["psnr_y"] == "nan"
    assert written["means"]["bicubic"]["psnr_y"] > 0
    for key in bad[:5]:
        assert (job().pictures(key) / "ours.png").exists()


def stops_after(calls):
    left = iter(range(calls))

    def run(clip):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return mixed(clip)

    return restorer(run)


def written(folder):
    """What a run leaves, but for the times."""
    results = json.loads((folder / "results.json").read_text())
    del results["seconds_per_call"]
    lines = (folder / "per_sequence.csv").read_text().splitlines()
    rows = [line.rpartition(",")[0] for line in lines]
    pictures = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in (folder / "pictures").rglob("*.png")
    }
    return results, rows, pictures


@pytest.fixture
def undisturbed(job):
    evaluate(job("whole"), restorer())
    return written(job("whole").output)


def test_a_stopped_run_measures_only_what_is_missing(job, undisturbed):
    with pytest.raises(KeyboardInterrupt):
        evaluate(job(), stops_after(5))
    path = job().output / "records.jsonl"
    assert len(path.read_text().splitlines()) == 5
    path.write_bytes(path.read_bytes() + b'{"key": "0000')
    (job().output / ".results.json.abc.part").touch()
    for key in job().keys:
        job().pictures(key).mkdir(exist_ok=True)
    (job().pictures(job().keys[5]) / ".gt.abc.part.png").touch()
    assert not (job().output / "results.json").exists()
    evaluate(job(), stops_after(7))
    assert written(job().output) == undisturbed
    assert not list(job().output.rglob(".*"))
    evaluate(job(), stops_after(0))
    assert written(job().output) == undisturbed


def test_shards_merge_to_one_run(job, undisturbed):
    for index in (3, 1):
        assert evaluate(job(shard=(index, 3)), restorer()) is None
        assert not (job().output / "results.json").exists()
    assert evaluate(job(shard=(2, 3)), restorer()) is not None
    assert written(job().output) == undisturbed
    records = sorted(job().output.glob("records*.jsonl"))
    assert [len(path.read_text().splitlines()) for path in records] == [4, 4, 4]


def test_a_run_without_a_shard_does_what_shards_left(job, undisturbed):
    assert evaluate(job(shard=(2, 2)), restorer()) is None
    evaluate(job(), stops_after(6))
    assert written(job().output) == undisturbed


def test_pictures_of_the_worst_and_best(job, twelve):
    # The first part of the list may have other extremes than the whole.
    evaluate(job(keys=job().keys[:11]), restorer())
    results = evaluate(job(), restorer())
    records = read_records(job().output)
    order = sorted(records, key=lambda key: records[key].ours["psnr_y"])
    folder = job().output / "pictures"
    kept = {path.name for path in folder.iterdir()}
    assert kept == {key.replace("/", "_") for key in [*order[:5], *order[-5:]]}
    assert results.groups["slow"].sequences == 1
    sequence = job().sequences.read(order[0])
    found = {path.stem: read_picture(path) for path in job().pictures(order[0]).iterdir()}
    np.testing.assert_array_equal(found["lq"], sequence.lq.read(3, 4)[0])
    np.testing.assert_array_equal(found["gt"], sequence.gt.read(0, 1)[0])
    np.testing.assert_array_equal(found["bicubic"], imresize(found["lq"], 4))
    assert measure(found["ours"], found["gt"])._asdict() == records[order[0]].ours


def test_pictures_that_went_missing_are_made_again(job, undisturbed):
    shutil.rmtree(job("whole").output / "pictures")
    evaluate(job("whole"), restorer())
    assert written(job("whole").output) == undisturbed


def test_without_a_network(job):
    results = evaluate(job(), None)
    assert results.whole.ours is None and results.seconds_per_call is None
    assert not list((job().output / "pictures").rglob("ours.png"))


def test_networks_of_another_scale(job):
    half = Network(pixelwise, dataclasses.replace(LIGHT, upscale=2))
    with pytest.raises(EvaluationError, match="GT is 4 times as large as LQ, the network enlarges"):
        evaluate(job(), Restorer(half))
