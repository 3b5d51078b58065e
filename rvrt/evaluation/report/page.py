"""report.html from what an evaluation wrote, compare.html from what several did: one page that
needs nothing but itself.

Reads results.json, the tables and pictures/ of a folder; measures nothing.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePath
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from rvrt.evaluation.bootstrap import Gain, paired_gain
from rvrt.evaluation.protocol import PROTOCOLS
from rvrt.evaluation.report import plots
from rvrt.evaluation.report.pictures import QUALITIES, Quality, ShownSequence, read_pictures
from rvrt.evaluation.report.runs import Run, comparable, ranked, read_run
from rvrt.evaluation.summary import Scalar
from vimeo_tools.running.atomic import write_text
from vimeo_tools.running.folders import make_folder

REPORT, COMPARISON = "report.html", "compare.html"
LARGEST_PAGE = 3_000_000  # bytes
_MOST_SHOWN = 10  # sequences with pictures
_MOST_CURVES = 40  # sequences, of which each has its curves even without pictures
_MOST_ROWS = 1000  # of the table
_NOTHING = "\N{EN DASH}"
# Settings that stand in the page in other words.
_SAID_ELSEWHERE = ("protocol", "weights_sha256", "device")
_TITLES = {
    "psnr_y": "PSNR on Y", "ssim_y": "SSIM on Y", "psnr_rgb": "PSNR on RGB",
    "ssim_rgb": "SSIM on RGB", "ssim_matlab": "MATLAB's SSIM", "dpsnr_y": "difference PSNR",
    "tof": "tOF", "lpips": "LPIPS",
}  # fmt: skip


@dataclass(frozen=True)
class Article:
    """One sequence as it is shown; `shown` is None where no pictures were kept."""

    key: str
    group: str
    scores: list[tuple[str, str, float, float]]  # name, class, PSNR, SSIM
    gain: float
    shown: ShownSequence | None
    curves: list[tuple[str, str]]  # title and SVG


@dataclass(frozen=True)
class Compared:
    """What one gains over another: names, and the mean of PSNR with its interval."""

    name: str
    over: str
    gain: Gain
    better: int


def write_report(folder: Path) -> Path:
    """Write ``folder/report.html`` and return its path.

    The page holds its pictures, plots and script, and loads nothing from anywhere.

    Raises:
        OutputError: a file that it is made from is missing, damaged or of another form, or the
            page cannot be written.
    """
    run = read_run(folder)
    write_text(folder / REPORT, _fitting([run], list(run.sequences), run.results.facts.title))
    return folder / REPORT


def write_comparison(folders: Sequence[Path], output: Path) -> Path:
    """Write ``output/compare.html``, several evaluations side by side, and return its path.

    Raises:
        EvaluationError: they were measured by different protocols, or have no sequence in common.
        OutputError: as `write_report`.
    """
    runs = [
        read_run(folder, name, f"run{n % 6}")
        for n, (folder, name) in enumerate(zip(folders, _names(folders), strict=True))
    ]
    keys = comparable(runs)
    make_folder(output)
    title = " and ".join(run.name for run in runs)
    write_text(output / COMPARISON, _fitting(runs, keys, f"{title} compared"))
    return output / COMPARISON


def _names(folders: Sequence[Path]) -> list[str]:
    """Names of the folders, with as much of their paths as tells them apart."""
    paths = [folder.resolve() for folder in folders]
    for parts in range(1, max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path} ({n})" for n, path in enumerate(paths, 1)]


def _fitting(runs: Sequence[Run], keys: list[str], title: str) -> str:
    """The page with the best pictures that keep it small enough."""
    page = ""
    for quality in QUALITIES:
        page = _page(runs, keys, title, quality)
        if len(page.encode()) <= LARGEST_PAGE:
            break
    return page


def _page(runs: Sequence[Run], keys: list[str], title: str, quality: Quality) -> str:
    metric, second = runs[0].main
    script = _file("page.js")
    articles = _articles(runs, keys, quality)
    pictured = [article for article in articles if article.shown]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            runs=runs,
            facts=runs[0].results.facts,
            protocol=PROTOCOLS.get(runs[0].results.facts.protocol),
            results=runs[0].results,
            metric=metric,
            second=second,
            metrics=_more_metrics(runs),
            titles=_TITLES,
            count=len(keys),
            left_out=max(len(run.sequences) for run in runs) - len(keys),
            same_baseline=_same_baseline(runs, keys, metric),
            plots=_plots(runs, keys, metric),
            compared=_compared(runs, keys, metric),
            everything=len(articles) == len(keys),
            articles=articles,
            pictured=pictured,
            table=_table(runs, keys, metric, second),
            conditions=[(run, _conditions(run)) for run in runs],
            style=Markup(_file("page.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _more_metrics(runs: Sequence[Run]) -> list[str]:
    """Metrics beside the four that are always measured, in all runs."""
    names = list(runs[0].results.whole.bicubic)[4:]
    return [name for name in names if all(name in run.results.whole.bicubic for run in runs)]


def _same_baseline(runs: Sequence[Run], keys: list[str], metric: str) -> bool:
    first = runs[0].bicubic(keys, metric)
    return all(np.array_equal(first, run.bicubic(keys, metric)) for run in runs[1:])


def _articles(runs: Sequence[Run], keys: list[str], quality: Quality) -> list[Article]:
    """The sequences that are shown, from the lowest PSNR to the highest."""
    last, (metric, second) = runs[-1], runs[0].main
    order = [one.key for one in ranked([last.sequences[key] for key in keys], metric)]
    shown = {key: read_pictures(key, runs, quality) for key in order}
    kept = [key for key in order if shown[key]]
    half = _MOST_SHOWN // 2
    pictured = set(kept if len(kept) <= _MOST_SHOWN else [*kept[:half], *kept[-half:]])
    few = len(keys) <= _MOST_CURVES
    articles = []
    for key in order:
        curves = _curves(runs, key, (metric, second)) if few or key in pictured else []
        if key not in pictured and not curves:
            continue
        scores = [
            (run.name, run.kind, run.sequences[key].ours[metric], run.sequences[key].ours[second])
            for run in runs
            if run.has_network
        ]
        one = runs[0].sequences[key]
        scores.append((plots.BICUBIC, plots.BICUBIC, one.bicubic[metric], one.bicubic[second]))
        gain = last.sequences[key].gain(metric)
        picture = shown[key] if key in pictured else None
        articles.append(Article(key, one.group, scores, gain, picture, curves))
    return articles


def _curves(runs: Sequence[Run], key: str, metrics: tuple[str, str]) -> list[tuple[str, str]]:
    """PSNR and SSIM by frame, where there are several."""
    frames = runs[0].sequences[key].frames
    if len(frames) < 2:
        return []
    found = []
    for metric in metrics:
        series = {plots.BICUBIC: [scores.bicubic.get(metric, np.nan) for _, scores in frames]}
        for run in runs:
            if run.has_network:
                own = run.sequences[key].frames
                series[run.kind] = [scores.ours.get(metric, np.nan) for _, scores in own]
        svg = plots.curve(key, series, _TITLES[metric])
        if svg is not None:
            found.append((_TITLES[metric], svg))
    return found


def _plots(runs: Sequence[Run], keys: list[str], metric: str) -> dict[str, Any]:
    """Titles and SVG of the plots that can be drawn, and how many sequences they leave out."""
    bicubic = runs[0].bicubic(keys, metric)
    series = {run.kind: run.values(keys, metric) for run in runs if run.has_network}
    drawn = np.isfinite([bicubic, *series.values()]).all(axis=0)
    bicubic, series = bicubic[drawn], {kind: values[drawn] for kind, values in series.items()}
    drawings: dict[str, str] = {}
    if drawn.any():
        everything = {plots.BICUBIC: bicubic, **series}
        drawings["PSNR of the sequences"] = plots.distribution(everything, _TITLES[metric])
        if series:
            named = (f"{plots.BICUBIC} (dB)", "ours (dB)" if len(runs) == 1 else "runs (dB)")
            drawings["Each sequence against bicubic"] = plots.against(bicubic, series, named)
        if len(series) > 1:
            (_, first), *others = series.items()
            names = [run.name for run in runs if run.has_network]
            shown = (f"{names[0]} (dB)", f"{', '.join(names[1:])} (dB)")
            drawings["Each sequence against the first run"] = plots.against(
                first, dict(others), shown
            )
    return {"drawings": drawings, "left_out": int((~drawn).sum())}


def _compared(runs: Sequence[Run], keys: list[str], metric: str) -> list[Compared]:
    """Each run over bicubic, and over the first run."""
    networks = [run for run in runs if run.has_network]
    pairs = [
        (run.name, plots.BICUBIC, run.values(keys, metric), run.bicubic(keys, metric))
        for run in networks
    ]
    pairs += [
        (run.name, networks[0].name, run.values(keys, metric), networks[0].values(keys, metric))
        for run in networks[1:]
    ]
    with np.errstate(invalid="ignore"):  # infinity less infinity
        gains = [(name, over, ours - theirs) for name, over, ours, theirs in pairs]
    return [
        Compared(name, over, paired_gain(gain), int((gain > 0).sum())) for name, over, gain in gains
    ]


def _table(runs: Sequence[Run], keys: list[str], metric: str, second: str) -> dict[str, Any]:
    """Rows of scores: key, group, PSNR and SSIM of each run and of bicubic, gain of the last."""
    last = runs[-1]
    order = sorted(keys, key=lambda key: (np.nan_to_num(last.sequences[key].gain(metric)), key))
    half = _MOST_ROWS // 2
    if len(order) > _MOST_ROWS:
        order = [*order[:half], *order[-half:]]
    rows = []
    for key in order:
        one = last.sequences[key]
        cells = [runs[n].sequences[key].ours for n in range(len(runs)) if runs[n].has_network]
        values = [(scores[metric], scores[second]) for scores in (*cells, one.bicubic)]
        rows.append((key, one.group, values, one.gain(metric)))
    heads = [run.name for run in runs if run.has_network] + [plots.BICUBIC]
    return {
        "heads": heads,
        "rows": rows,
        "cut": len(order) < len(keys),
        "groups": any(row[1] for row in rows),
        "gain": last.has_network,
    }


def _conditions(run: Run) -> list[tuple[str, str]]:
    """What was measured, how and where: name and value, each once."""
    results, facts = run.results, run.results.facts
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
            value = os.path.relpath(value, run.folder.resolve())
        if name not in _SAID_ELSEWHERE:
            rows.append((name, _plain(value)))
    return rows + [(name, version) for name, version in facts.versions.items()]


def _file(name: str) -> str:
    return resources.files("rvrt.evaluation.report").joinpath(name).read_text(encoding="utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_file),
    )
    environment.filters["db"] = lambda value: _format(value, ".2f")
    environment.filters["ssim"] = lambda value: _format(value, ".4f")
    environment.filters["gain"] = lambda value: _format(value, "+.2f")
    environment.filters["figure"] = lambda value, name: _format(
        value, ".2f" if "psnr" in name else ".4f"
    )
    environment.filters["many"] = lambda value: f"{value:,}"
    return environment


def _format(value: float | None, form: str) -> str:
    """A number; an en dash for None."""
    if value is None:
        return _NOTHING
    text = format(value, form)
    return text if text.strip("-+0.") else text.replace("-", "+")  # no gain of -0.00


def _plain(value: Scalar) -> str:
    """A setting as a reader would say it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _NOTHING if value is None else str(value)
