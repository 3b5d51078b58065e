"""Frames that stay as large as they are: noise, for denoising, and nothing at all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from vimeo_tools.degradations.base import Degradation, Frame, Levels, rounded
from vimeo_tools.errors import SettingsError

_LARGEST_SIGMA = 255
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Noise(Degradation):
    """White Gaussian noise, as for DAVIS and Set8.

    What is added to a frame depends on the seed and the frame's name alone: in whatever order and
    by whatever worker frames are made, they are the same, and no two have the same noise.

    Attributes:
        sigma: its standard deviation, in levels of 255.
        seed: of all frames.
        frame: the name of the frame, see `of_frame`.
    """

    sigma: float = 25.0
    seed: int = 0
    frame: str = ""

    name = "noise"
    scales = (1,)

    def __post_init__(self) -> None:
        if not 0 <= self.sigma <= _LARGEST_SIGMA:
            raise SettingsError(f"sigma {self.sigma}: of noise, need 0 to {_LARGEST_SIGMA} levels")
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise SettingsError(f"seed {self.seed}: need 0 to {_LARGEST_SEED}")

    @property
    def tag(self) -> str:  # type: ignore[override]
        """As `Degradation.tag`: NOISE25."""
        return f"NOISE{self.sigma:g}"

    def folder(self, scale: int) -> str:
        """As `Degradation.folder`; all are of scale 1."""
        return self.tag

    def parameters(self) -> dict[str, Any]:
        """As `Degradation.parameters`."""
        return {"sigma": self.sigma, "seed": self.seed}

    def of_frame(self, name: str) -> Noise:
        """As `Degradation.of_frame`."""
        return Noise(self.sigma, self.seed, name)

    def apply(self, frame: Frame, scale: int) -> Frame:
        """As `Degradation.apply`: added, rounded, clipped to 0..255."""
        return rounded(self.levels(frame, scale))

    def levels(self, frame: Frame, scale: int) -> Levels:
        """As `Degradation.levels`."""
        self.check_scale(scale)
        name = int.from_bytes(hashlib.sha256(self.frame.encode()).digest(), "big")
        # The numbers of RandomState stay the same in every release of NumPy.
        random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence([self.seed, name])))
        noisy: Levels = self.sigma * random.standard_normal(frame.shape) + frame
        return noisy


class Unchanged(Degradation):
    """The frames themselves, for pairs whose low quality is in the data already."""

    name = "none"
    tag = "NONE"
    scales = (1,)

    def folder(self, scale: int) -> str:
        """As `Degradation.folder`; all are of scale 1."""
        return self.tag

    def apply(self, frame: Frame, scale: int) -> Frame:
        """As `Degradation.apply`."""
        self.check_scale(scale)
        return frame

    def margin(self, scale: int) -> int:
        """As `Degradation.margin`."""
        return 0
