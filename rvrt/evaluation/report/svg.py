"""A plot as SVG that stands inside a page and takes its colours and fonts from there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Span = tuple[float, float]

# In units that a phone shows as about one pixel each, so that text stays readable there.
_WIDTH, _HEIGHT = 330, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 10, 34
_TICKS = 5


class Plot:
    """Two axes and what is drawn between them.

    Args:
        label: what the plot shows, in a sentence, for who cannot see it.
        x: least and greatest value of the horizontal axis.
        y: of the vertical one.
        names: of both axes.
        whole: ticks of the vertical axis at whole numbers alone.

    What is drawn has a class of the page's style, such as "bicubic" or "run0".
    """

    def __init__(
        self, label: str, x: Span, y: Span, names: tuple[str, str], whole: bool = False
    ) -> None:
        self._label, self._names = label, names
        self._x, self._y = _spread(x), _spread(y)
        self._parts: list[str] = []
        self._axes(whole)

    def line(self, x: Iterable[float], y: Iterable[float], kind: str) -> None:
        """Points joined; broken where a value is not finite."""
        path, broken = [], True
        for a, b in zip(x, y, strict=True):
            if not (math.isfinite(a) and math.isfinite(b)):
                broken = True
                continue
            path.append(f"{'M' if broken else 'L'}{self._place(a, b)}")
            broken = False
        self._parts.append(f'<path class="line {kind}" d="{"".join(path)}"/>')

    def dots(self, x: Iterable[float], y: Iterable[float], kind: str) -> None:
        """A dot at each point: lines of no length with round ends, all in one path."""
        path = "".join(f"M{self._place(a, b)}h0" for a, b in zip(x, y, strict=True))
        self._parts.append(f'<path class="dots {kind}" d="{path}"/>')

    def bars(self, edges: Sequence[float], heights: Sequence[float], kind: str) -> None:
        """Bars that touch, from zero."""
        path = [f"M{self._place(edges[0], 0)}"]
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            path.append(f"L{self._place(left, height)}L{self._place(right, height)}")
        path.append(f"L{self._place(edges[-1], 0)}Z")
        self._parts.append(f'<path class="bars {kind}" d="{"".join(path)}"/>')

    def text(self) -> str:
        """The SVG element."""
        label = escape(self._label, quote=True)
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
            f"{''.join(self._parts)}</svg>"
        )

    def _place(self, x: float, y: float) -> str:
        return f"{self._across(x):.1f} {self._up(y):.1f}"

    def _across(self, x: float) -> float:
        low, high = self._x
        return _LEFT + (x - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def _up(self, y: float) -> float:
        low, high = self._y
        return _HEIGHT - _BOTTOM - (y - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def _axes(self, whole: bool) -> None:
        for value in ticks(*self._y, whole):
            at = self._up(value)
            self._parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}"/>')
            self._write(_LEFT - 5, at + 4, shown(value), "end")
        for value in ticks(*self._x, whole=False):
            self._write(self._across(value), _HEIGHT - _BOTTOM + 14, shown(value), "middle")
        across, up = self._names
        self._write((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, across, "middle")
        middle = (_TOP + _HEIGHT - _BOTTOM) / 2
        self._parts.append(
            f'<text x="11" y="{middle}" text-anchor="middle" transform="rotate(-90 11 {middle})">'
            f"{escape(up)}</text>"
        )

    def _write(self, x: float, y: float, text: str, anchor: str) -> None:
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
        )


def _spread(span: Span) -> Span:
    low, high = span
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Round values between two, about five, apart by 1, 2 or 5 times a power of ten."""
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each for each in (power, 2 * power, 5 * power, 10 * power) if each >= raw * 0.999)
    step = max(1.0, step) if whole else step
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]


def shown(value: float) -> str:
    """A tick's number, with no more digits than it needs."""
    return f"{value:.10g}"
