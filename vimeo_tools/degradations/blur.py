"""Blur and take every so manieth sample: the BD of the published tables, and its variants.

A Gaussian kernel over the GT frame, of which only the samples that are kept are computed; one
rounding at the end. Who makes it how: ``MAKERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.degradations.base import Degradation, Frame, Levels, rounded
from vimeo_tools.errors import FrameError, SettingsError

Border = Literal["replicate", "reflect", "symmetric"]
BORDERS: tuple[Border, ...] = ("replicate", "reflect", "symmetric")

_WIDEST_KERNEL = 99
# MATLAB's order of summation is not documented: nearer to a half than this, two runs of it differ.
_UNDECIDED = 2e-5


class Blur(NamedTuple):
    """How a frame is blurred and sampled.

    Attributes:
        sigma: of the Gaussian, in GT pixels.
        kernel: taps an axis. The middle one of an even number is that before the middle.
        phase: the GT pixel that the middle tap lies on for the first sample; the next one is
            ``scale`` further.
        border: what lies outside the frame: its last sample again ("replicate"), the frame in a
            mirror that repeats the last sample ("symmetric") or does not ("reflect").
    """

    sigma: float
    kernel: int
    phase: int
    border: Border


class Maker(NamedTuple):
    """Who makes BD how, at the scales that are known."""

    scales: Sequence[int]
    blur: Callable[[int], Blur]


def _kair(scale: int) -> Blur:
    if scale == 3:
        return Blur(1.6, 7, 1, "replicate")
    return Blur(1.6, 12, scale // 2 - 1, "replicate")


def _duf(scale: int) -> Blur:
    sigma = 0.4 * scale
    # scipy's Gaussian ends at four sigma, and the script's picture of it after six taps.
    return Blur(sigma, 2 * min(int(4 * sigma + 0.5), 6) + 1, 0, "reflect")


MAKERS = {
    # KAIR, BasicVSR, TTVSR, the data of RVRT 003; RCAN and SRFBN, also x3
    "bd": Maker((2, 3, 4, 8), _kair),
    # DUF, EDVR, PFNL, BasicSR's duf_downsample
    "bd-duf": Maker((2, 3, 4), _duf),
    "bd-sofvsr": Maker((4,), lambda scale: Blur(1.6, 13, 0, "symmetric")),
    "bd-tecogan": Maker((4,), lambda scale: Blur(1.5, 9, 0, "reflect")),
}


@dataclass(frozen=True)
class BlurDown(Degradation):
    """One of ``MAKERS``, or with values of one's own; None is the maker's. See `Blur`.

    Sides of a frame that are no multiples of the scale are cropped first, at the right and below,
    as the scripts do.
    """

    name: str = "bd"
    sigma: float | None = None
    kernel: int | None = None
    phase: int | None = None
    border: Border | None = None

    tie = _UNDECIDED

    def __post_init__(self) -> None:
        if self.sigma is not None and not 0.1 <= self.sigma <= 20:
            raise SettingsError(f"sigma {self.sigma}: need 0.1 to 20 GT pixels")
        if not _whole(self.kernel, 1, _WIDEST_KERNEL):
            raise SettingsError(f"kernel {self.kernel}: need 1 to {_WIDEST_KERNEL} taps")
        if not _whole(self.phase, 0, max(self.scales) - 1):
            raise SettingsError(f"phase {self.phase}: need 0 up to less than the scale")
        if self.border not in (None, *BORDERS):
            raise SettingsError(f"border {self.border!r}: allowed are {', '.join(BORDERS)}")

    @property
    def tag(self) -> str:  # type: ignore[override]
        """As `Degradation.tag`: BD, BD-DUF and so on."""
        return self.name.upper()

    @property
    def scales(self) -> Sequence[int]:  # type: ignore[override]
        """Those of the maker; any where nothing is left to the maker."""
        complete = None not in self.parameters().values()
        return Degradation.scales if complete else MAKERS[self.name].scales

    def parameters(self) -> dict[str, Any]:
        """As `Degradation.parameters`."""
        return {name: getattr(self, name) for name in Blur._fields}

    def blur(self, scale: int) -> Blur:
        """What is done at this scale.

        Raises:
            SettingsError: a scale that the maker is not known to make, or a phase beyond it.
        """
        self.check_scale(scale)
        own = {name: value for name, value in self.parameters().items() if value is not None}
        blur = MAKERS[self.name].blur(scale)._replace(**own)
        if blur.phase >= scale:
            raise SettingsError(f"phase {blur.phase} at scale {scale}: need less than the scale")
        return blur

    def apply(self, frame: Frame, scale: int) -> Frame:
        """As `Degradation.apply`."""
        return rounded(self.levels(frame, scale))

    def levels(self, frame: Frame, scale: int) -> Levels:
        """As `Degradation.levels`."""
        blur = self.blur(scale)
        if min(frame.shape[:2]) < scale:
            height, width = frame.shape[:2]
            raise FrameError(f"the frame is {width}x{height}: smaller than the scale {scale}")
        weights = gaussian(blur.sigma, blur.kernel)
        rows, columns = (
            _taps(length // scale * scale, scale, blur.kernel, blur.phase, blur.border)
            for length in frame.shape[:2]
        )
        # Pairs of equal weight are added first, as whole numbers while they are.
        fewer = _weighted(frame.astype(np.uint16), rows, weights, axis=0)
        return _weighted(fewer, columns, weights, axis=1)

    def margin(self, scale: int) -> int:
        """As `Degradation.margin`."""
        blur = self.blur(scale)
        middle = (blur.kernel - 1) // 2
        before, after = middle - blur.phase, blur.phase + blur.kernel - middle - scale
        return max(-(-before // scale), -(-after // scale), 0)

    def __str__(self) -> str:
        own = {name: value for name, value in self.parameters().items() if value is not None}
        values = ", ".join(f"{name} {value}" for name, value in own.items())
        return f"{self.name} ({values})" if values else self.name


def _whole(number: object, least: int, most: int) -> bool:
    """Whether it is None, or a whole number in that range."""
    return number is None or (isinstance(number, int) and least <= number <= most)


def gaussian(sigma: float, taps: int) -> npt.NDArray[np.float64]:
    """(taps,) float64: one axis of MATLAB's fspecial('gaussian', taps, sigma); its sum is 1.

    Entries that fspecial sets to 0, below eps of the largest, add less than eps here.
    """
    offsets = np.arange(taps) - (taps - 1) / 2
    weights: npt.NDArray[np.float64] = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    return weights


def _weighted(
    samples: npt.NDArray[Any],
    taps: npt.NDArray[np.intp],
    weights: npt.NDArray[np.float64],
    axis: int,
) -> npt.NDArray[np.float64]:
    """sum_k weights[k] * samples[taps[k]] along an axis, in an order that no place changes."""
    count = len(weights)
    total: npt.NDArray[np.float64] | None = None
    for k in range((count + 1) // 2):
        pair = samples.take(taps[k], axis)
        if k != count - 1 - k:
            pair += samples.take(taps[count - 1 - k], axis)
        term = pair * weights[k]
        total = term if total is None else np.add(total, term, out=total)
    assert total is not None
    return total


@lru_cache(maxsize=32)
def _taps(length: int, scale: int, kernel: int, phase: int, border: Border) -> npt.NDArray[np.intp]:
    """(kernel, length / scale) integers: the GT pixel under each tap for each sample."""
    first = phase - (kernel - 1) // 2
    places = np.arange(kernel)[:, None] + first + scale * np.arange(length // scale)
    if border == "replicate":
        return np.clip(places, 0, length - 1)
    if border == "symmetric":
        folded = places % (2 * length)
        return np.minimum(folded, 2 * length - 1 - folded)
    folded = places % max(2 * length - 2, 1)
    return np.minimum(folded, max(2 * length - 2, 1) - folded) if length > 1 else folded
