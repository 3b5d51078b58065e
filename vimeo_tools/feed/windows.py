"""Which frames of which clip: windows of some frames, at every start, in clips of any length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vimeo_tools.errors import SettingsError


class Window(NamedTuple):
    """Frames ``start, start + interval, ...`` of a clip, ``frames`` of them.

    Attributes:
        start: index of the first, from 0.
        frames: how many; None for all from the start on.
        interval: from one to the next.
    """

    start: int = 0
    frames: int | None = None
    interval: int = 1

    def of(self, names: Sequence[str]) -> list[str]:
        """The frames' names, of all those of the clip."""
        stop = None if self.frames is None else self.start + span(self.frames, self.interval)
        return list(names[self.start : stop : self.interval])


class Windows:
    """All windows of a set of clips, numbered clip by clip; what one epoch of training visits.

    Args:
        keys: of the clips, for messages.
        lengths: frames of each clip.
        frames: of a window; None for whole clips, one window each.
        intervals: those that are drawn from.

    Raises:
        SettingsError: a clip is shorter than a window.
    """

    def __init__(
        self,
        keys: Sequence[str],
        lengths: Sequence[int],
        frames: int | None,
        intervals: Sequence[int] = (1,),
    ) -> None:
        self._frames, self._intervals, self._lengths = frames, tuple(intervals), lengths
        if frames is None:
            self._ends = np.arange(1, len(lengths) + 1)
            return
        longest = span(frames, max(intervals))
        for key, length in zip(keys, lengths, strict=True):
            if length < longest:
                raise SettingsError(
                    f"{key}: has {length} frames, a window of {frames} at interval "
                    f"{max(intervals)} spans {longest}; leave the clip out, or make windows shorter"
                )
        self._ends = np.cumsum(np.asarray(lengths) - span(frames, min(intervals)) + 1)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def window(self, position: int, rng: np.random.Generator) -> tuple[int, Window]:
        """(index of the clip, window) of a position; the interval is drawn.

        A start from which a wider interval would leave the clip moves back to the last possible.
        """
        clip = int(np.searchsorted(self._ends, position, side="right"))
        if self._frames is None:
            return clip, Window()
        start = position - int(self._ends[clip - 1] if clip else 0)
        interval = self._intervals[int(rng.random() * len(self._intervals))]
        last = self._lengths[clip] - span(self._frames, interval)
        return clip, Window(min(start, last), self._frames, interval)


def span(frames: int, interval: int) -> int:
    """Frames from the first to the last of a window, both counted."""
    return (frames - 1) * interval + 1
