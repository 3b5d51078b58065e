"""What an evaluation leaves: a line for each sequence as it is measured, then the results.

    settings.json       what every line was measured with
    records*.jsonl      a line for each sequence; one file for each shard
    results.json        means over all sequences, when all are there
    per_sequence.csv    a row for each sequence

Lines are only ever appended, so a kill loses at most the sequence that was being measured.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rvrt.evaluation.metrics import METRICS
from vimeo_tools.errors import OutputError
from vimeo_tools.running.atomic import write_json, write_text
from vimeo_tools.running.json_lines import JsonLines, damaged, number, plain, read_lines
from vimeo_tools.running.records import Record

SETTINGS_NAME = "settings.json"

Means = dict[str, float]


@dataclass(frozen=True)
class SequenceRecord:
    """The measurement of one sequence.

    Attributes:
        key: of the sequence.
        frames: how many were measured.
        nan_frames: restored frames that hold NaN or infinity; the scores are then NaN.
        ours: means over the frames, by the names in `METRICS`; None without a network.
        bicubic: the same of the baseline.
        seconds: that the network took, without reading and measuring; None without a network.
        peak_memory_bytes: of the process or the device so far; None without a network.
    """

    key: str
    frames: int
    nan_frames: int
    ours: Means | None
    bicubic: Means
    seconds: float | None = None
    peak_memory_bytes: int | None = None

    @property
    def main(self) -> Means:
        """The network's scores; the baseline's where there is no network."""
        return self.bicubic if self.ours is None else self.ours


def record_of(settings: dict[str, Any]) -> Record:
    """What stands in the output folder as settings.json."""
    return Record(settings, SETTINGS_NAME)


def records_path(folder: Path, shard: tuple[int, int] = (1, 1)) -> Path:
    """Where one process appends its lines."""
    index, count = shard
    return folder / ("records.jsonl" if count == 1 else f"records.{index}of{count}.jsonl")


class RecordFile:
    """Where one process appends its records; no other one may have the same shard.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, folder: Path, shard: tuple[int, int] = (1, 1)) -> None:
        self._lines = JsonLines(records_path(folder, shard), durable=True)

    def append(self, record: SequenceRecord) -> None:
        """Write one line, on the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        self._lines.append(asdict(record))


def read_records(folder: Path) -> dict[str, SequenceRecord]:
    """The records of all shards, by key. A last line that a kill cut off does not count.

    Raises:
        OutputError: another line cannot be read.
    """
    records: dict[str, SequenceRecord] = {}
    for path in sorted(folder.glob("records*.jsonl")):
        for place, fields in read_lines(path):
            try:
                for name in ("ours", "bicubic"):
                    if fields[name] is not None:
                        fields[name] = {key: number(value) for key, value in fields[name].items()}
                record = SequenceRecord(**fields)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise damaged(place, error) from None
            records.setdefault(record.key, record)
    return records


def mean_scores(scores: Iterable[Mapping[str, float]]) -> Means:
    """The mean of each metric; NaN where any is NaN."""
    scores = list(scores)
    # Of a run that went on with another plugin, only what was always measured.
    names = [name for name in METRICS if all(name in score for score in scores)]
    return {name: math.fsum(score[name] for score in scores) / len(scores) for name in names}


def write_results(
    folder: Path,
    results: Mapping[str, Any],
    records: Iterable[SequenceRecord],
    groups: Mapping[str, str],
) -> None:
    """Write per_sequence.csv, then results.json.

    Raises:
        OutputError: they cannot be written.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    columns = [*METRICS, *(f"bicubic_{name}" for name in METRICS)]
    writer.writerow(["key", "group", *columns, "seconds"])
    for record in records:
        ours = [record.ours.get(name, "") if record.ours else "" for name in METRICS]
        bicubic = [record.bicubic.get(name, "") for name in METRICS]
        seconds = "" if record.seconds is None else record.seconds
        writer.writerow([record.key, groups.get(record.key, ""), *ours, *bicubic, seconds])
    try:
        write_text(folder / "per_sequence.csv", table.getvalue())
        write_json(folder / "results.json", plain(results))
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written: {error.strerror}; nothing that was measured is lost, "
            "run the same command again when it can"
        ) from error


def worst_and_best(records: Iterable[SequenceRecord], count: int) -> list[str]:
    """Keys of the `count` sequences of least PSNR-Y, NaN first, and the `count` of most."""

    def order(record: SequenceRecord) -> tuple[float, str]:
        value = record.main["psnr_y"]
        return (-math.inf if math.isnan(value) else value, record.key)

    keys = [record.key for record in sorted(records, key=order)]
    return list(dict.fromkeys([*keys[:count], *keys[-count:]]))
