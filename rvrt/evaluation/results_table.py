"""The results of an evaluation as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rvrt.evaluation.protocol import PROTOCOLS
from rvrt.evaluation.summary import Results

_NARROWEST = 9


def results_table(results: Results) -> Iterator[str]:
    """Lines of text: means, groups, published figures, speed."""
    facts = results.facts
    protocol = PROTOCOLS.get(facts.protocol)
    over = protocol.average if protocol else "sequences"
    yield f"{facts.title}, protocol {facts.protocol}, means over {over}"
    metrics = list(results.whole.bicubic)
    rows: dict[str, Mapping[str, float | None]] = {}
    for name, part in {"all": results.whole, **results.groups}.items():
        for kind, means in (("ours", part.ours), ("bicubic", part.bicubic)):
            if means is not None:
                rows[f"{kind}, {name} ({part.sequences})"] = dict(means)
    for figures in facts.published:
        scores = {metric: getattr(figures, metric, None) for metric in metrics}
        rows[f"published, {figures.protocol}: {figures.name}"] = scores
    width = max(map(len, rows))
    names = [metric.upper().replace("_", "-") for metric in metrics]
    widths = [max(_NARROWEST, len(name) + 2) for name in names]
    yield " " * width + "".join(f"{name:>{w}}" for name, w in zip(names, widths, strict=True))
    for name, row in rows.items():
        cells = map(_cell, metrics, map(row.get, metrics), widths)
        yield f"{name:<{width}}{''.join(cells)}".rstrip()
    if results.peak_memory_bytes is not None:
        speed = ""
        if results.seconds_per_call is not None:
            speed = f"{results.seconds_per_call:.2f} s a sequence in the network (median), "
        yield f"{speed}peak memory {results.peak_memory_bytes / 1e9:.1f} GB, {facts.device}"


def _cell(metric: str, value: float | None, width: int) -> str:
    digits = 2 if "psnr" in metric else 4
    return " " * width if value is None else f"{value:>{width}.{digits}f}"
