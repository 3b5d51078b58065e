"""The results of an evaluation as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rvrt.evaluation.results import METRICS

_WIDTHS = (9, 9, 10, 10)


def results_table(results: Mapping[str, Any]) -> Iterator[str]:
    """Lines of text for what results.json holds: means, groups, published figures, speed."""
    yield f"{results['title']}, protocol {results['protocol']}, means over sequences"
    rows: dict[str, Mapping[str, float | None]] = {}
    parts = {"all": {"sequences": results["sequences"], **results["means"]}, **results["groups"]}
    for name, part in parts.items():
        for kind in ("ours", "bicubic"):
            if part[kind] is not None:
                rows[f"{kind}, {name} ({part['sequences']})"] = part[kind]
    for figures in results["published"]:
        rows[f"published, {figures['protocol']}: {figures['name']}"] = figures
    width = max(map(len, rows))
    names = ("PSNR-Y", "SSIM-Y", "PSNR-RGB", "SSIM-RGB")
    yield " " * width + "".join(f"{name:>{w}}" for name, w in zip(names, _WIDTHS, strict=True))
    for name, scores in rows.items():
        cells = map(_cell, METRICS, map(scores.get, METRICS), _WIDTHS)
        yield f"{name:<{width}}{''.join(cells)}".rstrip()
    if results["seconds_per_call"] is not None:
        yield (
            f"{results['seconds_per_call']:.2f} s a sequence in the network (median), peak memory "
            f"{results['peak_memory_bytes'] / 1e9:.1f} GB, {results['device']}"
        )


def _cell(metric: str, value: float | None, width: int) -> str:
    digits = 2 if metric.startswith("psnr") else 4
    return " " * width if value is None else f"{value:>{width}.{digits}f}"
