"""The sequences that are measured: septuplets of Vimeo90K, or folders of frames of any length.

    open_vimeo | open_septuplets_at | open_folders -> SequenceSet -> Sequence

No MindSpore: the data and the metrics can be checked without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import EvaluationError
from rvrt.evaluation.protocol import PUBLISHED_VIMEO, published_for
from vimeo_tools import downscale
from vimeo_tools.data.pictures import ArraySequence, Frame, FrameSource, PictureSequence
from vimeo_tools.data.septuplets import (
    CENTRE_FRAME,
    FRAME_NUMBERS,
    GT_FOLDER,
    find_keys,
    split_list_path,
)
from vimeo_tools.errors import SettingsError
from vimeo_tools.feed.samples import open_septuplets
from vimeo_tools.preparation.pack import CONTENTS
from vimeo_tools.resize.matlab import Convention
from vimeo_tools.running.records import read_record

SCALE = 4
_MADE = "made from GT"
_PROTOCOL_FRAMES = {"centre": (CENTRE_FRAME,), "all": FRAME_NUMBERS}


@dataclass(frozen=True)
class Sequence:
    """One sequence, read when asked for.

    Attributes:
        key: its name in results.
        lq: all LQ frames.
        gt: the true frames that are measured against, one for each of `measured`.
        measured: indices of LQ frames.
        mirrored: measured by the protocol of Vimeo90K, mirrored in time.
    """

    key: str
    lq: FrameSource
    gt: FrameSource
    measured: tuple[int, ...]
    mirrored: bool

    @property
    def scale(self) -> int:
        """How many times larger GT is.

        Raises:
            EvaluationError: not a whole number from 2 on, the same on both sides.
        """
        scale = self.gt.height // self.lq.height
        if scale < 2 or (self.gt.height, self.gt.width) != (
            scale * self.lq.height,
            scale * self.lq.width,
        ):
            raise EvaluationError(
                f"{self.key}: GT frames of {self.gt.width}x{self.gt.height} with LQ frames of "
                f"{self.lq.width}x{self.lq.height}: need a whole multiple, the same on both sides"
            )
        return scale


@dataclass(frozen=True)
class SequenceSet:
    """All sequences of an evaluation, and what results must say of them.

    Attributes:
        keys: in order.
        read: a sequence by its key.
        source: JSON-like; where the frames come from.
        protocol: "centre" or "all".
        published: figures of others on this set, see `rvrt.evaluation.protocol`.
    """

    keys: list[str]
    read: Callable[[str], Sequence]
    source: dict[str, Any]
    protocol: str
    published: list[dict[str, Any]] = field(default_factory=list)

    @property
    def lq_is_made(self) -> bool:
        """Whether LQ frames are made from GT as it is read."""
        return str(self.source["lq"]).startswith(_MADE)

    @property
    def folders(self) -> list[Path]:
        """What the frames are read from."""
        names = ["gt"] if self.lq_is_made else ["gt", "lq"]
        return [Path(self.source[name]) for name in names]


class ShrunkReader:
    """LQ frames made from GT as they are read. See FrameSource."""

    def __init__(self, gt: FrameSource, convention: Convention):
        if gt.height % SCALE or gt.width % SCALE:
            raise EvaluationError(
                f"GT frames of {gt.width}x{gt.height}: no multiple of {SCALE}; crop them, or give "
                "the LQ frames with --lq"
            )
        self._gt = gt
        self._convention = convention
        self.names = gt.names
        self.height, self.width = gt.height // SCALE, gt.width // SCALE
        self.identity = [*gt.identity, convention]

    def read(self, start: int, stop: int) -> Frame:
        """See FrameSource."""
        return np.stack([downscale(f, SCALE, self._convention) for f in self._gt.read(start, stop)])


def open_vimeo(
    folder: Path, split: str, protocol: str = "centre", convention: Convention = "double"
) -> SequenceSet:
    """A split of an unpacked `vimeo_septuplet`, or of one packed by `vimeo-prep pack-lmdb`.

    Args:
        folder: holds the split's list, `sequences` or a GT database, and maybe `BIx4` or an LQ
            database; without these LQ is made from GT as it is read.
        split: "train" or "test".
        protocol: "centre" or "all", the frames that are measured.
        convention: of LQ made here, see `vimeo_tools.downscale`.

    Raises:
        EvaluationError: the folder is missing or holds no GT.
        VimeoToolsError: as `open_septuplets_at`.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: there is no such folder")
    gt_names, lq_names = [GT_FOLDER, _database("gt-all", split)], ["BIx4", _database("lq", split)]
    gt = _first_folder(folder, gt_names)
    lq = _first_folder(folder, lq_names)
    if gt is None and protocol == "centre" and lq is not None:
        gt = _first_folder(folder, [_database("gt-centre", split)])
    if gt is None:
        raise EvaluationError(
            f"{folder}: holds neither {' nor '.join(gt_names)}; give an unpacked vimeo_septuplet, "
            "or other folders and databases with --gt and --lq"
        )
    return open_septuplets_at(gt, lq, split_list_path(folder, split), protocol, convention)


