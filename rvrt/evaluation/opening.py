"""Where sequences come from: Vimeo90K as it is unpacked or packed, or any folders.

    open_vimeo | open_septuplets_at | open_folders -> SequenceSet -> Sequence

No MindSpore: the data and the metrics can be checked without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from vimeo_tools.data.frames import recorded_degradation
from vimeo_tools.data.pictures import ArraySequence, Frame, FrameSource, PictureSequence
from vimeo_tools.data.septuplets import GT_FOLDER, find_keys, split_list_path
from vimeo_tools.degradations import Degradation, choose_degradation
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.feed.samples import check_made_with, open_sequences
from vimeo_tools.preparation.pack import CONTENTS

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
    gt_folders = _sequence_folders(gt)
    lq_folders = _sequence_folders(lq) if lq else gt_folders
    if len(gt_folders) == len(lq_folders) == 1:  # named as one likes
        lq_folders = dict(zip(gt_folders, lq_folders.values(), strict=True))
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


def _sequence_folders(folder: Path) -> dict[str, Path]:
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


def open_truth(gt: Path, protocol: Protocol) -> Callable[[str, str], Frame]:
    """The true frames alone: a function of a sequence's key and a frame's name, as in results.

    Raises:
        EvaluationError: the folder is missing.
        VimeoToolsError: as `open_sequences`; a frame is missing or cannot be read.
    """
    if protocol.septuplets:
        source = open_sequences(gt, None, None, gt_numbers=protocol.septuplets)
        places = {f"im{number}": place for place, number in enumerate(source.gt_numbers)}
        index_of = {key: index for index, key in enumerate(source.keys)}

        def of_septuplet(key: str, frame: str) -> Frame:
            place = places[frame]
            frames: Frame = _in_memory(source[index_of[key]].gt).read(place, place + 1)
            truth: Frame = frames[0]
            return truth

        return of_septuplet
    folders = _sequence_folders(gt)

    def read(key: str, frame: str) -> Frame:
        if key not in folders:
            raise FrameError(f"{gt}: holds no sequence {key}")
        sequence = PictureSequence(folders[key])
        if frame not in sequence.names:
            raise FrameError(f"{folders[key]}: holds no frame {frame}")
        place = sequence.names.index(frame)
        frames: Frame = sequence.read(place, place + 1)
        truth: Frame = frames[0]
        return truth

    return read
