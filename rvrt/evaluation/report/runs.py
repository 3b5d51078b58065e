"""What an evaluation wrote, read back for a page or a check."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import EvaluationError
from rvrt.evaluation.meter import Means
from rvrt.evaluation.protocol import PROTOCOLS
from rvrt.evaluation.results import FRAMES_NAME, TABLE_NAME
from rvrt.evaluation.summary import Results
from vimeo_tools.errors import OutputError
from vimeo_tools.running.atomic import read_json

RESULTS = "results.json"
_OTHERS = ("key", "group", "frame", "seconds")
_BICUBIC = "bicubic_"


@dataclass(frozen=True)
class Scores:
    """Of a sequence or a frame, by the names of metrics.

    Attributes:
        ours: empty where no network was measured.
        bicubic: of the bicubic enlargement.
    """

    ours: Means
    bicubic: Means

    @property
    def main(self) -> Means:
        """Ours, or bicubic's where there is no network."""
        return self.ours or self.bicubic


@dataclass(frozen=True)
class SequenceScores(Scores):
    """One line of per_sequence.csv.

    Attributes:
        key: as in the list, such as 00001/0001.
        group: slow, medium, fast, or empty.
        frames: name and scores of each measured frame, where per_frame.csv has them.
    """

    key: str = ""
    group: str = ""
    frames: list[tuple[str, Scores]] = field(default_factory=list)

    def gain(self, metric: str) -> float:
        """Ours less bicubic; NaN where one is missing, or both are infinite."""
        return self.ours[metric] - self.bicubic[metric] if self.ours else math.nan


@dataclass(frozen=True)
class Run:
    """An evaluation: its folder, and what results.json and the tables hold.

    Attributes:
        name: what a page calls it.
        kind: its class in a page's style.
    """

    folder: Path
    results: Results
    sequences: dict[str, SequenceScores]
    name: str = "ours"
    kind: str = "run0"

    @property
    def main(self) -> tuple[str, str]:
        """PSNR and SSIM that the protocol's figures are given in."""
        return metrics_of(self.results.facts.protocol)

    @property
    def has_network(self) -> bool:
        """Whether more than the baseline was measured."""
        return self.results.whole.ours is not None

    def values(self, keys: Sequence[str], metric: str) -> NDArray[np.float64]:
        """Of the sequences: ours, or bicubic's where there is no network."""
        return np.array([self.sequences[key].main[metric] for key in keys])

    def bicubic(self, keys: Sequence[str], metric: str) -> NDArray[np.float64]:
        """Of the sequences, the baseline's."""
        return np.array([self.sequences[key].bicubic[metric] for key in keys])


def metrics_of(protocol: str) -> tuple[str, str]:
    """PSNR and SSIM of a protocol by name; on Y for one that is not known."""
    known = PROTOCOLS.get(protocol)
    return known.main if known else ("psnr_y", "ssim_y")


def read_run(folder: Path, name: str = "ours", kind: str = "run0") -> Run:
    """All that a page shows of a folder but its pictures.

    Raises:
        OutputError: a file is missing, damaged or of another form.
    """
    results = read_results(folder / RESULTS)
    sequences = {one.key: one for one in read_sequences(folder / TABLE_NAME)}
    for key, frame, scores in read_frames(folder / FRAMES_NAME):
        if key in sequences:
            sequences[key].frames.append((frame, scores))
    return Run(folder, results, sequences, name, kind)


def read_results(path: Path) -> Results:
    """results.json.

    Raises:
        OutputError: it is missing, damaged or of another form.
    """
    fields = read_json(path)
    if fields is None:
        raise OutputError(f"{path}: not there; rvrt-eval writes it")
    try:
        return Results.from_json(fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutputError(
            f"{path}: not of the form that a report is made from ({error}); another version wrote "
            "it: run rvrt-eval again"
        ) from error


def read_sequences(path: Path) -> list[SequenceScores]:
    """The lines of per_sequence.csv.

    Raises:
        OutputError: there is no such file, or a line is not of the form.
    """
    return [
        SequenceScores(*scores, key=line["key"], group=line.get("group") or "")
        for line, scores in _lines(path)
    ]


def read_frames(path: Path) -> Iterator[tuple[str, str, Scores]]:
    """Key, frame and scores of the lines of per_frame.csv; none where an earlier version ran.

    Raises:
        OutputError: a line is not of the form.
    """
    if path.exists():
        for line, scores in _lines(path):
            yield line["key"], line["frame"], Scores(*scores)


def _lines(path: Path) -> Iterator[tuple[dict[str, str], tuple[Means, Means]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, line in enumerate(csv.DictReader(file), 2):
                try:
                    yield line, _scores(line)
                except (KeyError, TypeError, ValueError) as error:
                    raise OutputError(
                        f"{path}:{number}: not a line of scores ({error!r})"
                    ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OutputError(f"{path}: cannot be read: {error}; rvrt-eval writes it") from error


def _scores(line: dict[str, str]) -> tuple[Means, Means]:
    ours: Means = {}
    bicubic: Means = {}
    line["key"].encode()  # there, and text
    for name, value in line.items():
        if name not in _OTHERS and value:
            of = bicubic if name.startswith(_BICUBIC) else ours
            of[name.removeprefix(_BICUBIC)] = float(value)
    bicubic["psnr_y"]  # measured always
    return ours, bicubic


def ranked(sequences: Sequence[SequenceScores], metric: str) -> list[SequenceScores]:
    """From the lowest score to the highest; NaN is the lowest."""

    def order(one: SequenceScores) -> tuple[float, str]:
        value = one.main[metric]
        return (-math.inf if math.isnan(value) else value, one.key)

    return sorted(sequences, key=order)


def comparable(runs: Sequence[Run]) -> list[str]:
    """The sequences that all runs have measured.

    Raises:
        EvaluationError: none, or by different protocols.
    """
    first, *others = runs
    for run in others:
        if run.results.facts.protocol != first.results.facts.protocol:
            raise EvaluationError(
                f"{first.folder} was measured by protocol {first.results.facts.protocol}, "
                f"{run.folder} by {run.results.facts.protocol}: their figures are of different "
                "things; measure both by one"
            )
    keys = [key for key in first.sequences if all(key in run.sequences for run in others)]
    if not keys:
        raise EvaluationError(f"{first.folder} and the others have no sequence in common")
    return keys
