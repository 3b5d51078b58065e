"""What is measured, and the figures of others that it is set beside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vimeo_tools.data.septuplets import CENTRE_FRAME, FRAME_NUMBERS

# Septuplets are mirrored to 14 frames and folded back. "centre": their fourth frame is measured, as
# in the published figures; "all": every frame, as of sequences of any other length.
Protocol = Literal["centre", "all"]
PROTOCOL_FRAMES: dict[Protocol, tuple[int, ...]] = {"centre": (CENTRE_FRAME,), "all": FRAME_NUMBERS}

# Index of the frame that the published figures are measured on.
CENTRE = CENTRE_FRAME - 1


@dataclass(frozen=True)
class Published:
    """Figures that others publish; PSNR in dB, None where they give none."""

    name: str
    protocol: str
    psnr_y: float | None = None
    ssim_y: float | None = None
    psnr_rgb: float | None = None
    ssim_rgb: float | None = None


PUBLISHED_VIMEO = (
    Published("RVRT, authors", "centre", 38.15, 0.9527),
    Published("RVRT, mindediting", "centre", 38.12),
    Published("RVRT Light, mindediting", "centre", 37.91),
    Published("bicubic", "centre", 31.32, 0.8684),
)
_VID4 = {"calendar", "city", "foliage", "walk"}
_REDS4 = {"000", "011", "015", "020"}


def published_for(names: Iterable[str]) -> tuple[Published, ...]:
    """The authors' figures for a set that is known by the names of its sequences."""
    if set(names) == _VID4:
        return (Published("RVRT, authors", "all", 27.99, 0.8462),)
    if set(names) == _REDS4:
        return (Published("RVRT, authors", "all", psnr_rgb=32.75, ssim_rgb=0.9113),)
    return ()
