"""What a degradation is; see `vimeo_tools.degradations` for those there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vimeo_tools.errors import SettingsError

Frame = npt.NDArray[np.uint8]
WHOLE_FRAME = 2**16
_SMALLEST_SCALE, _LARGEST_SCALE = 2, 64


class Degradation(ABC):
    """How a GT frame becomes a low-quality one.

    A subclass that has parameters is a frozen dataclass: its fields are what users may set, and
    what the record of an LQ tree says. Worker processes get the object pickled, so a class of your
    own stands at the top of a module.

    Attributes:
        name: by which `vimeo_tools.DEGRADATIONS` and commands know it.
        tag: begins the names of its folders and databases, as BI in ``BIx4``.
    """

    name: str
    tag: str
    scales: Sequence[int] = range(_SMALLEST_SCALE, _LARGEST_SCALE + 1)

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

    def undecided(self, frame: Frame, scale: int) -> npt.NDArray[np.bool_] | None:
        """Where even the original program's own runs differ by one level, as a mask; or nowhere.

        Args:
            frame, scale: as for `apply`, whose result has the shape of the mask.
        """
        return None

    def folder(self, scale: int) -> str:
        """The usual name of a tree of such frames, as ``BIx4``."""
        return f"{self.tag}x{scale}"

    def parameters(self) -> dict[str, Any]:
        """JSON-like; what may be set."""
        return asdict(self) if is_dataclass(self) else {}

    def record(self) -> dict[str, Any]:
        """JSON-like; all that decides the pixels. Read back by `from_record`."""
        return {"degradation": self.name, **self.parameters()}

    def check_scale(self, scale: int) -> None:
        """Raise a SettingsError unless frames can be made so many times smaller."""
        if scale not in self.scales:
            known = self.scales
            each = ", ".join(map(str, known))
            allowed = f"{known[0]} to {known[-1]}" if isinstance(known, range) else each
            raise SettingsError(
                f"degradation {self.name}, scale {scale}: need {allowed}; 4 makes quarter-size "
                "frames"
            )

    def __str__(self) -> str:
        values = ", ".join(f"{name} {value}" for name, value in self.parameters().items())
        return f"{self.name} ({values})" if values else self.name


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
    return replace(degradation, **parameters)  # type: ignore[type-var]
