"""LQ frames that exist nowhere: made from GT frames as these are read. No MindSpore."""

from __future__ import annotations

import numpy as np

from rvrt.errors import EvaluationError
from vimeo_tools.data.pictures import Frame, FrameSource
from vimeo_tools.degradations import Degradation


class ShrunkSequence:
    """The frames of a sequence, each degraded. See FrameSource.

    Args:
        gt: the true frames.
        key: of the sequence; frames are known as ``key/name``, as `vimeo-prep` knows them.
        scale: how many times smaller they become.
        degradation: how.

    Raises:
        SettingsError: the degradation does not make this scale.
        EvaluationError: the size is no multiple of the scale.
    """

    def __init__(self, gt: FrameSource, key: str, scale: int, degradation: Degradation) -> None:
        degradation.check_scale(scale)
        if gt.height % scale or gt.width % scale:
            raise EvaluationError(
                f"GT frames of {gt.width}x{gt.height}: no multiple of {scale}; crop them, or give "
                "the LQ frames with --lq"
            )
        self._gt, self._key, self._scale, self._degradation = gt, key, scale, degradation
        self.names = gt.names
        self.height, self.width = gt.height // scale, gt.width // scale
        self.identity = [*gt.identity, scale, str(degradation)]

    def read(self, start: int, stop: int) -> Frame:
        """See FrameSource."""
        names = (f"{self._key}/{name}" for name in self.names[start:stop])
        frames = zip(names, self._gt.read(start, stop), strict=True)
        made = self._degradation
        return np.stack([made.of_frame(name).apply(frame, self._scale) for name, frame in frames])
