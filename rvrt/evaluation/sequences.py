"""The sequences that are measured: frames small and true, read when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rvrt.errors import EvaluationError
from rvrt.evaluation.protocol import PROTOCOLS, Protocol
from rvrt.evaluation.temporal import Region
from vimeo_tools.data.pictures import Frame, FrameSource
from vimeo_tools.degradations import Degradation

_FRAMES = PROTOCOLS["frames"]


@dataclass(frozen=True)
class Sequence:
    """One sequence, read when asked for.

    Attributes:
        key: its name in results.
        lq: all LQ frames.
        gt: the true frames that are measured against, one for each of `measured`.
        measured: indices of LQ frames.
        protocol: by which it is measured.
    """

    key: str
    lq: FrameSource
    gt: FrameSource
    measured: tuple[int, ...]
    protocol: Protocol = _FRAMES

    @property
    def mirrored(self) -> bool:
        """Whether it is a septuplet, mirrored in time to be restored."""
        return bool(self.protocol.septuplets)

    @property
    def names(self) -> list[str]:
        """Of the measured frames."""
        if self.mirrored:
            return [f"im{index + 1}" for index in self.measured]
        return self.gt.names[: len(self.measured)]

    @property
    def region(self) -> Region:
        """The part of a frame that is measured.

        Raises:
            EvaluationError: nothing is left of frames of this size.
        """
        return self.protocol.region(self.gt.height, self.gt.width)

    @property
    def scale(self) -> int:
        """How many times larger GT is.

        Raises:
            EvaluationError: not a whole number from 2 on, or 1 where the protocol says so, the
                same on both sides.
        """
        scale = self.gt.height // self.lq.height
        least = 2 if self.protocol.enlarges else 1
        if scale < least or (self.gt.height, self.gt.width) != (
            scale * self.lq.height,
            scale * self.lq.width,
        ):
            raise EvaluationError(
                f"{self.key}: GT frames of {self.gt.width}x{self.gt.height} with LQ frames of "
                f"{self.lq.width}x{self.lq.height}: need a whole multiple "
                f"from {least} on, the same on both sides"
            )
        return scale

    def check_scale(self, wanted: int | None) -> None:
        """Raise an EvaluationError if GT is not `wanted` times as large."""
        if wanted not in (None, self.scale):
            raise EvaluationError(
                f"{self.key}: GT is {self.scale} times as large as LQ, asked for is scale {wanted}"
            )


@dataclass(frozen=True)
class DataSource:
    """Where frames come from.

    Attributes:
        gt: of the true frames.
        lq: of the small ones; None where they are made from GT as it is read.
        degradation: how the small ones are made; None where nobody has noted it.
    """

    gt: Path
    lq: Path | None
    degradation: Degradation | None

    @property
    def folders(self) -> list[Path]:
        """What is read from."""
        return [self.gt] if self.lq is None else [self.gt, self.lq]

    def to_json(self) -> dict[str, str | None]:
        """As in settings.json and results.json."""
        if self.lq is None:
            return {"gt": str(self.gt), "lq": f"made from GT, {self.degradation}"}
        convention = getattr(self.degradation, "convention", None)
        made = {"lq_convention": convention}
        if self.degradation is not None and convention is None:
            made["lq_degradation"] = str(self.degradation)
        return {"gt": str(self.gt), "lq": str(self.lq), **made}


@dataclass(frozen=True)
class SequenceSet:
    """All sequences of an evaluation, and what results must say of them.

    Attributes:
        keys: in order.
        read: a sequence by its key.
        source: where the frames come from.
        protocol: by which they are measured.
    """

    keys: list[str]
    read: Callable[[str], Sequence]
    source: DataSource
    protocol: Protocol


class PartOfSequence:
    """The frames of a sequence from `start` to `stop`. See FrameSource."""

    def __init__(self, whole: FrameSource, start: int, stop: int) -> None:
        self._whole, self._start = whole, start
        self.names = whole.names[start:stop]
        self.height, self.width = whole.height, whole.width
        self.identity = [*whole.identity, start, stop]

    def read(self, start: int, stop: int) -> Frame:
        """See FrameSource."""
        return self._whole.read(self._start + start, self._start + stop)
