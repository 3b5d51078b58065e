"""Where scenes begin: the one cut finder, for cutting videos up and for restoring them.

The score is that of FFmpeg's ``select`` filter: by how many hundreds of levels (of 256) a picture
differs from the one before, on average, or by how much more than that one did, whichever is less.
So a picture in fast motion is no cut. Fades and dissolves are not found. FFmpeg's own sums differ
from run to run where pictures are small.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vimeo_tools.data.pictures import AnyFrame
from vimeo_tools.data.video import luma_of
from vimeo_tools.errors import SettingsError

SCENE_THRESHOLD = 0.2


class SceneCuts:
    """Told one picture after the other, says which of them begin a scene.

    Args:
        threshold: score, 0..1, above which a new scene begins; 1 for none.

    Raises:
        SettingsError: the threshold is out of range.
    """

    def __init__(self, threshold: float = SCENE_THRESHOLD) -> None:
        if not 0 <= threshold <= 1:
            raise SettingsError(f"scene threshold {threshold}: need a number from 0 to 1")
        self._threshold = threshold
        self._before: AnyFrame | None = None
        self._change = 0.0

    def begins_with(self, picture: Any) -> bool:
        """Whether a decoded picture of PyAV begins a scene; the first of all does not."""
        return self.begins_with_values(*luma_of(picture))

    def begins_with_values(self, values: AnyFrame, bits: int) -> bool:
        """The same of an array, uint8 or uint16, of numbers of so many bits: Y, or RGB."""
        before, self._before = self._before, values
        if before is None or before.shape != values.shape:
            self._change = 0.0
            return False
        # The larger less the smaller, as they have no sign.
        differences = np.maximum(values, before) - np.minimum(values, before)
        change = float(differences.mean(dtype=np.float64)) / 2 ** (bits - 8)
        score = min(change, abs(change - self._change)) / 100
        self._change = change
        return bool(min(score, 1.0) > self._threshold)
