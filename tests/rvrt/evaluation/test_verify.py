import csv
import json

import numpy as np
import pytest
from PIL import Image

from rvrt.errors import EvaluationError
from rvrt.evaluation.evaluator import Job, evaluate
from rvrt.evaluation.meter import choose_metrics
from rvrt.evaluation.metrics import METRICS
from rvrt.evaluation.opening import open_folders, open_vimeo
from rvrt.evaluation.protocol import PROTOCOLS
from rvrt.evaluation.summary import Facts, Settings
from rvrt.evaluation.verify import verify
from rvrt.restoration.pictures import save_picture


def measure(sequences, output, save_images=True):
    """Results of the baseline, as rvrt-eval writes them."""
    names = choose_metrics(sequences.protocol.more).names
    more = tuple(name for name in names if name not in METRICS)
    settings = Settings(sequences.source, sequences.protocol.name, save_images, None, more)
    facts = Facts(
        "t", sequences.protocol.name, None, None, {}, "CPU", (), settings.to_json()
    )  # fmt: skip
    evaluate(Job(output, sequences, sequences.keys, {}, settings, facts), None)
    return output


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for key, count in (("a", 6), ("b", 5)):
        for number in range(count):
            gt = rng.integers(0, 256, (48, 64, 3), np.uint8)
            save_picture(root / key / f"{number}.png", gt)
    return root


@pytest.fixture
def results(data, tmp_path):
    return measure(open_folders(data, protocol=PROTOCOLS["duf"]), tmp_path / "out")


def test_what_is_as_written_is_said_to_be(results):
    found = verify(results / "results.json", sample=100)
    # Three frames of images/, and the middle frames of both sequences.
    assert (found.saved, found.measured, found.seed) == (5, 5, 0)
    assert found.largest == 0 and found.differences == found.notes == []


def test_the_sample_is_that_of_the_seed(results):
    rng = np.random.default_rng(5)
    for path in (results / "images").rglob("*.png"):
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(path)
    named = [tuple(verify(results, sample=1, seed=seed).differences) for seed in range(12)]
    assert named == [tuple(verify(results, sample=1, seed=seed).differences) for seed in range(12)]
    assert () in named and len(set(named)) > 2  # pictures/ are as they were


def test_a_picture_that_was_changed_is_named(results):
    path = results / "images" / "a" / "3.png"
    picture = np.array(Image.open(path))
    picture[20, 20] ^= 1
    Image.fromarray(picture).save(path)
    (results / "pictures" / "b" / "gt.png").write_bytes(b"no picture")
    found = verify(results)
    assert any(line.startswith("images/a/3.png: psnr_y is ") for line in found.differences)
    assert any("pictures/b/gt.png" in line for line in found.differences)
    assert not any("a/2.png" in line for line in found.differences)


def rewrite(path, change):
    rows = list(csv.DictReader(path.read_text().splitlines()))
    change(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_means_that_are_not_those_of_their_numbers_are_named(results):
    fields = json.loads((results / "results.json").read_text())
    fields["means"]["bicubic"]["psnr_y"] += 0.01
    (results / "results.json").write_text(json.dumps(fields))
    (line,) = verify(results).differences
    assert line.startswith("results.json: bicubic, psnr_y is the mean ")

    def better(rows):
        rows[1]["bicubic_ssim_rgb"] = "0.99"

    rewrite(results / "per_sequence.csv", better)
    assert any("per_sequence.csv, b: bicubic, ssim_rgb" in x for x in verify(results).differences)


def test_data_that_has_moved(results, data, tmp_path):
    moved = data.rename(data.with_name("elsewhere"))
    try:
        found = verify(results)
        assert found.saved == 2 and "say --gt" in found.notes[0]
        assert verify(results, gt=moved).saved == 5
    finally:
        moved.rename(data)


def test_septuplets_and_means_over_all_frames(septuplets, data, tmp_path):
    vimeo = open_vimeo(septuplets, "train", PROTOCOLS["vimeo-all"])
    found = verify(measure(vimeo, tmp_path / "all"), sample=4)
    assert found.saved == 2 * 7 + 2 and found.measured == 4 and found.differences == []
    deblur = open_folders(data, data, protocol=PROTOCOLS["deblur"])
    found = verify(measure(deblur, tmp_path / "deblur"), sample=3)
    assert found.differences == []


def test_nothing_to_measure(data, tmp_path):
    out = measure(open_folders(data), tmp_path / "out", save_images=False)
    (out / "per_frame.csv").unlink()
    with pytest.raises(EvaluationError, match="holds no picture whose scores are written down"):
        verify(out)
