"""How long the rest of the work takes, by how long the tiles so far took."""

from __future__ import annotations

from collections.abc import Sequence


class Pace:
    """Measures work whose pieces are known beforehand by their size.

    Pieces that compile, and the first, which warms everything up, count only until there is
    another one.

    Args:
        sizes: of the pieces in order, in any unit.
        now: seconds of a clock, at the beginning.
    """

    def __init__(self, sizes: Sequence[float], now: float) -> None:
        self._sizes, self._total = sizes, sum(sizes)
        self._began = self._now = now
        self._done, self._size_done = 0, 0.0
        self._seconds = self._size = self._compiled = 0.0  # of pieces that count; that compiled

    def step(self, now: float, compiled: bool = False) -> None:
        """One piece more is done, in which something was compiled or not."""
        if self._done < len(self._sizes):
            size = self._sizes[self._done]
            self._size_done += size
            if compiled:
                self._compiled += size
            elif self._done:
                self._seconds += now - self._now
                self._size += size
            self._done += 1
        self._now = now

    @property
    def share(self) -> float:
        """Of the work, that is done: 0..1."""
        return self._size_done / self._total if self._total else 1.0

    @property
    def at_speed(self) -> float:
        """Of the work that is done, the share in which nothing was compiled: 0..1."""
        return 1 - self._compiled / self._size_done if self._size_done else 1.0

    def left(self) -> float | None:
        """Seconds for what is left; None before the first piece is done."""
        if not self._done:
            return None
        seconds, size = self._seconds, self._size
        if not size:
            seconds, size = self._now - self._began, self._size_done
        return seconds / size * (self._total - self._size_done)


def clock_text(seconds: float) -> str:
    """``0:42``, ``12:05`` or ``3:04:05``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
