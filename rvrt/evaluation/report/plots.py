"""The plots of a report, as SVG that stands inside the page and takes its colours and fonts."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

Values = NDArray[np.float64]

# Drawn in these colours, which the page then gives its own, light or dark.
_INK, _LINE, _OURS, _BICUBIC = "#111111", "#dddddd", "#2a6fbb", "#8a8f98"
_PAGE_COLOURS = {
    _INK: "var(--ink)",
    _LINE: "var(--line)",
    _OURS: "var(--ours)",
    _BICUBIC: "var(--bicubic)",
}
# Small, so that the text stays readable when a phone shows it at its own width.
_SIZE = (4.7, 2.9)
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rvrt",  # ids that are the same in every run
    "font.size": 9.5,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": _LINE,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
}
_BINS = (6, 40)
_WIDTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
_POINTS = 400


def distribution(ours: Values | None, bicubic: Values) -> str:
    """How the PSNR spreads over the sequences, ours beside bicubic.

    Args:
        ours: PSNR on Y of each sequence, in dB, finite; None where no network was measured.
        bicubic: the same of bicubic, in any number of sequences from one.
    """
    edges = _edges(bicubic if ours is None else np.concatenate([ours, bicubic]))
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("PSNR on Y (dB)", "sequences")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        counts = np.histogram(bicubic, edges)[0]
        axes.stairs(counts, edges, fill=True, color=_BICUBIC, alpha=0.6, label="bicubic")
        if ours is not None:
            counts = np.histogram(ours, edges)[0]
            axes.stairs(counts, edges, fill=True, color=_OURS, alpha=0.35)
            axes.stairs(counts, edges, color=_OURS, linewidth=1.6, label="ours")
        axes.legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
        return _svg(figure, "distribution")


def _edges(values: Values) -> Values:
    """Bins of a round width at multiples of it, for all series."""
    least, most = values.min(), values.max()
    bins = np.clip(np.sqrt(len(values)), *_BINS)
    width = next((width for width in _WIDTHS if (most - least) / width <= bins), _WIDTHS[-1])
    first, last = np.floor(least / width), np.floor(most / width) + 1
    return width * np.arange(first, last + 1, dtype=np.float64)


def gains(gain: Values) -> str:
    """What each sequence gains over bicubic, in rising order.

    Args:
        gain: PSNR on Y less bicubic's, in dB, finite, of one sequence or more.
    """
    drawn = min(len(gain), _POINTS)
    rising: Any = np.sort(gain)
    if drawn < len(gain):
        rising = np.quantile(gain, (np.arange(drawn) + 0.5) / drawn)
    ends = np.linspace(0, 100, drawn + 1)
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("% of sequences", "gain over bicubic (dB)")
        axes.stairs(rising, ends, fill=True, color=_OURS, alpha=0.65)
        axes.axhline(0, color=_INK, linewidth=0.8)
        axes.set_xlim(0, 100)
        return _svg(figure, "gains")


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.tick_params(length=0)
    axes.grid(axis="x", visible=False)
    return figure, axes


def _svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element, its ids made unlike those of other figures in the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<(metadata|style).*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r'((?:id=|href=|url\()"?#?)([\w-]+)', rf"\1{name}-\2", text)
    for drawn, shown in _PAGE_COLOURS.items():
        text = text.replace(drawn, shown)
    return text
