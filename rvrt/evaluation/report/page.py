"""report.html from what an evaluation wrote: one page that needs nothing but itself.

Reads results.json, per_sequence.csv and pictures/ of a folder; measures nothing.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePath

import jinja2
import numpy as np

from rvrt.evaluation.report import plots as report_plots
from rvrt.evaluation.report.pictures import read_pictures
from rvrt.evaluation.summary import Results, Scalar
from vimeo_tools.errors import OutputError
from vimeo_tools.running.atomic import read_json, write_text

RESULTS, TABLE, PICTURES = "results.json", "per_sequence.csv", "pictures"
REPORT = "report.html"
_SCORES = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")
_NOTHING = "\N{EN DASH}"
# Settings that stand in the page in other words.
_SAID_ELSEWHERE = ("protocol", "weights_sha256", "device")


@dataclass(frozen=True)
class SequenceScores:
    """One line of per_sequence.csv; PSNR in dB.

    Attributes:
        key: as in the list, such as 00001/0001.
        group: slow, medium, fast, or empty.
        ours: by name (psnr_y, ssim_y, psnr_rgb, ssim_rgb); empty where no network was measured.
        bicubic: the same of the bicubic upscale.
    """

    key: str
    group: str
    ours: dict[str, float]
    bicubic: dict[str, float]

    @property
    def psnr_y(self) -> float:
        """Ours, or bicubic's where there is no network."""
        return (self.ours or self.bicubic)["psnr_y"]

    @property
    def gain(self) -> float:
        """Ours less bicubic, PSNR on Y; NaN where one is missing, or both are infinite."""
        return self.ours["psnr_y"] - self.bicubic["psnr_y"] if self.ours else math.nan


def write_report(folder: Path) -> Path:
    """Write ``folder/report.html`` and return its path.

    The page holds its pictures and plots, and loads nothing from anywhere.

    Raises:
        OutputError: a file that it is made from is missing, damaged or of another form, or the
            page cannot be written.
    """
    results = read_results(folder / RESULTS)
    sequences = read_sequences(folder / TABLE)
    rows = [
        (one, shown)
        for one in ranked(sequences)
        if (shown := read_pictures(folder / PICTURES / one.key.replace("/", "_"), bool(one.ours)))
    ]
    everything = len(rows) == len(sequences)
    middle = len(rows) if everything else (len(rows) + 1) // 2
    plots, not_drawn = _plots(sequences)
    page = _template().render(
        results=results,
        facts=results.facts,
        plots=plots,
        not_drawn=not_drawn,
        improved=sum(one.gain > 0 for one in sequences),
        everything=everything,
        worst=rows[:middle],
        best=rows[middle:][::-1],
        conditions=_conditions(results, folder),
    )
    write_text(folder / REPORT, page)
    return folder / REPORT


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


def _conditions(results: Results, folder: Path) -> list[tuple[str, str]]:
    """What was measured, how and where: name and value, each once."""
    facts = results.facts
    rows: list[tuple[str, str]] = []
    if facts.weights:
        file = PurePath(facts.weights.path).name
        rows += [("network", facts.weights.name), ("weights", file)]
        rows += [("sha256 of the weights", facts.weights.sha256)]
    rows.append(("device", facts.device))
    if results.seconds_per_call is not None:
        rows.append(("time", f"{results.seconds_per_call:.2f} s a sequence, median"))
    if results.peak_memory_bytes is not None:
        rows.append(("peak memory", f"{results.peak_memory_bytes / 1e9:.2f} GB"))
    for name, value in facts.settings.items():
        if name in ("gt", "lq") and isinstance(value, str) and PurePath(value).is_absolute():
            value = os.path.relpath(value, folder.resolve())
        if name not in _SAID_ELSEWHERE:
            rows.append((name, _plain(value)))
    return rows + [(name, version) for name, version in facts.versions.items()]


def read_sequences(path: Path) -> list[SequenceScores]:
    """The lines of per_sequence.csv.

    Raises:
        OutputError: there is no such file, or a line is not of the form.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                _sequence(path, number, line) for number, line in enumerate(csv.DictReader(file), 2)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise OutputError(f"{path}: cannot be read: {error}; rvrt-eval writes it") from error


def _sequence(path: Path, number: int, line: dict[str, str]) -> SequenceScores:
    try:
        ours = {name: float(line[name]) for name in _SCORES} if line["psnr_y"] else {}
        bicubic = {name: float(line[f"bicubic_{name}"]) for name in _SCORES}
        return SequenceScores(line["key"], line["group"], ours, bicubic)
    except (KeyError, TypeError, ValueError) as error:
        raise OutputError(f"{path}:{number}: not a line of scores ({error!r})") from error


def ranked(sequences: Sequence[SequenceScores]) -> list[SequenceScores]:
    """From the lowest PSNR on Y to the highest; NaN is the lowest."""

    def order(one: SequenceScores) -> tuple[float, str]:
        return (-math.inf if math.isnan(one.psnr_y) else one.psnr_y, one.key)

    return sorted(sequences, key=order)


def _plots(sequences: Sequence[SequenceScores]) -> tuple[dict[str, str], int]:
    """Titles and SVG of the plots that can be drawn, and how many sequences they leave out."""
    bicubic = np.array([one.bicubic["psnr_y"] for one in sequences])
    shown = np.array([one.psnr_y for one in sequences])
    drawn = np.isfinite(bicubic) & np.isfinite(shown)
    not_drawn = int((~drawn).sum())
    if not drawn.any():
        return {}, not_drawn
    bicubic = bicubic[drawn]
    ours = shown[drawn] if any(one.ours for one in sequences) else None
    plots = {"PSNR of the sequences": report_plots.distribution(ours, bicubic)}
    if ours is not None:
        plots["Gain of each sequence"] = report_plots.gains(ours - bicubic)
    return plots, not_drawn


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["db"] = lambda value: _format(value, ".2f")
    environment.filters["ssim"] = lambda value: _format(value, ".4f")
    environment.filters["gain"] = lambda value: _format(value, "+.2f")
    return environment.from_string(
        resources.files("rvrt.evaluation.report")
        .joinpath("report.html.j2")
        .read_text(encoding="utf-8")
    )


def _format(value: float | None, form: str) -> str:
    """A number; an en dash for None."""
    return _NOTHING if value is None else format(value, form)


def _plain(value: Scalar) -> str:
    """A setting as a reader would say it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _NOTHING if value is None else str(value)
