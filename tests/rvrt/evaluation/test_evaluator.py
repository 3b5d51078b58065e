import json
import math
import shutil

import numpy as np
import pytest

from rvrt.errors import EvaluationError
from rvrt.evaluation.evaluator import Job, Restorer, evaluate, measure_sequence
from rvrt.evaluation.metrics import measure
from rvrt.evaluation.protocol import quantise, restore_septuplet
from rvrt.evaluation.results import METRICS, read_records
from rvrt.evaluation.sequences import Sequence, open_folders, open_vimeo
from rvrt.restoration.media import save_picture
from vimeo_tools import imresize
from vimeo_tools.data.pictures import ArraySequence, read_picture
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import synthesize


def network(clip, rows, columns):
    """Sees time and place, as a real one does: a frame depends on its number and its neighbour."""
    tile = clip[:, :, slice(*rows), slice(*columns)]
    assert tile.dtype == np.float32 and len(tile) % 2 == 0
    number = np.arange(len(tile), dtype=np.float32)[:, None, None, None]
    mixed = 0.9 * tile + 0.1 * np.roll(tile, 1, axis=0) + number / 500
    return mixed.repeat(4, axis=-1).repeat(4, axis=-2)


def pixelwise(clip, rows, columns):
    tile = clip[:, :, slice(*rows), slice(*columns)]
    return tile.repeat(4, axis=-1).repeat(4, axis=-2)


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
            "settings": {"weights_sha256": "w"},
            "facts": {"title": "t"},
        }
        return Job(**{**chosen, **changes})

    return make


def test_the_protocol_frame_by_frame(twelve):
    """What is measured equals the protocol's own functions, put together by hand."""
    vimeo = open_vimeo(twelve, "test", "all")
    sequence = vimeo.read(vimeo.keys[3])
    record, middle = measure_sequence(sequence, Restorer(network, 4))
    lq, gt = sequence.lq.read(0, 7), sequence.gt.read(0, 7)

    def whole(clip):
        return network(clip[0], (0, clip.shape[3]), (0, clip.shape[4]))[None]

    folded = restore_septuplet(whole, lq.transpose(0, 3, 1, 2))
    ours = [measure(quantise(f).transpose(1, 2, 0), g) for f, g in zip(folded, gt, strict=True)]
    bicubic = [measure(imresize(f, 4), g) for f, g in zip(lq, gt, strict=True)]
    for scores, expected in ((record.ours, ours), (record.bicubic, bicubic)):
        np.testing.assert_allclose(
            [scores[name] for name in METRICS], np.mean(expected, axis=0), rtol=1e-12
        )
    assert (record.frames, record.nan_frames) == (7, 0) and record.seconds > 0
    assert middle.name == "im4" and middle.scores == ours[3]
    centre = open_vimeo(twelve, "test", "centre").read(vimeo.keys[3])
    record, _ = measure_sequence(centre, Restorer(network, 4))
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
    for options in ({}, {"tile": 64, "tile_frames": 6}, {"smallest_side": 64}):
        images = tmp_path / "images"
        record, _ = measure_sequence(pairs.read("gt"), Restorer(pixelwise, 4, **options), images)
        expected = np.stack([read_picture(images / f"{i}.png") for i in range(frames)])
        np.testing.assert_array_equal(expected, lq.repeat(4, 1).repeat(4, 2))
        scores = [measure(a, b) for a, b in zip(expected, gt, strict=True)]
        assert record.frames == frames
        assert record.ours["psnr_y"] == pytest.approx(np.mean([s.psnr_y for s in scores]))


