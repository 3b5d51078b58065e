"""What was found out about the maker of low-quality frames, and how that is said."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from vimeo_tools.degradations.base import Degradation, Frame
from vimeo_tools.degradations.bicubic import Bicubic
from vimeo_tools.degradations.blur import Blur, BlurDown
from vimeo_tools.degradations.fitting import Shape
from vimeo_tools.degradations.others import OtherMaker, block_middle

# Two ways differ in a tenth of the samples: with fewer than this share it is the same way, and a
# few samples or frames are damaged.
_FEW = 0.01
# Less than this of a GT pixel is not told from nothing.
_NOTHING = 0.05
_MUCH = 0.9  # of a GT pixel: such frames cost a network 10 dB and more, see docs/degradations.md
_SHOWN = 5
_NAMED = 4
# One of them cannot be told from the other on flat frames alone.
_OPPOSITES = ("bicubic-double", "opencv-nearest")
# What data was made so that many know; all of it at one scale.
_PUBLISHED_SCALE = 4
_DATA = {"bicubic-double": "as RVRT 001 and 002", "bd": "as RVRT 003"}


class Crop(NamedTuple):
    """The part of GT that LQ was made of, in GT pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, frame: Frame) -> Frame:
        """A view of that part of (H, W) or (H, W, C)."""
        return frame[self.top : self.top + self.height, self.left : self.left + self.width]

    def __str__(self) -> str:
        place = "from the upper left"
        if self.top or self.left:
            place = f"from row {self.top}, column {self.left}"
        return f"{self.width}x{self.height} of GT {place}"


@dataclass(frozen=True)
class Fit:
    """How frames differ from what one maker gives; the sum of two is that of both frames.

    Attributes:
        name: of the maker.
        words: the same for a person.
        made: how it makes frames.
        middle: of the first sample, in GT pixels, on both axes; None where nobody knows.
        samples: compared.
        differing: of them.
        ties: one level off where the maker's own runs differ; not counted above.
        largest: difference, in levels.
        squares: sum of the squares of all differences from the levels before rounding.
    """

    name: str
    words: str
    made: Degradation
    middle: float | None
    samples: int
    differing: int
    ties: int
    largest: int
    squares: float

    def __add__(self, other: Fit) -> Fit:
        return replace(
            self,
            samples=self.samples + other.samples,
            differing=self.differing + other.differing,
            ties=self.ties + other.ties,
            largest=max(self.largest, other.largest),
            squares=self.squares + other.squares,
        )

    @property
    def residual(self) -> float:
        """Root of the mean square of the differences, in levels; 0.29 is rounding alone."""
        return math.sqrt(self.squares / self.samples)

    @property
    def near(self) -> bool:
        """Whether so few samples differ that it must be this maker."""
        return self.differing <= _FEW * self.samples

    def values(self) -> dict[str, Any]:
        """JSON-like."""
        return {
            "maker": self.name,
            "words": self.words,
            "differing": self.differing,
            "ties": self.ties,
            "largest": self.largest,
            "residual": round(self.residual, 4),
        }

    def __str__(self) -> str:
        ties = f", {self.ties} more at a tie" * bool(self.ties)
        differ = f"by up to {self.largest}" if self.differing else "none"
        return f"{self.differing:>10} of {self.samples} ({differ}{ties}): {self.words}"


