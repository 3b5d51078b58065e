"""Is this LQ data imresize of that GT data, and under which convention?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from vimeo_tools.data.frames import Frame, FrameSource, open_source
from vimeo_tools.data.png import FrameSize
from vimeo_tools.degradations import Bicubic
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.preparation.downsample import read_settings
from vimeo_tools.resize.matlab import CONVENTIONS, downscale, imresize
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.jobs import each

# Frames that fit neither convention are tried against other makers; a few tell.
_FRAMES_TO_NAME_A_MAKER = 5
_CLIPS_TO_DETECT = 8


class Difference(NamedTuple):
    """How a frame differs from what a maker gives.

    Attributes:
        samples: how many differ.
        largest: by how many levels at most.
        row, column: of the first in reading order.
        found, expected: the levels there, all channels.
    """

    samples: int = 0
    largest: int = 0
    row: int = 0
    column: int = 0
    found: tuple[int, ...] = ()
    expected: tuple[int, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.samples} samples differ, by up to {self.largest}; the first at row {self.row}, "
            f"column {self.column}: {self.found} where imresize gives {self.expected}"
        )


class FrameCheck(NamedTuple):
    """One LQ frame against what each convention makes of its GT frame."""

    name: str
    samples: int
    differences: Mapping[str, Difference]


CheckedGroup = tuple[list[FrameCheck], list[Failure]]


@dataclass
class Verification:
    """What was found.

    Attributes:
        frames: LQ frames that could be compared.
        samples: in them.
        exact: per convention, frames without a differing sample.
        differing: per convention, differing samples.
        maker: what else made the frames that fit no convention, if that is known.
        failures: frames that are missing, damaged, of a wrong size or of wrong pixels.
    """

    frames: int = 0
    samples: int = 0
    exact: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    maker: str | None = None
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

    def __str__(self) -> str:
        lines = [f"{self.frames} frames, {self.samples} samples compared"]
        lines += [
            f"  {name}: {self.exact[name]} frames exact, {self.differing[name]} samples differ"
            for name in CONVENTIONS
        ]
        if self.frames:
            lines.append(f"  {self._verdict()}")
        return "\n".join(lines)

    def _verdict(self) -> str:
        if self.maker:
            return f"made with neither, but with: {self.maker}"
        if not any(self.differing.values()):
            return "these frames do not tell the conventions apart"
        if self.convention is None:
            return "made with neither"
        if self.differing[self.convention]:
            return f"closest to convention {self.convention}"
        return f"made under convention {self.convention}, every sample equal"


def verify(
    gt: Path,
    lq: Path,
    *,
    scale: int = 4,
    convention: str | None = None,
    sample: int | None = None,
    executor: Executor | None = None,
) -> Verification:
    """Compare LQ frames with imresize of GT frames.

    Args:
        gt: a septuplet tree, an LMDB, or a plain folder of pictures.
        lq: the same of the small frames; pictures may be named as ``baboonx4.png``.
        scale: how many times smaller LQ is.
        convention: "double" or "uint8"; None takes what is recorded beside ``lq``, else the one
            that fits best.
        sample: compare only so many clips, spread evenly.
        executor: see `vimeo_tools.running.jobs.run`.

    Raises:
        SettingsError: a folder holds no frames, or ``convention`` or ``sample`` is not allowed.
        LmdbError: a database is not whole.
    """
    if convention not in (None, *CONVENTIONS):
        raise SettingsError(f"convention {convention!r}: allowed are {', '.join(CONVENTIONS)}")
    gt_source, lq_source = open_source(gt), open_source(lq, name_end=f"x{scale}")
    groups = _sampled(gt_source.groups(), sample)
    task = partial(_check_group, gt_source, lq_source, (str(gt), str(lq)), scale)
    wanted = convention or _recorded(lq) or _best_fit(task, groups)
    result = Verification()
    if sample is None:
        result.failures += _without_gt(groups, lq_source, lq)
    fits_none = []
    for checks, failures in each(task, groups, executor, label="compared"):
        result.failures += failures
        for check in checks:
            result.add(check)
            if check.differences[wanted].samples:
                reason = f"convention {wanted}: {check.differences[wanted]}"
                result.failures.append(Failure(f"{lq}/{check.name}", reason))
            if all(difference.samples for difference in check.differences.values()):
                fits_none.append(check.name)
    result.maker = _name_maker(gt_source, lq_source, scale, fits_none[:_FRAMES_TO_NAME_A_MAKER])
    return result


def _best_fit(task: Callable[[Sequence[str]], CheckedGroup], groups: list[list[str]]) -> str:
    """The convention that fits a few clips best."""
    trial = Verification()
    for group in _sampled(groups, _CLIPS_TO_DETECT):
        for check in task(group)[0]:
            trial.add(check)
    return trial.convention or CONVENTIONS[0]


def _sampled(groups: list[list[str]], sample: int | None) -> list[list[str]]:
    if sample is None or sample >= len(groups):
        return groups
    if sample < 1:
        raise SettingsError(f"sample {sample}: need at least 1 clip")
    return [groups[i * len(groups) // sample] for i in range(sample)]


def _without_gt(groups: list[list[str]], lq_source: FrameSource, lq: Path) -> list[Failure]:
    known = {name for group in groups for name in group}
    extra = [name for group in lq_source.groups() for name in group if name not in known]
    return [Failure(f"{lq}/{name}", "there is no GT frame for it") for name in extra]


def _recorded(lq: Path) -> str | None:
    if (lq / "data.mdb").exists():  # its record is about keys
        return None
    settings = read_settings(lq)
    made = settings.degradation if settings else None
    return made.convention if isinstance(made, Bicubic) else None


def _check_group(
    gt_source: FrameSource,
    lq_source: FrameSource,
    roots: tuple[str, str],
    scale: int,
    names: Sequence[str],
) -> CheckedGroup:
    checks, failures = [], []
    for name in names:
        root = roots[0]
        try:
            gt = gt_source.read(name)
            root = roots[1]
            lq = lq_source.read(name)
            checks.append(_check_frame(name, gt, lq, scale))
        except FrameError as error:
            failures.append(Failure(f"{root}/{name}", str(error)))
    return checks, failures


def _check_frame(name: str, gt: Frame, lq: Frame, scale: int) -> FrameCheck:
    made: dict[str, Frame] = {maker: downscale(gt, scale, maker) for maker in CONVENTIONS}
    expected = made[CONVENTIONS[0]]
    FrameSize(*expected.shape[:2]).check(FrameSize(*lq.shape[:2]))
    if lq.ndim != expected.ndim:
        raise FrameError("one of GT and LQ is grey, the other in colour")
    return FrameCheck(name, lq.size, {maker: _difference(lq, made[maker]) for maker in made})


def _difference(found: Frame, expected: Frame) -> Difference:
    gap = np.abs(found.astype(np.int16) - expected)
    where = np.argwhere(gap)
    if not len(where):
        return Difference()
    row, column = (int(n) for n in where[0][:2])
    pixels = (tuple(np.atleast_1d(frame[row, column]).tolist()) for frame in (found, expected))
    return Difference(len(where), int(gap.max()), row, column, *pixels)


# --- who else makes LQ frames -------------------------------------------------------------------


def _uint8_half_even(gt: Frame, scale: int) -> Frame:
    rows, columns = (-(-n // scale) for n in gt.shape[:2])
    first = np.clip(np.rint(imresize(gt.astype(np.float64), (rows, gt.shape[1]))), 0, 255)
    return np.clip(np.rint(imresize(first, (rows, columns))), 0, 255).astype(np.uint8)


def _uint8_replicate(gt: Frame, scale: int) -> Frame:
    return imresize(gt, 1 / scale, border="replicate")


def _pillow_bicubic(gt: Frame, scale: int) -> Frame:
    size = -(-gt.shape[1] // scale), -(-gt.shape[0] // scale)
    return np.asarray(Image.fromarray(gt).resize(size, Image.Resampling.BICUBIC))


_OTHER_MAKERS: dict[str, Callable[[Frame, int], Frame]] = {
    "uint8 with halves rounded to even (mindediting's script)": _uint8_half_even,
    "uint8 with a replicated border (old releases of MATLAB)": _uint8_replicate,
    "Pillow's bicubic": _pillow_bicubic,
}


def _name_maker(
    gt_source: FrameSource, lq_source: FrameSource, scale: int, names: Sequence[str]
) -> str | None:
    """Which known maker gives all these frames exactly."""
    pairs = [(gt_source.read(name), lq_source.read(name)) for name in names]
    for maker, make in _OTHER_MAKERS.items():
        if pairs and all(np.array_equal(make(gt, scale), lq) for gt, lq in pairs):
            return maker
    return None
