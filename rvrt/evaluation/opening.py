"""Where sequences come from: Vimeo90K as it is unpacked or packed, or any folders.

    open_vimeo | open_septuplets_at | open_folders -> SequenceSet -> Sequence

No MindSpore: the data and the metrics can be checked without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import EvaluationError
from rvrt.evaluation.protocol import PROTOCOLS, Protocol, protocol_of
from rvrt.evaluation.sequences import (
    DataSource,
    PartOfSequence,
    Sequence,
    SequenceSet,
)
from rvrt.evaluation.shrunk import ShrunkSequence
from vimeo_tools.data.data_sets import find_data_set
from vimeo_tools.data.frames import recorded_degradation
from vimeo_tools.data.layouts import VIMEO90K, clip_folder
from vimeo_tools.data.pictures import ArraySequence, FrameSource, PictureSequence
from vimeo_tools.data.septuplets import GT_FOLDER, find_keys, split_list_path
from vimeo_tools.degradations import Degradation, choose_degradation
from vimeo_tools.errors import SettingsError
from vimeo_tools.feed.opening import check_made_with, open_sequences
from vimeo_tools.preparation.pack_plan import CONTENTS

_CENTRE = PROTOCOLS["vimeo-centre"]
_USUAL_SCALE = 4  # of LQ frames made without a network


def open_vimeo(
    folder: Path,
    split: str,
    protocol: Protocol = _CENTRE,
    degradation: str | Degradation | None = None,
    scale: int | None = None,
) -> SequenceSet:
    """A split of an unpacked `vimeo_septuplet`, or of one packed by `vimeo-prep pack-lmdb`.

    Args:
        folder: holds the split's list, `sequences` or a GT database, and maybe a tree such as
            `BIx4` or an LQ database of that degradation; without these LQ is made from GT as it is
            read.
        split: "train" or "test".
        protocol: one of septuplets, which says what is measured.
        degradation: of LQ, see `vimeo_tools.DEGRADATIONS`; None for bicubic.
        scale: how many times smaller LQ is; None for that of the LQ frames that are there.

    Raises:
        EvaluationError: the folder is missing, holds no GT, or LQ trees of several scales.
        VimeoToolsError: as `open_septuplets_at`.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: there is no such folder")
    gt_names = [GT_FOLDER, _database("gt-all", split)]
    made = choose_degradation(degradation or "bicubic")
    gt, lq = _first_folder(folder, gt_names), _find_lq(folder, split, made, scale)
    if gt is None and protocol.septuplets == _CENTRE.septuplets and lq is not None:
        gt = _first_folder(folder, [_database("gt-centre", split)])
    if gt is None:
        raise EvaluationError(
            f"{folder}: holds neither {' nor '.join(gt_names)}; give an unpacked vimeo_septuplet, "
            "or other folders and databases with --gt and --lq"
        )
    clip_list = split_list_path(folder, split)
    return open_septuplets_at(gt, lq, clip_list, protocol, degradation, scale)


def _find_lq(folder: Path, split: str, made: Degradation, scale: int | None) -> Path | None:
    """The tree of a degradation and a scale, or of whichever scale there is; else the database."""
    scales = {made.folder(scale): scale for scale in made.scales}
    trees = {scales[path.name]: path for path in sorted(folder.iterdir()) if path.name in scales}
    if scale is None and len(trees) > 1:
        scale = _USUAL_SCALE if _USUAL_SCALE in trees else None
        if scale is None:
            names = ", ".join(path.name for path in trees.values())
            raise EvaluationError(f"{folder}: holds {names}; say which with --scale")
    tree = next(iter(trees.values()), None) if scale is None else trees.get(scale)
    return tree or _first_folder(folder, [made.database(_database("lq", split))])


def holds_vimeo(folder: Path, split: str) -> bool:
    """Whether a folder looks like `vimeo_septuplet`: by its list, its frames or a database."""
    names = [GT_FOLDER, _database("gt-all", split), _database("gt-centre", split)]
    return split_list_path(folder, split).exists() or _first_folder(folder, names) is not None


