"""How long the rest of the work takes, by how long the tiles so far took."""

from __future__ import annotations

from collections.abc import Sequence


class Pace:
    """Measures work whose pieces are known beforehand by their size.

    The first piece, which also warms everything up, counts only until there is another one.

    Args:
        sizes: of the pieces in order, in any unit.
        now: seconds of a clock, at the beginning.
    """

    def __init__(self, sizes: Sequence[float], now: float) -> None:
        self._sizes = sizes
        self._times = [now]

    def step(self, now: float) -> None:
        """One piece more is done."""
        self._times.append(now)

    @property
    def share(self) -> float:
        """Of the work, that is done: 0..1."""
        total = sum(self._sizes)
        return sum(self._sizes[: self._done]) / total if total else 1.0

    def left(self) -> float | None:
        """Seconds for what is left; None before the first piece is done."""
        if not self._done:
            return None
        first = min(1, self._done - 1)
        measured = sum(self._sizes[first : self._done])
        seconds = self._times[self._done] - self._times[first]
        return seconds / measured * sum(self._sizes[self._done :])

    @property
    def _done(self) -> int:
        return min(len(self._times) - 1, len(self._sizes))


def clock_text(seconds: float) -> str:
    """``0:42``, ``12:05`` or ``3:04:05``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