@dataclass(frozen=True)
class Detection:
    """Who made low-quality frames.

    Attributes:
        scale: how many times smaller they are than GT.
        frames: how many were looked at.
        fits: of all makers, the best first.
        each: the best of each frame.
        channels: "RGB", "BGR" for swapped ones, or "grey".
        crop: the part of GT that they were made of; None for all of it.
        shape: where the pixels of an unknown maker lie.
    """

    scale: int
    frames: int
    fits: tuple[Fit, ...]
    each: tuple[Fit, ...]
    channels: str
    crop: Crop | None
    shape: Shape | None = None

    @property
    def best(self) -> Fit:
        """The maker that fits best, whether or not it is the one."""
        return self.fits[0]

    @property
    def flat(self) -> bool:
        """Whether the frames are too flat to tell anything."""
        exact = {fit.name for fit in self.fits if not fit.differing}
        return exact.issuperset(_OPPOSITES)

    @property
    def known(self) -> bool:
        """Whether `best` is the maker."""
        return self.best.near and not self.flat

    @property
    def alike(self) -> tuple[Fit, ...]:
        """The makers that fit as well as the best, which is the first."""
        best = self.best
        return tuple(
            fit for fit in self.fits if (fit.differing, fit.ties) == (best.differing, best.ties)
        )

    @property
    def degradation(self) -> Degradation | None:
        """What makes such frames here; None where the maker is not known, or not ours."""
        made = self.best.made
        return made if self.known and not isinstance(made, OtherMaker) else None

    @property
    def offset(self) -> tuple[float, float] | None:
        """(rows, columns): how far pixels lie below and to the right of BDx4's and bicubic's.

        In GT pixels; those lie in the middle of each block. None where nobody knows.
        """
        middle = block_middle(self.scale)
        if self.known:
            first = self.best.middle
            return None if first is None else (first - middle, first - middle)
        if self.shape is None:
            return None
        return self.shape.row - middle, self.shape.column - middle

    @property
    def mixed(self) -> dict[str, int]:
        """How many frames each of several makers made; empty where it was one, or is unknown."""
        if self.known or self.flat or not all(fit.near for fit in self.each):
            return {}
        return dict(Counter(fit.words for fit in self.each).most_common())

    def made_with(self, wanted: Degradation) -> bool:
        """Whether the frames may be of that maker: no more than a few samples differ."""
        return any(fit.made == wanted and fit.near for fit in self.fits) or self.flat

    def sentence(self) -> str:
        """What was found, in one plain sentence."""
        if self.flat:
            return "these frames are too flat to tell who made them"
        if self.mixed:
            parts = (f"{count} by {words}" for words, count in self.mixed.items())
            return f"made by more than one maker: of {self.frames} frames " + ", ".join(parts)
        how = self._known_words() if self.known else self._unknown_words()
        if self.channels == "BGR":
            how += "; the channels are swapped (BGR in place of RGB)"
        if self.crop is not None:
            how += f"; of {self.crop}"
        return how

    def _known_words(self) -> str:
        best = self.best
        words = _either([fit.words for fit in self.alike])
        data = _DATA.get(best.name) if self.scale == _PUBLISHED_SCALE else None
        end = f", {data}" if data else self._consequence()
        few = f"{best.differing} of {best.samples} samples differ all the same"
        return f"made with {words}{end}" + f"; {few}" * bool(best.differing)

    def _unknown_words(self) -> str:
        best = self.best
        text = (
            f"made by a maker that is not known: nearest is {best.words}, from which "
            f"{best.differing} of {best.samples} samples differ (residual {best.residual:.2f} "
            "levels)"
        )
        if self.shape is None:
            return text
        return (
            f"{text}; a Gaussian of sigma {self.shape.sigma:.2f} leaves "
            f"{self.shape.residual:.2f} levels{self._consequence()}"
        )

    def _consequence(self) -> str:
        """What becomes of a network that was trained on the usual frames."""
        offset = self.offset
        if offset is None:
            return ""
        if max(map(abs, offset)) < _NOTHING:
            usual = next(fit for fit in self.fits if fit.name == "bicubic-double")
            if usual is self.best:
                return ""
            return (
                f", its pixels where BIx{self.scale}'s lie; from MATLAB's bicubic "
                f"{usual.differing} of {usual.samples} samples differ, by up to {usual.largest}"
            )
        text = f": its pixels lie {_direction(offset)} of BDx{self.scale}'s"
        if self.scale == _PUBLISHED_SCALE and max(map(abs, offset)) > _MUCH:
            text += "; RVRT 003 and other networks for those lose 10 dB and more"
        return text

    def values(self) -> dict[str, Any]:
        """JSON-like."""
        made, offset = self.best.made, self.offset
        blur = made.blur(self.scale)._asdict() if isinstance(made, BlurDown) else {}
        known = self.known
        return {
            "sentence": self.sentence(),
            "known": known,
            "maker": self.best.name if known else None,
            "alike": [fit.name for fit in self.alike] if known else [],
            "degradation": str(self.degradation) if self.degradation else None,
            **{name: blur.get(name) if known else None for name in Blur._fields},
            "convention": made.convention if known and isinstance(made, Bicubic) else None,
            "scale": self.scale,
            "channels": self.channels,
            "crop": self.crop and self.crop._asdict(),
            "offset": offset and [round(number, 3) for number in offset],
            "estimate": self.shape and {n: round(v, 3) for n, v in self.shape._asdict().items()},
            "mixed": self.mixed,
            "frames": self.frames,
            "samples": self.best.samples,
            "fits": [fit.values() for fit in self.fits],
        }

    def __str__(self) -> str:
        frames = f"{self.frames} frame{'s' * (self.frames != 1)}"
        lines = [f"{frames} looked at; samples that differ from what each maker gives:"]
        lines += map(str, self.fits[:_SHOWN])
        if len(self.fits) > _SHOWN:
            lines.append(f"{'':>10} and {len(self.fits) - _SHOWN} others, from which more differ")
        return "\n  ".join([*lines, self.sentence()])


def _either(words: Sequence[str]) -> str:
    """``a``, or ``a or b (the same pixels)``."""
    if len(words) == 1:
        return words[0]
    return f"{' or '.join(words[:_NAMED])} (the same pixels)"


def _direction(offset: tuple[float, float]) -> str:
    """``1.5 GT pixels up and left``."""
    amounts = [f"{abs(number):.2f}".rstrip("0").rstrip(".") for number in offset]
    ways = ["up" if offset[0] < 0 else "down", "left" if offset[1] < 0 else "right"]
    moved = [abs(number) >= _NOTHING for number in offset]
    if all(moved) and amounts[0] == amounts[1]:
        return f"{amounts[0]} GT pixels {ways[0]} and {ways[1]}"
    parts = [
        f"{a} GT pixels {w}" for a, w, there in zip(amounts, ways, moved, strict=True) if there
    ]
    return " and ".join(parts)