def _database(content: str, split: str) -> str:
    return CONTENTS[content].name_template.format(split=split)


def _first_folder(folder: Path, names: Iterable[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def open_septuplets_at(
    gt: Path,
    lq: Path | None,
    clip_list: Path | None,
    protocol: str = "centre",
    convention: Convention = "double",
) -> SequenceSet:
    """Septuplets of any folders or databases; see `vimeo_tools.feed.samples.open_septuplets`.

    Raises:
        VimeoToolsError: as `open_septuplets`.
    """
    numbers = _PROTOCOL_FRAMES[protocol]
    made = {"scale": SCALE, "convention": convention} if lq is None else {}
    source = open_septuplets(gt, lq, clip_list, gt_numbers=numbers, **made)
    index_of = {key: index for index, key in enumerate(source.keys)}

    def read(key: str) -> Sequence:
        clip = source[index_of[key]]
        measured = tuple(number - 1 for number in source.gt_numbers)
        return Sequence(key, _reader(clip.lq), _reader(clip.gt), measured, mirrored=True)

    return SequenceSet(source.keys, read, _source(gt, lq, convention), protocol, PUBLISHED_VIMEO)


def _reader(frames: NDArray[np.uint8]) -> ArraySequence:
    return ArraySequence(np.ascontiguousarray(frames.transpose(0, 2, 3, 1)))


def _source(gt: Path, lq: Path | None, convention: Convention) -> dict[str, Any]:
    if lq is None:
        return {"gt": str(gt.resolve()), "lq": f"{_MADE}, convention {convention}"}
    recorded = (read_record(lq) or {}).get("convention")  # vimeo-prep says how it made the frames
    return {"gt": str(gt.resolve()), "lq": str(lq.resolve()), "lq_convention": recorded}


def holds_septuplets(folder: Path) -> bool:
    """Whether a folder is a database, or holds clips as 00001/0001."""
    try:
        return (folder / "data.mdb").exists() or bool(find_keys(folder))
    except SettingsError:
        return False


def open_folders(
    gt: Path, lq: Path | None = None, convention: Convention = "double"
) -> SequenceSet:
    """Pictures as FOLDER/sequence/frame.png, or FOLDER/frame.png for a single sequence.

    All frames are measured.

    Args:
        gt: true frames.
        lq: the same sequences with frames of the same names, or with x4 behind them; None to make
            LQ from GT as it is read.
        convention: of LQ made here, see `vimeo_tools.downscale`.

    Raises:
        EvaluationError: a folder is missing or empty, or the sequences of both differ.
    """
    gt_folders = _sequence_folders(gt)
    lq_folders = _sequence_folders(lq) if lq else gt_folders
    if len(gt_folders) == len(lq_folders) == 1:  # named as one likes
        lq_folders = dict(zip(gt_folders, lq_folders.values(), strict=True))
    unpaired = sorted(gt_folders.keys() ^ lq_folders.keys())
    if unpaired:
        raise EvaluationError(
            f"sequence {unpaired[0]} is in only one of {gt} and {lq} ({len(unpaired)} such); both "
            "must hold the same sequences"
        )

    def read(key: str) -> Sequence:
        truth = PictureSequence(gt_folders[key])
        if lq is None:
            small: FrameSource = ShrunkReader(PictureSequence(gt_folders[key]), convention)
        else:
            small = PictureSequence(lq_folders[key])
        _check_names(key, small.names, truth.names)
        return Sequence(key, small, truth, tuple(range(len(truth.names))), mirrored=False)

    source = _source(gt, lq, convention)
    return SequenceSet(list(gt_folders), read, source, "all", published_for(gt_folders))


def _sequence_folders(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: there is no such folder")
    children = (path for path in folder.iterdir() if not path.name.startswith("."))
    folders = {path.name: path for path in sorted(children) if path.is_dir()}
    return folders or {folder.resolve().name: folder}


def _check_names(key: str, lq: list[str], gt: list[str]) -> None:
    same = [name.removesuffix(f"x{SCALE}") for name in lq] == gt or lq == gt
    if not same:
        raise EvaluationError(
            f"{key}: {len(lq)} LQ frames from {lq[0]} to {lq[-1]}, {len(gt)} GT frames from "
            f"{gt[0]} to {gt[-1]}: need a GT frame for each LQ frame, of the same name"
        )
