"""Sequences by index: LQ and GT of a clip as arrays, cropped and turned as they are decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.data.codecs import Decoder
from vimeo_tools.data.frame_files import decode_frame
from vimeo_tools.data.frames import ClipFrames, LqFromGt, clip_names
from vimeo_tools.data.pictures import Frame
from vimeo_tools.data.png import Box, FrameSize
from vimeo_tools.data.septuplets import FRAME_NUMBERS, FRAMES_PER_CLIP, is_septuplet_frame
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.feed.augment import Augmentation, crop_box, turn, turned_size
from vimeo_tools.feed.windows import Window

_AS_THEY_ARE, _WHOLE = Augmentation(), Window()


class Clip(NamedTuple):
    """The frames of one clip: uint8, (T, 3, h, w) and (T, 3, scale * h, scale * w)."""

    lq: npt.NDArray[np.uint8]
    gt: npt.NDArray[np.uint8]


class SequenceSource:
    """Random access to sequences: index -> `Clip`.

    May be pickled and used in several processes. All frames of a clip must be of one size, and of
    all clips where the data set says so, as Vimeo90K; how many times larger GT is (``scale``) is
    read off the first.

    Args:
        keys: the clips, in the order of their indices.
        gt: where GT frames come from.
        lq: where LQ frames come from, of the same names; an `LqFromGt` makes them from the GT frame
            just decoded.
        gt_numbers: of septuplets, the GT frames wanted, 1 to 7; (4,) for the centre frame alone, so
            that the others are neither needed nor decoded. None for all.

    Attributes:
        lengths: frames of each clip.
        same_size: all frames of all clips have one size.

    Raises:
        SettingsError: no clip, unknown frame numbers, or GT is no whole multiple of LQ.
        FrameError: a clip has no frame, or the first frame cannot be read.
    """

    def __init__(
        self,
        keys: Sequence[str],
        gt: ClipFrames,
        lq: ClipFrames | LqFromGt,
        gt_numbers: Sequence[int] | None = None,
    ) -> None:
        if not keys:
            raise SettingsError("no clip: the list is empty")
        self.keys = list(keys)
        self.gt_numbers = _checked(gt_numbers, gt.same_size)
        self._gt, self._lq = gt, lq
        self.same_size = gt.same_size
        self._septuplets = gt.same_size and is_septuplet_frame(f"{self.keys[0]}/im1")
        self.lengths = (
            [FRAMES_PER_CLIP] * len(keys)
            if self._septuplets
            else [len(self._names(index)) for index in range(len(keys))]
        )
        self._sizes: dict[int, tuple[FrameSize, FrameSize]] = {}
        first = self._first_frame(0)
        self.gt_size, self.lq_size = (_size(source, first) for source in (gt, lq))
        self.scale = _scale(self.gt_size, self.lq_size)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Clip:
        return self.read(index)

    def sizes(self, index: int) -> tuple[FrameSize, FrameSize]:
        """(GT, LQ): of the frames of a clip.

        Raises:
            FrameError: its first frame cannot be read, or GT is not ``scale`` times as large.
        """
        if self.same_size:
            return self.gt_size, self.lq_size
        if index not in self._sizes:
            name = self._first_frame(index)
            gt, lq = (_size(source, name) for source in (self._gt, self._lq))
            if gt != FrameSize(self.scale * lq.height, self.scale * lq.width):
                raise FrameError(
                    f"{self._gt.where(name)}: is {gt}, its LQ frame is {lq}; GT of the first clip "
                    f"is {self.scale} times as large"
                )
            self._sizes[index] = gt, lq
        return self._sizes[index]

    def read(
        self,
        index: int,
        augmentation: Augmentation = _AS_THEY_ARE,
        decode: Decoder | None = None,
        window: Window = _WHOLE,
    ) -> Clip:
        """The clip at ``index``, cropped, turned and reversed as drawn; not mirrored.

        Args:
            index: from 0.
            augmentation: what was drawn.
            decode: what decompresses the PNGs; None for that of `choose_codec`.
            window: which of its frames.

        Raises:
            IndexError: there is no such clip.
            FrameError: names the frame that is missing, damaged or of another size.
            LmdbError: a database cannot be opened.
        """
        names = window.of(self._names(index))
        if augmentation.reverse:
            names = names[::-1]
        gt_names = [name for name in names if self._is_wanted(name)]
        gt_size, lq_size = self.sizes(index)
        margin = self._lq.margin if isinstance(self._lq, LqFromGt) else 0
        box, inside = crop_box(augmentation, lq_size, margin)
        gt_part = _Part(gt_size, box.times(self.scale), decode)
        if isinstance(self._lq, LqFromGt):
            gt = dict(zip(names, gt_part.read(self._gt, names), strict=True))
            gt_frames = [gt[name] for name in gt_names]
            # After the last decode: in turns, both kinds of work are slower.
            lq_frames = [self._lq.shrink(frame, name) for name, frame in gt.items()]
        else:
            gt_frames = gt_part.read(self._gt, gt_names)
            lq_frames = _Part(lq_size, box, decode).read(self._lq, names)
        clip = self._blank(augmentation, (gt_size, lq_size), (len(gt_names), len(names)))
        _fill(clip.lq, [turn(frame, inside) for frame in lq_frames])
        _fill(clip.gt, [turn(frame, inside, self.scale) for frame in gt_frames])
        return clip

    def blank(self, augmentation: Augmentation = _AS_THEY_ARE, window: Window = _WHOLE) -> Clip:
        """Arrays of the shapes that `read` returns of the first clip, not filled."""
        names = window.of(self._names(0))
        counts = sum(map(self._is_wanted, names)), len(names)
        return self._blank(augmentation, (self.gt_size, self.lq_size), counts)

    def frame_bytes(self, index: int, frame: int) -> bytes:
        """A GT frame of a clip as it is stored, by its place, also from the end.

        Raises:
            FrameError: names the frame that cannot be read.
        """
        name = self._names(index)[frame]
        with _naming(self._gt, name):
            return self._gt.read_data(name)

    def frame_length(self, index: int, frame: int) -> int:
        """How many bytes that are; -1 where there is no such file or record."""
        return self._gt.length(self._names(index)[frame])

    def _blank(
        self,
        augmentation: Augmentation,
        sizes: tuple[FrameSize, FrameSize],
        counts: tuple[int, int],
    ) -> Clip:
        lq = turned_size(sizes[1], augmentation)
        gt = turned_size(sizes[0], augmentation, self.scale)
        return Clip(
            np.empty((counts[1], 3, lq.height, lq.width), np.uint8),
            np.empty((counts[0], 3, gt.height, gt.width), np.uint8),
        )

    def _names(self, index: int) -> list[str]:
        key = self.keys[index]
        names = clip_names(key) if self._septuplets else self._gt.names(key)
        if not names:
            raise FrameError(f"{self._gt.root}: clip {key} has no frame there")
        return names

    def _first_frame(self, index: int) -> str:
        return next(filter(self._is_wanted, self._names(index)))

    def _is_wanted(self, name: str) -> bool:
        """Whether the GT frame of that name is."""
        return not self._septuplets or int(name[-1]) in self.gt_numbers


def _checked(gt_numbers: Sequence[int] | None, of_septuplets: bool) -> tuple[int, ...]:
    wanted = FRAME_NUMBERS if gt_numbers is None else gt_numbers
    if not wanted or not set(wanted) <= set(FRAME_NUMBERS):
        raise SettingsError(f"GT frames {list(wanted)}: frames are numbered 1 to 7")
    if gt_numbers is not None and set(wanted) != set(FRAME_NUMBERS) and not of_septuplets:
        raise SettingsError(f"GT frames {list(wanted)}: single ones are read of septuplets alone")
    return tuple(sorted(set(wanted)))


def _size(source: ClipFrames | LqFromGt, name: str) -> FrameSize:
    with _naming(source, name):
        return FrameSize(*source.frame(name).shape[:2])


class _Part(NamedTuple):
    """What is wanted of each frame, which must be of ``size``."""

    size: FrameSize
    box: Box
    decode: Decoder | None

    def read(self, source: ClipFrames, names: Sequence[str]) -> list[Frame]:
        """The part, (h, w, 3) uint8, of those frames."""
        frames = []
        for name in names:
            with _naming(source, name):
                frame = decode_frame(source.read_data(name), self.size, self.decode)
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