def test_tiles_are_bounded(twelve):
    vimeo = open_vimeo(twelve, "test")
    lq = np.zeros((7, 40, 100, 3), np.uint8)
    gt = np.zeros((1, 160, 400, 3), np.uint8)
    sequence = Sequence(vimeo.keys[0], ArraySequence(lq), ArraySequence(gt), (3,), mirrored=True)
    seen = []

    def run(clip, rows, columns):
        seen.append((len(clip), rows, columns))
        return pixelwise(clip, rows, columns)

    measure_sequence(sequence, Restorer(run, 4))
    assert seen == [(14, (0, 40), (0, 100))]
    seen.clear()
    measure_sequence(sequence, Restorer(run, 4, tile=64, tile_frames=8))
    assert len(seen) > 4
    assert all(frames <= 8 and columns[1] - columns[0] <= 64 for frames, _, columns in seen)


def test_nan_frames_are_counted_and_shown(job):
    def broken(clip, rows, columns):
        restored = pixelwise(clip, rows, columns)
        if clip[0].mean() > 0.4:
            restored[3, 0, 0, 0] = np.nan
            restored[4, 0, 0, 0] = np.inf
        return restored

    results = evaluate(job(), Restorer(broken, 4))
    records = read_records(job().output)
    bad = [key for key, record in records.items() if record.nan_frames]
    assert 0 < len(bad) < 12 and results["nan_frames"] == len(bad)
    assert all(math.isnan(records[key].ours["psnr_y"]) for key in bad)
    written = json.loads((job().output / "results.json").read_text())
    assert written["means"]["ours"]["psnr_y"] == "nan"
    assert written["means"]["bicubic"]["psnr_y"] > 0
    for key in bad[:5]:
        assert (job().pictures(key) / "ours.png").exists()


def stops_after(calls):
    left = iter(range(calls))

    def run(*window):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return network(*window)

    return Restorer(run, 4)


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
    evaluate(job("whole"), Restorer(network, 4))
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
        assert evaluate(job(shard=(index, 3)), Restorer(network, 4)) is None
        assert not (job().output / "results.json").exists()
    assert evaluate(job(shard=(2, 3)), Restorer(network, 4)) is not None
    assert written(job().output) == undisturbed
    records = sorted(job().output.glob("records*.jsonl"))
    assert [len(path.read_text().splitlines()) for path in records] == [4, 4, 4]


def test_a_run_without_a_shard_does_what_shards_left(job, undisturbed):
    assert evaluate(job(shard=(2, 2)), Restorer(network, 4)) is None
    evaluate(job(), stops_after(6))
    assert written(job().output) == undisturbed


def test_pictures_of_the_worst_and_best(job, twelve):
    # The first part of the list may have other extremes than the whole.
    evaluate(job(keys=job().keys[:11]), Restorer(network, 4))
    results = evaluate(job(), Restorer(network, 4))
    records = read_records(job().output)
    order = sorted(records, key=lambda key: records[key].ours["psnr_y"])
    folder = job().output / "pictures"
    kept = {path.name for path in folder.iterdir()}
    assert kept == {key.replace("/", "_") for key in [*order[:5], *order[-5:]]}
    assert results["groups"]["slow"]["sequences"] == 1
    sequence = job().sequences.read(order[0])
    found = {path.stem: read_picture(path) for path in job().pictures(order[0]).iterdir()}
    np.testing.assert_array_equal(found["lq"], sequence.lq.read(3, 4)[0])
    np.testing.assert_array_equal(found["gt"], sequence.gt.read(0, 1)[0])
    np.testing.assert_array_equal(found["bicubic"], imresize(found["lq"], 4))
    assert measure(found["ours"], found["gt"])._asdict() == records[order[0]].ours


def test_pictures_that_went_missing_are_made_again(job, undisturbed):
    shutil.rmtree(job("whole").output / "pictures")
    evaluate(job("whole"), Restorer(network, 4))
    assert written(job("whole").output) == undisturbed


def test_without_a_network(job):
    results = evaluate(job(), None)
    assert results["means"]["ours"] is None and results["seconds_per_call"] is None
    assert not list((job().output / "pictures").rglob("ours.png"))


def test_networks_of_another_scale(job):
    with pytest.raises(EvaluationError, match="GT is 4 times as large as LQ, the network enlarges"):
        evaluate(job(), Restorer(pixelwise, 2))
