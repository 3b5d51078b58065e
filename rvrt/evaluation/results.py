"""What an evaluation leaves: a line for each sequence as it is measured, then the results.

    settings.json       what every line was measured with
    records*.jsonl      a line for each sequence; one file for each shard
    results.json        means over all sequences, when all are there
    per_sequence.csv    a row for each sequence
    per_frame.csv       a row for each measured frame

Lines are only ever appended, so a kill loses at most the sequence that was being measured.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rvrt.evaluation.meter import Means
from vimeo_tools.errors import OutputError
from vimeo_tools.running.atomic import write_json, write_text
from vimeo_tools.running.json_lines import JsonLines, damaged, number, plain, read_lines
from vimeo_tools.running.records import Record

SETTINGS_NAME = "settings.json"

TABLE_NAME, FRAMES_NAME = "per_sequence.csv", "per_frame.csv"


@dataclass(frozen=True)
class PerFrame:
    """The scores of each measured frame of a sequence; those of pairs from the second on.

    Attributes:
        names: of the frames.
        ours: None without a network.
        bicubic: of the baseline.
    """

    names: list[str]
    ours: list[Means] | None
    bicubic: list[Means]


@dataclass(frozen=True)
class SequenceRecord:
    """The measurement of one sequence.

    Attributes:
        key: of the sequence.
        frames: how many were measured.
        nan_frames: restored frames that hold NaN or infinity; the scores are then NaN.
        ours: means over the frames, by the names of metrics; None without a network.
        bicubic: the same of the baseline.
        seconds: that the network took, without reading and measuring; None without a network, and
            where it compiled for a new shape, on a card.
        peak_memory_bytes: of the process or the device so far; None without a network.
        per_frame: what the means are of; None as earlier versions wrote it.
    """

    key: str
    frames: int
    nan_frames: int
    ours: Means | None
    bicubic: Means
    seconds: float | None = None
    peak_memory_bytes: int | None = None
    per_frame: PerFrame | None = None

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
                record = _record(fields)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise damaged(place, error) from None
            records.setdefault(record.key, record)
    return records


def _record(fields: dict[str, Any]) -> SequenceRecord:
    """From a line; raises ValueError, TypeError, KeyError or AttributeError for another one."""
    for name in ("ours", "bicubic"):
        fields[name] = None if fields[name] is None else _numbers(fields[name])
    frames = fields.get("per_frame")
    if frames is not None:
        ours = frames["ours"]
        fields["per_frame"] = PerFrame(
            list(frames["names"]),
            None if ours is None else [_numbers(scores) for scores in ours],
            [_numbers(scores) for scores in frames["bicubic"]],
        )
    return SequenceRecord(**fields)


def _numbers(fields: dict[str, Any]) -> Means:
    return {name: number(value) for name, value in fields.items()}


def mean_scores(scores: Iterable[Mapping[str, float]]) -> Means:
    """The mean of each metric that all have; NaN where any is NaN."""
    first, *others = scores
    # Of a run that went on with another plugin, only what was always measured.
    names = [name for name in first if all(name in score for score in others)]
    return {
        name: math.fsum(score[name] for score in (first, *others)) / (1 + len(others))
        for name in names
    }


def write_results(
    folder: Path,
    results: Mapping[str, Any],
    records: Sequence[SequenceRecord],
    groups: Mapping[str, str],
) -> None:
    """Write per_sequence.csv and per_frame.csv, then results.json.

    Raises:
        OutputError: they cannot be written.
    """
    names = list(dict.fromkeys(name for record in records for name in record.bicubic))
    columns = [*names, *(f"bicubic_{name}" for name in names)]
    rows: list[list[Any]] = [["key", "group", *columns, "seconds"]]
    frames: list[list[Any]] = [["key", "frame", *columns]]
    for record in records:
        scores = _cells(names, record.ours, record.bicubic)
        seconds = "" if record.seconds is None else record.seconds
        rows.append([record.key, groups.get(record.key, ""), *scores, seconds])
        if record.per_frame is not None:
            frames += _frame_rows(names, record.key, record.per_frame)
    try:
        write_text(folder / TABLE_NAME, _csv(rows))
        write_text(folder / FRAMES_NAME, _csv(frames))
        write_json(folder / "results.json", plain(results))
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written: {error.strerror}; nothing that was measured is lost, "
            "run the same command again when it can"
        ) from error


def _frame_rows(names: list[str], key: str, frames: PerFrame) -> Iterator[list[Any]]:
    all_ours: Iterable[Means | None] = frames.ours or [None] * len(frames.names)
    for name, ours, bicubic in zip(frames.names, all_ours, frames.bicubic, strict=True):
        yield [key, name, *_cells(names, ours, bicubic)]


def _cells(names: list[str], ours: Means | None, bicubic: Means) -> list[Any]:
    return [part.get(name, "") for part in (ours or {}, bicubic) for name in names]


def _csv(rows: Iterable[Iterable[Any]]) -> str:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()


def worst_and_best(
    records: Iterable[SequenceRecord], count: int, metric: str = "psnr_y"
) -> list[str]:
    """Keys of the `count` sequences of least PSNR, NaN first, and the `count` of most."""

    def order(record: SequenceRecord) -> tuple[float, str]:
        value = record.main[metric]
        return (-math.inf if math.isnan(value) else value, record.key)

    keys = [record.key for record in sorted(records, key=order)]
    return list(dict.fromkeys([*keys[:count], *keys[-count:]]))
