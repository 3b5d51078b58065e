"""The plots of a report, as SVG that stands inside the page and takes its colours and fonts."""

from __future__ import annotations

import io
import re

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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
_STYLE = {
    "svg.fonttype": "none",
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
_POINTS = 400


def distribution(ours: Values | None, bicubic: Values) -> str:
    """How the PSNR spreads over the sequences, ours beside bicubic.

    Args:
        ours: PSNR on Y of each sequence, in dB, finite; None where no network was measured.
        bicubic: the same of bicubic, in any number of sequences from one.
    """
    both = bicubic if ours is None else np.concatenate([ours, bicubic])
    bins = int(np.clip(np.sqrt(2 * len(bicubic)), *_BINS))
    edges = np.histogram_bin_edges(both, bins)
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("PSNR on Y (dB)", "sequences")
        alone = ours is None
        axes.hist(bicubic, edges, color=_BICUBIC, alpha=0.9 if alone else 0.55, label="bicubic")
        if ours is not None:
            axes.hist(ours, edges, color=_OURS, alpha=0.65, label="ours")
        axes.legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
        axes.yaxis.get_major_locator().set_params(integer=True)
        return _svg(figure, "distribution")


def gains(gain: Values) -> str:
    """What each sequence gains over bicubic, in rising order.

    Args:
        gain: PSNR on Y less bicubic's, in dB, finite, of one sequence or more.
    """
    drawn = min(len(gain), _POINTS)
    rising = np.quantile(gain, (np.arange(drawn) + 0.5) / drawn) if drawn < len(gain) else gain
    rising = np.sort(rising)
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
