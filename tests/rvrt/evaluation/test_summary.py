import dataclasses
import json
import math
from pathlib import Path

from rvrt.evaluation.metrics import METRICS
from rvrt.evaluation.protocol import PROTOCOLS
from rvrt.evaluation.results import PerFrame, SequenceRecord
from rvrt.evaluation.sequences import DataSource
from rvrt.evaluation.summary import Facts, NetworkRun, Results, Settings, Weights, summarise
from vimeo_tools.degradations import Bicubic

FACTS = Facts(
    title="rvrt on vimeo_septuplet test",
    protocol="vimeo-centre",
    split="test",
    weights=Weights("runs/best.ckpt", "0f", None),
    versions={"numpy": "1.26.4"},
    device="CPU, 2 cores",
    published=PROTOCOLS["vimeo-centre"].published,
    settings={"tile": None, "padding": "authors"},
)


def scores(psnr):
    return dict(zip(METRICS, (psnr, 0.5, psnr + 1, 0.25), strict=True))


def record(key, psnr, seconds=1.0):
    nan = int(math.isnan(psnr))
    return SequenceRecord(key, 1, nan, scores(psnr), scores(20.0), seconds, int(9 * seconds))


def test_means_groups_speed_and_memory():
    records = [record("a", 30.0, 9.0), record("b", 32.0, 1.0), record("c", 37.0, 2.0)]
    results = summarise(FACTS, records, {"b": "slow", "c": "fast", "x": "medium"})
    assert (results.whole.ours, results.whole.bicubic) == (scores(33.0), scores(20.0))
    assert list(results.groups) == ["slow", "fast"] and results.groups["slow"].sequences == 1
    assert results.groups["slow"].ours == scores(32.0)
    assert (results.seconds_per_call, results.peak_memory_bytes) == (2.0, 81)


def test_without_a_network():
    results = summarise(FACTS, [SequenceRecord("a", 1, 0, None, scores(20.0))], {})
    assert results.whole.ours is None and results.whole.bicubic == scores(20.0)
    assert results.seconds_per_call is results.peak_memory_bytes is None


def test_nan_is_counted_and_never_dropped():
    results = summarise(FACTS, [record("a", 30.0), record("b", math.nan)], {})
    assert results.nan_frames == 1 and math.isnan(results.whole.ours["psnr_y"])
    assert results.to_json()["means"]["ours"]["psnr_y"] == "nan"


def test_the_form_of_the_file():
    results = summarise(FACTS, [record("a", 30.0), record("b", math.inf)], {"a": "slow"})
    fields = results.to_json()
    assert list(fields) == [
        "title", "protocol", "split", "weights", "versions", "device", "published", "settings",
        "sequences", "frames", "nan_frames", "seconds_per_call", "peak_memory_bytes", "means",
        "groups",
    ]  # fmt: skip
    assert fields["published"][1] == {
        "name": "RVRT, mindediting", "protocol": "vimeo-centre", "psnr_y": 38.12, "ssim_y": None,
        "lq": "bicubic",
    }  # fmt: skip
    assert fields["groups"] == {
        "slow": {"sequences": 1, "ours": scores(30.0), "bicubic": scores(20.0)}
    }
    assert Results.from_json(json.loads(json.dumps(fields, allow_nan=False))) == results


def test_settings_say_what_a_measurement_depends_on():
    made = DataSource(Path("/data/gt"), None, Bicubic("uint8"))
    baseline = Settings(made, "vimeo-all", True, None)
    assert baseline.to_json() == {
        "gt": "/data/gt", "lq": "made from GT, convention uint8", "protocol": "vimeo-all",
        "save_images": True,
    }  # fmt: skip
    run = NetworkRun("0f", "GPU", "float16", 64, 30, "authors")
    stored = DataSource(Path("/data/gt"), Path("/data/BIx4"), Bicubic())
    settings = Settings(stored, "duf", False, run, ("dpsnr_y", "tof")).to_json()
    assert settings["lq_convention"] == "double" and settings["padding"] == "authors"
    assert (settings["metrics"], settings["tiling"]) == ("dpsnr_y, tof", "blended")
    assert (settings["tile"], settings["device"], settings["weights_sha256"]) == (64, "GPU", "0f")


def test_a_protocol_may_average_over_all_frames_alike():
    def of(key, *values):
        frames = [{"psnr_y": value} for value in values]
        frames[1]["tof"] = values[0]  # of pairs, from the second frame on
        for frame in frames[2:]:
            frame["tof"] = 1.0
        mean = {"psnr_y": sum(values) / len(values), "tof": 9.0}
        names = [str(n) for n in range(len(values))]
        return SequenceRecord(
            key, len(values), 0, mean, mean, 1.0, 1, PerFrame(names, frames, frames)
        )

    records = [of("a", 30.0, 32.0), of("b", 34.0, 35.0, 39.0)]
    by_frame = summarise(dataclasses.replace(FACTS, protocol="tecogan"), records, {"b": "fast"})
    assert by_frame.whole.ours == by_frame.whole.bicubic == {"psnr_y": 34.0, "tof": 65 / 3}
    assert by_frame.groups["fast"].ours == {"psnr_y": 36.0, "tof": 17.5}
    assert summarise(FACTS, records, {}).whole.ours == {"psnr_y": 33.5, "tof": 9.0}
