"""Septuplets by index: LQ and GT of one clip as arrays, cropped and turned as they are decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.data.codecs import Decoder
from vimeo_tools.data.frames import (
    ClipFrames,
    LmdbFrames,
    LqFromGt,
    SeptupletFolder,
    clip_names,
    open_source,
    recorded_degradation,
)
from vimeo_tools.data.lists import read_list
from vimeo_tools.data.pictures import Frame
from vimeo_tools.data.png import Box, FrameSize, decode_png
from vimeo_tools.data.septuplets import FRAME_NUMBERS, FRAMES_PER_CLIP, merge_keys
from vimeo_tools.degradations import Degradation, choose_degradation
from vimeo_tools.errors import AnnotationError, FrameError, SettingsError
from vimeo_tools.feed.augment import Augmentation, crop_box, turn, turned_size
from vimeo_tools.resize.matlab import Convention

_AS_THEY_ARE = Augmentation()


class Clip(NamedTuple):
    """The frames of one clip: uint8, (T, 3, h, w) and (T, 3, scale * h, scale * w)."""

    lq: npt.NDArray[np.uint8]
    gt: npt.NDArray[np.uint8]


class SeptupletSource:
    """Random access to septuplets: index -> `Clip`.

    May be pickled and used in several processes. All frames must be of the size of the first; how
    many times larger GT is (``scale``) is read off the first.

    Args:
        keys: the clips, in the order of their indices.
        gt: where GT frames come from.
        lq: where LQ frames come from; an `LqFromGt` makes them from the GT frame just decoded.
        gt_numbers: the GT frames wanted, 1 to 7; (4,) for the centre frame alone, so that the
            others are neither needed nor decoded.

    Raises:
        SettingsError: no clip, unknown frame numbers, or GT is no whole multiple of LQ.
        FrameError: the first frame cannot be read.
    """

    def __init__(
        self,
        keys: Sequence[str],
        gt: ClipFrames,
        lq: ClipFrames | LqFromGt,
        gt_numbers: Sequence[int] = FRAME_NUMBERS,
    ) -> None:
        if not keys:
            raise SettingsError("no clip: the list is empty")
        if not gt_numbers or not set(gt_numbers) <= set(FRAME_NUMBERS):
            raise SettingsError(f"GT frames {list(gt_numbers)}: frames are numbered 1 to 7")
        self.keys = list(keys)
        self.gt_numbers = tuple(sorted(set(gt_numbers)))
        self._gt = gt
        self._lq = lq
        (first,) = clip_names(self.keys[0], self.gt_numbers[:1])
        self.gt_size, self.lq_size = (_size(source, first) for source in (gt, lq))
        self.scale = _scale(self.gt_size, self.lq_size)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Clip:
        return self.read(index)

    def read(
        self,
        index: int,
        augmentation: Augmentation = _AS_THEY_ARE,
        decode: Decoder | None = None,
    ) -> Clip:
        """The clip at ``index``, cropped, turned and reversed as drawn; not mirrored.

        Args:
            index: from 0.
            augmentation: what was drawn.
            decode: what decompresses the PNGs; None for that of `choose_codec`.

        Raises:
            IndexError: there is no such clip.
            FrameError: names the frame that is missing, damaged or of another size.
            LmdbError: a database cannot be opened.
        """
        order = FRAME_NUMBERS[::-1] if augmentation.reverse else FRAME_NUMBERS
        gt_order = [number for number in order if number in self.gt_numbers]
        key = self.keys[index]
        margin = self._lq.margin if isinstance(self._lq, LqFromGt) else 0
        box, inside = crop_box(augmentation, self.lq_size, margin)
        gt_part = _Part(self.gt_size, box.times(self.scale), decode)
        if isinstance(self._lq, LqFromGt):
            gt = dict(zip(order, gt_part.read(self._gt, key, order), strict=True))
            gt_frames = [gt[number] for number in gt_order]
            # After the last decode: in turns, both kinds of work are slower.
            names = clip_names(key, order)
            lq_frames = [self._lq.shrink(f, n) for f, n in zip(gt.values(), names, strict=True)]
        else:
            gt_frames = gt_part.read(self._gt, key, gt_order)
            lq_frames = _Part(self.lq_size, box, decode).read(self._lq, key, order)
        clip = self.blank(augmentation)
        _fill(clip.lq, [turn(frame, inside) for frame in lq_frames])
        _fill(clip.gt, [turn(frame, inside, self.scale) for frame in gt_frames])
        return clip

    def blank(self, augmentation: Augmentation = _AS_THEY_ARE) -> Clip:
        """Arrays of the shapes that `read` returns, not filled."""
        lq = turned_size(self.lq_size, augmentation)
        gt = turned_size(self.gt_size, augmentation, self.scale)
        return Clip(
            np.empty((FRAMES_PER_CLIP, 3, lq.height, lq.width), np.uint8),
            np.empty((len(self.gt_numbers), 3, gt.height, gt.width), np.uint8),
        )


def open_sequences(
    gt: str | Path,
    lq: str | Path | None = None,
    clip_list: str | Path | None = None,
    *,
    scale: int | None = None,
    degradation: str | Degradation | None = None,
    convention: Convention | None = None,
    gt_numbers: Sequence[int] = FRAME_NUMBERS,
) -> SeptupletSource:
    """The septuplets of a folder or a database.

    Args:
        gt: ``sequences`` or ``NAME.lmdb``.
        lq: ``BIx4`` or ``NAME.lmdb``; None to make LQ from GT as it is read.
        clip_list: a list in any of the forms of `vimeo_tools.data.lists`; None for all clips of
            ``gt``.
        scale: how many times smaller LQ is; None for what ``lq`` has, or where it is made 4 (1 of
            what keeps the size).
        degradation: a key of `vimeo_tools.DEGRADATIONS`, or what it stands for; None for what
            ``lq`` was made with, or bicubic where it is made.
        convention: of bicubic, see `vimeo_tools.downscale`.
        gt_numbers: see `SeptupletSource`.

    Raises:
        AnnotationError: the list is missing, or one of its lines is wrong.
        SettingsError: a path holds no septuplets, the arguments do not fit them, or ``lq`` was made
            otherwise than is asked for.
        OutputError: the record beside ``lq`` cannot be read.
        LmdbError: a database is not whole.
        FrameError: the first frame cannot be read.
    """
    wanted = None
    if degradation is not None or convention is not None:
        parameters = {} if convention is None else {"convention": convention}
        wanted = choose_degradation(degradation or "bicubic", **parameters)
    gt_source = _open(Path(gt))
    lq_source: ClipFrames | LqFromGt
    if lq is None:
        lq_source = LqFromGt(gt_source, scale, wanted or "bicubic")
    else:
        lq_source = _open(Path(lq))
        _check_made_with(Path(lq), scale, wanted)
    if clip_list is None:
        keys = merge_keys([name.rpartition("/")[0] for name in g] for g in gt_source.groups())
    else:
        keys, failures = read_list(Path(clip_list))
        if failures:
            more = f" (and {len(failures) - 1} more such lines)" if len(failures) > 1 else ""
            raise AnnotationError(f"{failures[0]}{more}; nothing is skipped: mend the list")
    source = SeptupletSource(keys, gt_source, lq_source, gt_numbers)
    if scale not in (None, source.scale):
        raise SettingsError(
            f"{lq}: its frames are 1/{source.scale} of {gt}, asked for is scale {scale}"
        )
    return source


open_septuplets = open_sequences


def _check_made_with(lq: Path, scale: int | None, wanted: Degradation | None) -> None:
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


def _open(path: Path) -> ClipFrames:
    source = open_source(path)
    if not isinstance(source, (SeptupletFolder, LmdbFrames)):
        raise SettingsError(
            f"{path}: holds single pictures; give a folder of 00001/0001/im1.png, or a database"
        )
    return source


def _size(source: ClipFrames | LqFromGt, name: str) -> FrameSize:
    with _naming(source, name):
        return FrameSize(*source.frame(name).shape[:2])


class _Part(NamedTuple):
    """What is wanted of each frame, which must be of ``size``."""

    size: FrameSize
    box: Box
    decode: Decoder | None

    def read(self, source: ClipFrames, key: str, numbers: Sequence[int]) -> list[Frame]:
        """The part, (h, w, 3) uint8, of those frames of a clip."""
        frames = []
        for name in clip_names(key, numbers):
            with _naming(source, name):
                frame = decode_png(source.read_data(name), self.size, self.decode)
                frames.append(self.box.of(frame))
        return frames


@contextlib.contextmanager
def _naming(source: ClipFrames | LqFromGt, name: str) -> Iterator[None]:
    """A FrameError within names the frame's file."""
    try:
        yield
    except FrameError as error:
        raise FrameError(f"{source.where(name)}: {error}") from None


def _fill(places: npt.NDArray[np.uint8], frames: Sequence[Frame]) -> None:
    """Copy (H, W, C) frames into (T, C, H, W)."""
    for place, frame in zip(places, frames, strict=True):
        place[:] = frame.transpose(2, 0, 1)


def _scale(gt: FrameSize, lq: FrameSize) -> int:
    scale = gt.height // lq.height
    if scale < 1 or gt != FrameSize(scale * lq.height, scale * lq.width):
        raise SettingsError(
            f"GT frames of {gt} with LQ frames of {lq}: need a whole multiple, the same on both "
            "sides, as 448x256 with 112x64"
        )
    return scale
