"""What a degradation is; see `vimeo_tools.degradations` for those there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.errors import SettingsError

Frame = npt.NDArray[np.uint8]
Levels = npt.NDArray[np.float64]
WHOLE_FRAME = 2**16
_LEVELS = 255
_SMALLEST_SCALE, _LARGEST_SCALE, _USUAL_SCALE = 2, 64, 4


class Made(NamedTuple):
    """A low-quality frame, and how many of its samples even the original program leaves open."""

    frame: Frame
    ties: int


class Degradation(ABC):
    """How a GT frame becomes a low-quality one.

    A subclass that has parameters is a frozen dataclass: its fields are what users may set, and
    what the record of an LQ tree says. Worker processes get the object pickled, so a class of your
    own stands at the top of a module.

    Attributes:
        name: by which `vimeo_tools.DEGRADATIONS` and commands know it.
        tag: begins the names of its folders and databases, as BI in ``BIx4``.
        scales: that it makes; 1 alone where frames stay as large as they are.
        tie: the original program's own runs differ by one level where the exact value is nearer to
            a half than this.
    """

    name: str
    tag: str
    scales: Sequence[int] = range(_SMALLEST_SCALE, _LARGEST_SCALE + 1)
    tie: float = 0.0

    @abstractmethod
    def apply(self, frame: Frame, scale: int) -> Frame:
        """The low-quality frame.

        Args:
            frame: (H, W) or (H, W, C) uint8.
            scale: how many times smaller the result is; H and W may be no multiples of it.

        Returns:
            uint8; (H / scale, W / scale) or that with C.

        Raises:
            FrameError: the frame cannot be made smaller so.
        """

    def margin(self, scale: int) -> int:
        """LQ pixels around a part of a frame that `apply` must be given too.

        Made with them, the part is the same as in the whole frame, to the last bit. As it stands
        here, whole frames are asked for, which is right for all and fast for none.
        """
        return WHOLE_FRAME

    def of_frame(self, name: str) -> Degradation:
        """The same for the frame of that name, where each has something of its own: noise.

        Args:
            name: of the frame in its data set, as ``00001/0001/im1``, wherever it is read from.
        """
        return self

    def levels(self, frame: Frame, scale: int) -> Levels:
        """The samples of `apply` before they are rounded, in 0..255, float64.

        Without rounding to be seen they are those of `apply`.
        """
        return self.apply(frame, scale).astype(np.float64)

    def undecided(self, frame: Frame, scale: int) -> npt.NDArray[np.bool_] | None:
        """Where even the original program's own runs differ by one level, as a mask; or nowhere.

        Args:
            frame, scale: as for `apply`, whose result has the shape of the mask.
        """
        return near_halves(self.levels(frame, scale), self.tie) if self.tie else None

    def make(self, frame: Frame, scale: int) -> Made:
        """What `apply` gives, and how many of its samples are undecided."""
        if not self.tie:
            return Made(self.apply(frame, scale), 0)
        levels = self.levels(frame, scale)
        ties = int(near_halves(levels, self.tie).sum())
        return Made(rounded(levels), ties)

    def folder(self, scale: int) -> str:
        """The usual name of a tree of such frames, as ``BIx4``."""
        return f"{self.tag}x{scale}"

    def database(self, name: str) -> str:
        """The name of a database of such frames, from that of bicubic ones: BDLR for LR."""
        return name if self.tag == "BI" else name.replace("_LR", f"_{self.tag}LR")

    def parameters(self) -> dict[str, Any]:
        """JSON-like; what may be set."""
        return asdict(self) if is_dataclass(self) else {}

    def record(self) -> dict[str, Any]:
        """JSON-like; all that decides the pixels. Read back by `from_record`."""
        return {"degradation": self.name, **self.parameters()}

    @property
    def usual_scale(self) -> int:
        """The scale where none is asked for: 4, or the first that it makes."""
        return _USUAL_SCALE if _USUAL_SCALE in self.scales else self.scales[0]

    def check_scale(self, scale: int) -> None:
        """Raise a SettingsError unless frames can be made so many times smaller."""
        if scale not in self.scales:
            known = self.scales
            each = ", ".join(map(str, known))
            allowed = f"{known[0]} to {known[-1]}" if isinstance(known, range) else each
            meaning = "; 4 makes quarter-size frames" * (_USUAL_SCALE in known)
            raise SettingsError(f"degradation {self.name}, scale {scale}: need {allowed}{meaning}")

    def spelled(self) -> str:
        """With its parameters behind its name, as `choose_degradation` reads it."""
        return str(self)

    def __str__(self) -> str:
        values = ", ".join(f"{name} {value}" for name, value in self.parameters().items())
        return f"{self.name} ({values})" if values else self.name


def rounded(levels: Levels) -> Frame:
    """0..255 in float64 to uint8 as im2uint8 does: clipped, halves up. Changes its argument."""
    np.clip(levels, 0, _LEVELS, out=levels)
    levels += 0.5
    return levels.astype(np.uint8)


def near_halves(levels: Levels, nearer: float) -> npt.NDArray[np.bool_]:
    """Where a level is nearer to a half than that."""
    near: npt.NDArray[np.bool_] = np.abs(levels - np.floor(levels) - 0.5) < nearer
    return near


def with_parameters(degradation: Degradation, parameters: Mapping[str, Any]) -> Degradation:
    """The same degradation with other parameters.

    Raises:
        SettingsError: it has no such parameter, or does not take the value.
    """
    if not parameters:
        return degradation
    allowed = degradation.parameters()
    for name in parameters:
        if name not in allowed:
            known = ", ".join(allowed) or "none"
            raise SettingsError(
                f"degradation {degradation.name}: {name} is no parameter of it; there are: {known}"
            )
    try:
        return replace(degradation, **parameters)  # type: ignore[type-var]
    except TypeError:
        values = ", ".join(f"{name} {value!r}" for name, value in parameters.items())
        raise SettingsError(
            f"degradation {degradation.name}: {values}: a value is of another type than it must be"
        ) from None
