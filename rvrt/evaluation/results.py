"""What an evaluation leaves: a line for each sequence as it is measured, then the results.

    settings.json       what every line was measured with
    records*.jsonl      a line for each sequence; one file for each shard
    results.json        means over all sequences, when all are there
    per_sequence.csv    a row for each sequence

Lines are only ever appended, so a kill loses at most the sequence that was being measured.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import math
import os
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rvrt.errors import EvaluationError
from vimeo_tools.running.atomic import read_json, write_json, write_text

METRICS = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")
SETTINGS_NAME = "settings.json"
_COLUMNS = ["key", "group", *METRICS, *(f"bicubic_{name}" for name in METRICS), "seconds"]

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


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Name the path that cannot be written."""
    try:
        yield
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be written: {error.strerror}; nothing that was measured is lost, "
            "run the same command again when it can"
        ) from error


def claim_folder(folder: Path, settings: dict[str, Any]) -> None:
    """Make the output folder, or find that it holds results of the same settings.

    Several processes may claim it at once.

    Raises:
        EvaluationError: it cannot be made, or holds something else, or results of other settings.
        OutputError: its settings.json cannot be read.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # Looked at before the settings are read: another shard writes these before anything else.
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    known = read_json(folder / SETTINGS_NAME)
    if known is None and foreign:
        raise EvaluationError(
            f"{folder}: holds {foreign[0]} and no {SETTINGS_NAME}, so it is not ours; choose "
            "another folder with --output-dir"
        )
    if known is None:
        with _writing(folder):
            write_json(folder / SETTINGS_NAME, settings)
    elif known != settings:
        names = [name for name in {**known, **settings} if known.get(name) != settings.get(name)]
        changed = "; ".join(
            f"{name} was {json.dumps(known.get(name))} and now is {json.dumps(settings.get(name))}"
            for name in names
        )
        raise EvaluationError(
            f"{folder}: holds results of other settings: {changed}. Choose another folder with "
            "--output-dir"
        )


class RecordFile:
    """Where one process appends its records; a context manager.

    Raises:
        EvaluationError: on entering, another process has it open.
    """

    def __init__(self, folder: Path, shard: tuple[int, int] = (1, 1)):
        index, count = shard
        self._path = folder / ("records.jsonl" if count == 1 else f"records.{index}of{count}.jsonl")

    def __enter__(self) -> RecordFile:
        with _writing(self._path):
            self._file = self._path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise EvaluationError(
                f"{self._path}: another process is measuring into it; wait for it, or share the "
                "sequences with --shard I/N"
            ) from error
        self._file.seek(0)
        # A kill may have cut the last line off.
        self._file.truncate(self._file.read().rfind(b"\n") + 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, record: SequenceRecord) -> None:
        """Write one line, on the disk when this returns."""
        with _writing(self._path):
            self._file.write(json.dumps(plain(asdict(record))).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


def read_records(folder: Path) -> dict[str, SequenceRecord]:
    """The records of all shards, by key. A last line that a kill cut off does not count.

    Raises:
        EvaluationError: another line cannot be read.
    """
    records: dict[str, SequenceRecord] = {}
    for path in sorted(folder.glob("records*.jsonl")):
        *lines, _ = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                fields = json.loads(line)
                for name in ("ours", "bicubic"):
                    if fields[name] is not None:
                        fields[name] = {key: float(value) for key, value in fields[name].items()}
                record = SequenceRecord(**fields)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise EvaluationError(
                    f"{path}:{number}: is damaged; remove the line, and its sequence will be "
                    "measured again"
                ) from None
            records.setdefault(record.key, record)
    return records


def plain(value: Any) -> Any:
    """Numbers that JSON lacks as "nan", "inf" and "-inf", at any depth."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def mean_scores(scores: Iterable[Mapping[str, float]]) -> Means:
    """The mean of each metric; NaN where any is NaN."""
    scores = list(scores)
    return {name: math.fsum(score[name] for score in scores) / len(scores) for name in METRICS}


def summarise(records: Sequence[SequenceRecord], groups: Mapping[str, str]) -> dict[str, Any]:
    """Means over sequences, and speed and memory: the part of results.json that is measured.

    Args:
        records: of all sequences, one or more.
        groups: the group of a key, for those that have one.
    """
    members: dict[str, list[SequenceRecord]] = {name: [] for name in groups.values()}
    for record in records:
        if record.key in groups:
            members[groups[record.key]].append(record)
    seconds = [record.seconds for record in records if record.seconds is not None]
    memory = [r.peak_memory_bytes for r in records if r.peak_memory_bytes is not None]
    return {
        "sequences": len(records),
        "frames": sum(record.frames for record in records),
        "nan_frames": sum(record.nan_frames for record in records),
        "seconds_per_call": statistics.median(seconds) if seconds else None,
        "peak_memory_bytes": max(memory, default=None),
        "means": _means(records),
        "groups": {
            name: {"sequences": len(part), **_means(part)} for name, part in members.items() if part
        },
    }


def _means(records: Sequence[SequenceRecord]) -> dict[str, Means | None]:
    ours = [record.ours for record in records if record.ours is not None]
    return {
        "ours": mean_scores(ours) if ours else None,
        "bicubic": mean_scores(record.bicubic for record in records),
    }


def write_results(
    folder: Path,
    results: dict[str, Any],
    records: Iterable[SequenceRecord],
    groups: Mapping[str, str],
) -> None:
    """Write per_sequence.csv, then results.json."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for record in records:
        ours = [record.ours[name] if record.ours else "" for name in METRICS]
        bicubic = [record.bicubic[name] for name in METRICS]
        seconds = "" if record.seconds is None else record.seconds
        writer.writerow([record.key, groups.get(record.key, ""), *ours, *bicubic, seconds])
    with _writing(folder):
        write_text(folder / "per_sequence.csv", table.getvalue())
        write_json(folder / "results.json", plain(results))


def worst_and_best(records: Iterable[SequenceRecord], count: int) -> list[str]:
    """Keys of the `count` sequences of least PSNR-Y, NaN first, and the `count` of most."""

    def order(record: SequenceRecord) -> tuple[float, str]:
        value = record.main["psnr_y"]
        return (-math.inf if math.isnan(value) else value, record.key)

    keys = [record.key for record in sorted(records, key=order)]
    return list(dict.fromkeys([*keys[:count], *keys[-count:]]))
