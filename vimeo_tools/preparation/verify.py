"""Is this LQ data made of that GT data as it says, and if it does not say: how?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import numpy as np

from vimeo_tools.data.frames import (
    FrameStore,
    LmdbFrames,
    SequenceFolder,
    open_source,
    recorded_degradation,
)
from vimeo_tools.data.layouts import Layout, choose_layout, split_root
from vimeo_tools.data.lists import read_list
from vimeo_tools.data.lmdb_store import META_INFO_NAME
from vimeo_tools.data.pictures import Frame
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import merge_keys
from vimeo_tools.degradations import Bicubic, Degradation, choose_degradation
from vimeo_tools.degradations.detect import detect_degradation
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.preparation.verification import Difference, FrameCheck, Verification
from vimeo_tools.resize.matlab import CONVENTIONS
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.jobs import each

_BOTH: dict[str, Degradation] = {name: Bicubic(name) for name in CONVENTIONS}
# Frames that fit neither convention are tried against other makers; a few tell.
_FRAMES_TO_NAME_A_MAKER = 5
_CLIPS_TO_DETECT = 8

CheckedGroup = tuple[list[FrameCheck], list[Failure]]


def verify(
    gt: str | Path,
    lq: str | Path,
    *,
    scale: int | None = None,
    degradation: str | Degradation | None = None,
    convention: str | None = None,
    sample: int | None = None,
    clip_list: str | Path | None = None,
    layout: str | Layout = "vimeo90k",
    executor: Executor | None = None,
) -> Verification:
    """Compare LQ frames with what they should be made of GT frames.

    Args:
        gt: a septuplet tree, an LMDB, or a plain folder of pictures.
        lq: the same of the small frames; pictures may be named as ``baboonx4.png``.
        scale: how many times smaller LQ is; None for what is recorded beside ``lq``, else 4.
        degradation: a key of `vimeo_tools.DEGRADATIONS`, or what it stands for; None for what is
            recorded beside ``lq``, else bicubic.
        convention: of bicubic, "double" or "uint8"; None takes what is recorded, else the one that
            fits best.
        sample: compare only so many clips, spread evenly.
        clip_list: compare the clips of this list; None for what a database's meta_info.txt says,
            the official lists beside GT, or all.
        layout: a key of `vimeo_tools.data.layouts.LAYOUTS`, or what it stands for.
        executor: see `vimeo_tools.running.jobs.run`.

    Raises:
        SettingsError: a folder holds no frames, or an argument is not allowed or contradicts the
            record beside ``lq``.
        AnnotationError: a list cannot be read.
        LmdbError: a database is not whole.
    """
    gt, lq = Path(gt), Path(lq)
    scale, wanted = _wanted(lq, scale, degradation, convention)
    candidates = _BOTH if wanted is None or wanted in _BOTH.values() else {wanted.name: wanted}
    layout = choose_layout(layout)
    gt_source = open_source(gt, layout=layout)
    lq_source = open_source(lq, f"x{scale}", layout)
    result = Verification()
    groups = _choose(gt_source, lq_source, (gt, lq), clip_list, layout, result)
    if sample is None and clip_list is None:
        result.failures += _without_gt(groups, gt_source, lq_source, lq, result)
    groups = _sampled(groups, sample)
    task = partial(_check_group, gt_source, lq_source, (str(gt), str(lq)), scale, candidates)
    name = _best_fit(task, groups) if wanted is None else _label(wanted)
    fits_none = []
    for checks, failures in each(task, groups, executor, label="compared"):
        result.failures += failures
        for check in checks:
            result.add(check)
            if check.differences[name].samples:
                reason = f"{candidates[name]}: {check.differences[name]}"
                result.failures.append(Failure(f"{lq}/{check.name}", reason))
            if all(difference.samples for difference in check.differences.values()):
                fits_none.append(check.name)
    few = fits_none[:_FRAMES_TO_NAME_A_MAKER]
    result.maker, note = _name_maker(gt_source, lq_source, scale, candidates, few)
    if note is not None:
        result.notes.append(note)
    return result


def _wanted(
    lq: Path, scale: int | None, degradation: str | Degradation | None, convention: str | None
) -> tuple[int, Degradation | None]:
    """Scale, and what LQ should be made with; None for a convention that is to be found out."""
    recorded, recorded_scale = recorded_degradation(lq) or (None, None)
    if scale is not None and recorded_scale not in (None, scale):
        raise SettingsError(f"{lq}: was made with scale {recorded_scale}, asked for is {scale}")
    wanted = recorded
    if degradation is not None or convention is not None:
        parameters = {} if convention is None else {"convention": convention}
        wanted = choose_degradation(degradation or "bicubic", **parameters)
        if isinstance(wanted, Bicubic) and convention is None:
            wanted = recorded if isinstance(recorded, Bicubic) else None
    scale = scale or recorded_scale or (wanted or _BOTH[CONVENTIONS[0]]).usual_scale
    (wanted or _BOTH[CONVENTIONS[0]]).check_scale(scale)
    return scale, wanted


def _label(degradation: Degradation) -> str:
    return degradation.convention if isinstance(degradation, Bicubic) else degradation.name


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


# --- which frames -------------------------------------------------------------------------------


def _choose(
    gt: FrameStore,
    lq: FrameStore,
    roots: tuple[Path, Path],
    clip_list: str | Path | None,
    layout: Layout,
    result: Verification,
) -> list[list[str]]:
    """The names of the frames to compare, clip by clip; says in ``result`` which these are."""
    named = clip_list is not None
    databases = [(s, root) for s, root in zip((gt, lq), roots, strict=True) if _is_database(s)]
    if databases and not named:
        source, root = databases[0]
        result.clips = f"clips of {root / META_INFO_NAME}"
        return source.groups()
    if not isinstance(gt, (SequenceFolder, LmdbFrames)):
        if named:
            raise SettingsError(f"{roots[0]}: holds single pictures, for which there are no lists")
        return gt.groups()
    folder = split_root(roots[0])[0].parent
    beside = [layout.list_path(folder, split) for split in layout.lists]
    lists = [path for path in beside if path.is_file()] if clip_list is None else [Path(clip_list)]
    if not lists:
        result.clips = f"all clips in {roots[0]}"
        return gt.groups()
    read = [read_list(path, layout) for path in lists]
    result.clips = f"clips of {' and '.join(map(str, lists))}"
    result.failures += [failure for found in read for failure in found.failures]
    keys = merge_keys(found.keys for found in read)
    for key in keys:
        if not gt.names(key):
            result.failures.append(Failure(f"{roots[0]}/{key}", "holds no frame"))
    return [names for key in keys if (names := gt.names(key))]


def _is_database(source: FrameStore) -> bool:
    return isinstance(source, LmdbFrames)


def _stems(source: FrameStore) -> set[str]:
    """The frames that a source holds of any clip, as im4."""
    return {_stem(name) for group in source.groups() for name in group}


def _stem(name: str) -> str:
    return name.rpartition("/")[2]


def _without_gt(
    groups: list[list[str]],
    gt: FrameStore,
    lq: FrameStore,
    lq_root: Path,
    result: Verification,
) -> list[Failure]:
    """LQ frames that have no GT frame; those of numbers that GT holds of no clip are noted."""
    if _is_database(gt) != _is_database(lq):
        return []  # the database is one split of the tree
    known = {name for group in groups for name in group}
    extra = [name for group in lq.groups() for name in group if name not in known]
    if _is_database(gt):
        stems = _stems(gt)
        if left_out := _stems(lq) - stems:
            holds, lacks = (", ".join(sorted(some)) for some in (stems, left_out))
            result.notes.append(f"GT holds {holds} alone: {lacks} of LQ cannot be compared")
            extra = [name for name in extra if _stem(name) in stems]
    return [Failure(f"{lq_root}/{name}", "there is no GT frame for it") for name in extra]


# --- comparing ----------------------------------------------------------------------------------


def _check_group(
    gt_source: FrameStore,
    lq_source: FrameStore,
    roots: tuple[str, str],
    scale: int,
    candidates: Mapping[str, Degradation],
    names: Sequence[str],
) -> CheckedGroup:
    checks, failures = [], []
    for name in names:
        root = roots[0]
        try:
            gt = gt_source.frame(name)
            root = roots[1]
            lq = lq_source.frame(name)
            checks.append(_check_frame(name, gt, lq, scale, candidates))
        except FrameError as error:
            failures.append(Failure(f"{root}/{name}", str(error)))
    return checks, failures


def _check_frame(
    name: str, gt: Frame, lq: Frame, scale: int, candidates: Mapping[str, Degradation]
) -> FrameCheck:
    makers = {label: made.of_frame(name) for label, made in candidates.items()}
    differences = {label: _difference(gt, lq, scale, made) for label, made in makers.items()}
    return FrameCheck(name, lq.size, differences)


def _difference(gt: Frame, lq: Frame, scale: int, made: Degradation) -> Difference:
    expected = made.apply(gt, scale)
    FrameSize(*expected.shape[:2]).check(FrameSize(*lq.shape[:2]))
    if lq.ndim != expected.ndim:
        raise FrameError("one of GT and LQ is grey, the other in colour")
    gap = np.abs(lq.astype(np.int16) - expected)
    ties = 0
    if gap.any() and (undecided := made.undecided(gt, scale)) is not None:
        by_chance = undecided & (gap == 1)
        ties = int(by_chance.sum())
        gap[by_chance] = 0
    if not gap.any():
        return Difference(ties=ties)
    where = np.argwhere(gap)
    row, column = (int(n) for n in where[0][:2])
    found, should_be = (tuple(np.atleast_1d(f[row, column]).tolist()) for f in (lq, expected))
    return Difference(len(where), int(gap.max()), row, column, found, should_be, ties)


# --- who else makes LQ frames -------------------------------------------------------------------


def _name_maker(
    gt_source: FrameStore,
    lq_source: FrameStore,
    scale: int,
    candidates: Mapping[str, Degradation],
    names: Sequence[str],
) -> tuple[str | None, str | None]:
    """Who made these frames, which fit no candidate, and what to note where nobody is known."""
    if not names or scale == 1:
        return None, None
    gts, lqs = ([source.frame(name) for name in names] for source in (gt_source, lq_source))
    found = detect_degradation(gts, lqs, scale)
    if not found.known:
        return None, f"frames that fit none are {found.sentence()}"
    if found.channels != "BGR" and found.degradation in candidates.values():
        return None, None  # a few samples or frames are wrong
    return found.sentence().removeprefix("made with "), None