def _database(content: str, split: str) -> str:
    return CONTENTS[content].name_template.format(split=split)


def _first_folder(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def open_septuplets_at(
    gt: Path,
    lq: Path | None,
    clip_list: Path | None,
    protocol: Protocol = _CENTRE,
    degradation: str | Degradation | None = None,
    scale: int | None = None,
) -> SequenceSet:
    """Septuplets of any folders or databases; see `vimeo_tools.open_sequences`.

    Raises:
        VimeoToolsError: as `open_sequences`.
    """
    source = open_sequences(
        gt,
        lq,
        clip_list,
        scale=scale,
        degradation=degradation,
        gt_numbers=protocol.septuplets,
    )
    index_of = {key: index for index, key in enumerate(source.keys)}

    def read(key: str) -> Sequence:
        clip = source[index_of[key]]
        measured = tuple(number - 1 for number in source.gt_numbers)
        return Sequence(key, _in_memory(clip.lq), _in_memory(clip.gt), measured, protocol)

    return SequenceSet(source.keys, read, _source(gt, lq, degradation), protocol)


def _in_memory(frames: NDArray[np.uint8]) -> ArraySequence:
    return ArraySequence(np.ascontiguousarray(frames.transpose(0, 2, 3, 1)))


def _source(gt: Path, lq: Path | None, degradation: str | Degradation | None) -> DataSource:
    if lq is None:
        return DataSource(gt.resolve(), None, choose_degradation(degradation or "bicubic"))
    recorded = recorded_degradation(lq)  # vimeo-prep says how it made the frames
    return DataSource(gt.resolve(), lq.resolve(), recorded[0] if recorded else None)


def holds_septuplets(folder: Path) -> bool:
    """Whether a folder is a database, or holds clips as 00001/0001."""
    try:
        return (folder / "data.mdb").exists() or bool(find_keys(folder))
    except SettingsError:
        return False


def open_folders(
    gt: Path,
    lq: Path | None = None,
    degradation: str | Degradation | None = None,
    scale: int | None = None,
    protocol: Protocol | None = None,
) -> SequenceSet:
    """Pictures as FOLDER/sequence/frame.png, or FOLDER/frame.png for a single sequence.

    Args:
        gt: true frames.
        lq: the same sequences with frames of the same names, or with x4 behind them; None to make
            LQ from GT as it is read.
        degradation: of LQ, see `vimeo_tools.DEGRADATIONS`; None for what is recorded beside ``lq``,
            or bicubic where LQ is made.
        scale: how many times smaller LQ is; None for that of the LQ frames that are there.
        protocol: which sequences and frames are measured; None for that of a set whose sequences
            are known by name, such as Vid4, else all.

    Raises:
        EvaluationError: a folder is missing or empty, the sequences of both differ, or one that
            belongs to the protocol is missing.
        SettingsError: ``lq`` was made otherwise than is asked for.
    """
    gt_folders = sequence_folders(gt)
    lq_folders = sequence_folders(lq) if lq else gt_folders
    if len(gt_folders) == len(lq_folders) == 1:  # named as one likes
        lq_folders = dict(zip(gt_folders, lq_folders.values(), strict=True))
    return _open_pairs((gt, gt_folders), (lq, lq_folders), degradation, scale, protocol)


def open_data_set(
    folder: Path,
    split: str,
    degradation: str | Degradation | None = None,
    scale: int | None = None,
    protocol: Protocol | None = None,
) -> SequenceSet:
    """A data set of `vimeo_tools.data.layouts.LAYOUTS` that is no septuplets: REDS, Vid4 and so on.

    Args:
        folder: holds GT by one of the names that the data set has, and maybe LQ.
        split: "test" for the clips that are never trained on, "train" for the others.
        degradation: of LQ; None for bicubic.
        scale: how many times smaller LQ is; None for that of the LQ frames that are there.
        protocol: None for that of the set.

    Raises:
        EvaluationError: it holds septuplets, or as `open_folders`.
        SettingsError: no data set is found, or LQ was made otherwise than is asked for.
    """
    found = find_data_set(folder)
    if found.layout is VIMEO90K:
        named = f", protocol {protocol.name} is of others" if protocol else ""
        raise EvaluationError(f"{folder}: holds septuplets{named}")
    keys = protocol.members if protocol and protocol.members else None
    if keys is None:
        keys = tuple(found.layout.splits_of(found.keys).get(split, found.keys))
    made = choose_degradation(degradation or "bicubic")
    trees = [
        tree
        for tree in found.lq
        if tree.tag in (made.tag, "") and scale in (None, tree.scale)
        if tree.scale > 1 or (protocol is not None and not protocol.enlarges)
    ]
    lq = next((tree.root for tree in trees if tree.scale == _USUAL_SCALE), None)
    lq = lq or (trees[0].root if trees else None)
    if lq is None and degradation is None and protocol is not None and not protocol.enlarges:
        raise EvaluationError(f"{folder}: holds no blurred frames, as large as GT; give --lq")
    gt_folders, lq_folders = (
        {key: clip_folder(root, key) for key in found.keys if key in keys}
        for root in (found.gt, lq or found.gt)
    )
    return _open_pairs((found.gt, gt_folders), (lq, lq_folders), degradation, scale, protocol)


_Folders = dict[str, Path]  # of the sequences, by key


def _open_pairs(
    gt_of: tuple[Path, _Folders],
    lq_of: tuple[Path | None, _Folders],
    degradation: str | Degradation | None,
    scale: int | None,
    protocol: Protocol | None,
) -> SequenceSet:
    """See `open_folders`; a root and the folders of its sequences, of GT and of LQ."""
    (gt, gt_folders), (lq, lq_folders) = gt_of, lq_of
    protocol = protocol or protocol_of(gt_folders)
    keys = protocol.choose(list(gt_folders))
    if lq is not None:
        lq_folders = {key: path for key, path in lq_folders.items() if key in keys}
        gt_folders = {key: gt_folders[key] for key in keys}
    unpaired = sorted(gt_folders.keys() ^ lq_folders.keys())
    if unpaired:
        raise EvaluationError(
            f"sequence {unpaired[0]} is in only one of {gt} and {lq} ({len(unpaired)} such); both "
            "must hold the same sequences"
        )

    made = choose_degradation(degradation or "bicubic")
    if lq is not None:
        check_made_with(lq, scale, None if degradation is None else made)

    def read(key: str) -> Sequence:
        truth = PictureSequence(gt_folders[key])
        if lq is None:
            larger = PictureSequence(gt_folders[key])
            small: FrameSource = ShrunkSequence(larger, key, scale or made.usual_scale, made)
        else:
            small = PictureSequence(lq_folders[key])
        measured = protocol.measured(len(truth.names))
        _check_names(Sequence(key, small, truth, tuple(measured), protocol))
        true = PartOfSequence(truth, measured.start, measured.stop)
        sequence = Sequence(key, small, true, tuple(measured), protocol)
        sequence.check_scale(scale)
        return sequence

    return SequenceSet(keys, read, _source(gt, lq, degradation), protocol)


def sequence_folders(folder: Path) -> dict[str, Path]:
    """Key and folder of the sequences in a folder; itself, where it holds pictures alone.

    Raises:
        EvaluationError: there is no such folder.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: there is no such folder")
    children = (path for path in folder.iterdir() if not path.name.startswith("."))
    folders = {path.name: path for path in sorted(children) if path.is_dir()}
    return folders or {folder.resolve().name: folder}


def _check_names(sequence: Sequence) -> None:
    lq, gt = sequence.lq.names, sequence.gt.names
    end = f"x{sequence.scale}"
    if lq != gt and [name.removesuffix(end) for name in lq] != gt:
        raise EvaluationError(
            f"{sequence.key}: {len(lq)} LQ frames from {lq[0]} to {lq[-1]}, {len(gt)} GT frames "
            f"from {gt[0]} to {gt[-1]}: need a GT frame for each LQ frame, of the same name"
        )
