"""Bicubic as MATLAB's imresize makes it: the BI of the published tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vimeo_tools.degradations.base import WHOLE_FRAME, Degradation, Frame
from vimeo_tools.errors import SettingsError
from vimeo_tools.resize.matlab import CONVENTIONS, Convention, downscale

# At other scales the weights depend, in their last bit, on the place in the frame.
_EXACT_SCALES = (2, 4, 8)
_MARGIN = 2  # the kernel reaches less than 2 * scale GT pixels beyond those of an LQ pixel


@dataclass(frozen=True)
class Bicubic(Degradation):
    """`vimeo_tools.downscale`.

    Attributes:
        convention: "double" or "uint8", see there.
    """

    convention: Convention = "double"

    name = "bicubic"
    tag = "BI"

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            allowed = ", ".join(CONVENTIONS)
            raise SettingsError(f"convention {self.convention!r}: allowed are {allowed}")

    def apply(self, frame: Frame, scale: int) -> Frame:
        """As `Degradation.apply`; sides that are no multiples are rounded up."""
        return downscale(frame, scale, self.convention)

    def margin(self, scale: int) -> int:
        """As `Degradation.margin`."""
        return _MARGIN if scale in _EXACT_SCALES else WHOLE_FRAME

    def record(self) -> dict[str, Any]:
        """Without a name: records are older than other degradations."""
        return self.parameters()

    def spelled(self) -> str:
        """As `Degradation.spelled`."""
        return f"{self.name} ({self})"

    def __str__(self) -> str:
        return f"convention {self.convention}"
