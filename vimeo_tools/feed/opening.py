"""Opening sequences: which folder or database, which clips of it, and how LQ frames were made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vimeo_tools.data.frames import ClipFrames, LqFromGt, open_source, recorded_degradation
from vimeo_tools.data.layouts import VIMEO90K, Layout, choose_layout, split_root
from vimeo_tools.degradations import Degradation, choose_degradation
from vimeo_tools.errors import AnnotationError, SettingsError
from vimeo_tools.feed.samples import SequenceSource
from vimeo_tools.resize.matlab import Convention


def open_sequences(
    gt: str | Path,
    lq: str | Path | None = None,
    clip_list: str | Path | None = None,
    *,
    scale: int | None = None,
    degradation: str | Degradation | None = None,
    convention: Convention | None = None,
    gt_numbers: Sequence[int] | None = None,
    layout: str | Layout = VIMEO90K,
    split: str | None = None,
) -> SequenceSource:
    """The sequences of a folder or a database.

    Args:
        gt: ``sequences``, another layout's root of GT, or ``NAME.lmdb``.
        lq: ``BIx4`` or ``NAME.lmdb``; None to make LQ from GT as it is read.
        clip_list: a list in any of the forms of `vimeo_tools.data.lists`; None for all clips of
            ``gt``.
        scale: how many times smaller LQ is; None for what ``lq`` has, or where it is made 4 (1 of
            what keeps the size).
        degradation: a key of `vimeo_tools.DEGRADATIONS`, or what it stands for; None for what
            ``lq`` was made with, or bicubic where it is made.
        convention: of bicubic, see `vimeo_tools.downscale`.
        gt_numbers: see `SequenceSource`.
        layout: where frames lie in folders, a key of `vimeo_tools.data.layouts.LAYOUTS`.
        split: "train" or "test", without a list: the clips that are in the layout's list beside
            ``gt``; where there is none, all but those that it holds out, or these.

    Raises:
        AnnotationError: the list is missing, or one of its lines is wrong.
        SettingsError: a path holds no sequences, the arguments do not fit them, or ``lq`` was made
            otherwise than is asked for.
        OutputError: the record beside ``lq`` cannot be read.
        LmdbError: a database is not whole.
        FrameError: the first frame cannot be read.
    """
    wanted = None
    if degradation is not None or convention is not None:
        parameters = {} if convention is None else {"convention": convention}
        wanted = choose_degradation(degradation or "bicubic", **parameters)
    layout = choose_layout(layout)
    gt_source = _open(Path(gt), layout)
    lq_source: ClipFrames | LqFromGt
    if lq is None:
        lq_source = LqFromGt(gt_source, scale, wanted or "bicubic")
    else:
        lq_source = _open(Path(lq), layout)
        check_made_with(Path(lq), scale, wanted)
    keys = _keys(gt_source, clip_list, split, layout)
    source = SequenceSource(keys, gt_source, lq_source, gt_numbers)
    if scale not in (None, source.scale):
        raise SettingsError(
            f"{lq}: its frames are 1/{source.scale} of {gt}, asked for is scale {scale}"
        )
    return source


open_septuplets = open_sequences


def _keys(
    gt: ClipFrames, clip_list: str | Path | None, split: str | None, layout: Layout
) -> list[str]:
    if clip_list is not None and split is not None:
        raise SettingsError("clip_list and split: give one of them")
    if split is not None:
        beside = layout.list_path(split_root(gt.root)[0].parent, split)
        if not beside.is_file():
            keys = layout.splits_of(gt.keys()).get(split, [])
            if not keys:
                raise SettingsError(
                    f"{gt.root}: holds no clip for {split}, by its layout; give a list of clips"
                )
            return keys
        clip_list = beside
    if clip_list is None:
        return gt.keys()
    keys, failures = gt.read_list(Path(clip_list))
    if failures:
        more = f" (and {len(failures) - 1} more such lines)" if len(failures) > 1 else ""
        raise AnnotationError(f"{failures[0]}{more}; nothing is skipped: mend the list")
    return keys


def check_made_with(lq: Path, scale: int | None, wanted: Degradation | None) -> None:
    """Raise a SettingsError if the record beside ``lq`` contradicts what is wanted."""
    found = recorded_degradation(lq)
    if found is None:
        return
    degradation, found_scale = found
    if scale not in (None, found_scale) or wanted not in (None, degradation):
        asked = f"{wanted or degradation}, scale {scale or found_scale}"
        raise SettingsError(
            f"{lq}: was made with {degradation}, scale {found_scale}; asked for is {asked}"
        )


def _open(path: Path, layout: Layout) -> ClipFrames:
    source = open_source(path, layout=layout)
    if not isinstance(source, ClipFrames):
        raise SettingsError(
            f"{path}: holds single pictures; give a folder of clips, as 00001/0001/im1.png, or a "
            "database"
        )
    return source
