"""What a comparison of LQ with GT has found, and how that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vimeo_tools.resize.matlab import CONVENTIONS
from vimeo_tools.running.failures import Failure

# Conventions differ in a tenth of the samples; with more than this share it is something else.
_NEITHER = 1 / 3


class Difference(NamedTuple):
    """How a frame differs from what a maker gives.

    Attributes:
        samples: how many differ.
        largest: by how many levels at most.
        row, column: of the first in reading order.
        found, expected: the levels there, all channels.
        ties: how many more are one level off where the maker's own runs differ; not counted above.
    """

    samples: int = 0
    largest: int = 0
    row: int = 0
    column: int = 0
    found: tuple[int, ...] = ()
    expected: tuple[int, ...] = ()
    ties: int = 0

    def __str__(self) -> str:
        return (
            f"{_differ(self.samples)}, by up to {self.largest}; the first at row {self.row}, "
            f"column {self.column}: {self.found} where {self.expected} should be"
        )


class FrameCheck(NamedTuple):
    """One LQ frame against what each candidate makes of its GT frame."""

    name: str
    samples: int
    differences: Mapping[str, Difference]


@dataclass
class Verification:
    """What was found.

    Attributes:
        clips: which clips were compared, in words.
        frames: LQ frames that could be compared.
        samples: in them.
        exact: per candidate, frames without a differing sample. Candidates are the two conventions
            of bicubic, or the one degradation that was asked for or recorded.
        differing: per candidate, differing samples.
        ties: samples that are one level off where the maker's own runs differ too; not failures.
        maker: what else made the frames that fit no candidate, if that is known.
        notes: what is no failure, and worth knowing.
        failures: frames that are missing, damaged, of a wrong size or of wrong pixels.
    """

    clips: str = ""
    frames: int = 0
    samples: int = 0
    exact: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    ties: int = 0
    maker: str | None = None
    notes: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def convention(self) -> str | None:
        """The one under which fewer samples differ; None when both fit equally well."""
        double, uint8 = (self.differing[name] for name in CONVENTIONS)
        return None if double == uint8 else CONVENTIONS[double > uint8]

    def add(self, check: FrameCheck) -> None:
        """Count one more frame."""
        self.frames += 1
        self.samples += check.samples
        for name, difference in check.differences.items():
            self.differing[name] += difference.samples
            self.exact[name] += difference.samples == 0
            self.ties += difference.ties

    def values(self) -> dict[str, Any]:
        """JSON-like; all but the failures."""
        return {
            "clips": self.clips,
            "frames": self.frames,
            "samples": self.samples,
            "exact": dict(self.exact),
            "differing": dict(self.differing),
            "ties": self.ties,
            "convention": self.convention,
            "maker": self.maker,
            "verdict": self._verdict() if self.frames else None,
            "notes": self.notes,
        }

    def __str__(self) -> str:
        lines = [f"{counted(self.frames, 'frame')} compared, {self.samples} samples"]
        lines[0] += f"; {self.clips}" * bool(self.clips)
        for name in self.differing:
            differ = f"; {_differ(self.differing[name])}" if self.differing[name] else ""
            lines.append(f"  {name}: {self.exact[name]} of {self.frames} frames exact{differ}")
        if self.frames:
            lines.append(f"  {self._verdict()}")
        if self.ties:
            lines.append(f"  {self.ties} more by one level at a tie, where its maker's runs differ")
        lines += [f"  note: {note}" for note in self.notes]
        lines.append(f"  {counted(len(self.failures), 'failure')}")
        return "\n".join(lines)

    def _verdict(self) -> str:
        least = min(self.differing.values())
        if self.differing.keys() != set(CONVENTIONS):
            (name,) = self.differing
            other = f"not made with {name}" + (f", but with: {self.maker}" if self.maker else "")
            return other if least else f"made with {name}, every sample equal"
        if self.maker:
            return f"made with neither convention, but with: {self.maker}"
        if not any(self.differing.values()):
            return "these frames do not tell the conventions apart"
        if self.convention is None or least > _NEITHER * self.samples:
            return "made with neither convention"
        if least:
            return f"closest to convention {self.convention}"
        return f"made under convention {self.convention}, every sample equal"


def counted(number: int, noun: str) -> str:
    """``1 failure``, ``2 failures``."""
    return f"{number} {noun}" + "s" * (number != 1)


def _differ(samples: int) -> str:
    return "1 sample differs" if samples == 1 else f"{samples} samples differ"
