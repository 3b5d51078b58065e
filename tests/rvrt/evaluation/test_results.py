import csv
import errno
import json
import math
import os
from dataclasses import replace

import pytest

from rvrt.evaluation.metrics import METRICS
from rvrt.evaluation.results import (
    PerFrame,
    RecordFile,
    SequenceRecord,
    read_records,
    worst_and_best,
    write_results,
)
from vimeo_tools.errors import OutputError


def scores(psnr):
    return dict(zip(METRICS, (psnr, 0.5, psnr + 1, 0.25), strict=True))


def record(key, psnr, seconds=1.0):
    nan = int(math.isnan(psnr))
    return SequenceRecord(key, 1, nan, scores(psnr), scores(20.0), seconds, int(9 * seconds))


def test_records_survive_a_cut_off_line(tmp_path):
    first, second = record("a", 30.0), record("b", math.inf)
    RecordFile(tmp_path).append(first)
    path = tmp_path / "records.jsonl"
    path.write_bytes(path.read_bytes() + b'{"key": "b", "fra')
    assert read_records(tmp_path) == {"a": first}
    RecordFile(tmp_path).append(second)
    assert read_records(tmp_path) == {"a": first, "b": second}


def test_nan_survives_the_file(tmp_path):
    RecordFile(tmp_path, (2, 3)).append(record("a", math.nan))
    text = (tmp_path / "records.2of3.jsonl").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["ours"]["psnr_y"] == "nan"
    assert math.isnan(read_records(tmp_path)["a"].ours["psnr_y"])


def test_the_scores_of_each_frame_survive_the_file_and_are_a_table(tmp_path):
    frames = PerFrame(["im3", "im4"], None, [{"psnr_y": 30.0}, {"psnr_y": math.inf, "tof": 0.5}])
    written = SequenceRecord("a", 2, 0, None, {"psnr_y": math.inf, "tof": 0.5}, per_frame=frames)
    RecordFile(tmp_path).append(written)
    assert read_records(tmp_path) == {"a": written}
    write_results(tmp_path, {}, [written, record("old", 30.0)], {})
    rows = list(csv.DictReader((tmp_path / "per_frame.csv").read_text().splitlines()))
    assert [(row["key"], row["frame"], row["psnr_y"]) for row in rows] == [
        ("a", "im3", ""), ("a", "im4", "")
    ]  # fmt: skip
    assert [(row["bicubic_psnr_y"], row["bicubic_tof"]) for row in rows] == [
        ("30.0", ""), ("inf", "0.5")
    ]  # fmt: skip


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "records.jsonl").write_text('{"key": "a"}\n')
    with pytest.raises(OutputError, match=r"records\.jsonl:1: is damaged"):
        read_records(tmp_path)


def test_a_row_for_each_sequence(tmp_path):
    records = [record("a", 30.0), record("b", math.nan)]
    write_results(tmp_path, {"means": {"psnr_y": math.nan}}, records, {"b": "fast"})
    written = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)
    assert written["means"]["psnr_y"] == "nan"
    rows = list(csv.DictReader((tmp_path / "per_sequence.csv").read_text().splitlines()))
    assert [row["psnr_y"] for row in rows] == ["30.0", "nan"]
    assert [row["group"] for row in rows] == ["", "fast"]
    assert [row["bicubic_ssim_rgb"] for row in rows] == ["0.25"] * 2


def test_worst_and_best():
    records = [record(f"{psnr}", float(psnr)) for psnr in (34, 31, 35, 32, 33)]
    assert worst_and_best(records, 2) == ["31", "32", "34", "35"]
    assert worst_and_best(records, 4) == ["31", "32", "33", "34", "35"]
    turned = [replace(r, ours={**r.ours, "psnr_rgb": -r.ours["psnr_y"]}) for r in records]
    assert worst_and_best(turned, 1, "psnr_rgb") == ["35", "31"]
    assert worst_and_best([*records, record("nan", math.nan)], 1) == ["nan", "35"]


def test_a_disk_that_does_not_take_it(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "results.json").mkdir()
    with pytest.raises(OutputError, match="cannot be written: Is a directory"):
        write_results(tmp_path, {}, [], {})
    monkeypatch.setattr(os, "fsync", full)
    message = r"records\.jsonl: cannot be written: No space"
    with pytest.raises(OutputError, match=message):
        RecordFile(tmp_path).append(record("a", 30.0))
