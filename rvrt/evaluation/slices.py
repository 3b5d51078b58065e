"""x-t slices: one row of pixels of every frame, one below the other, in which motion is a slope."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vimeo_tools.data.pictures import Frame

# Rows that a slice may be of, as parts of the height; the one where GT moves most is shown.
_CANDIDATES = (0.2, 0.35, 0.5, 0.65, 0.8)


class Slices:
    """Collects rows of the frames of a sequence, of all its versions at the same height."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Frame]] = {}

    def add(self, frames: Mapping[str, Frame | None]) -> None:
        """Take the rows of one frame.

        Args:
            frames: by name, "gt" among them; (H, W, 3) uint8, in any size that is the same from
                frame to frame; None is left out.
        """
        for name, frame in frames.items():
            if frame is not None:
                places = [int(part * frame.shape[0]) for part in _CANDIDATES]
                self._rows.setdefault(name, []).append(frame[places])

    def chosen(self) -> dict[str, Frame]:
        """(frames, W, 3) of each name, at the height where GT changes most over time."""
        rows = {name: np.stack(rows) for name, rows in self._rows.items()}
        change = np.abs(np.diff(rows["gt"].astype(np.int16), axis=0)).sum(axis=(0, 2, 3))
        place = int(np.argmax(change))
        return {name: of_frames[:, place] for name, of_frames in rows.items()}
