"""Where frames come from: a septuplet folder, an LMDB, a plain folder of pictures; same pixels.

LQ frames may also be made from GT frames as these are read. A frame is named ``00001/0001/im1``;
in a plain folder, by its file name without the suffix.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from vimeo_tools.data.layouts import VIMEO90K, Layout
from vimeo_tools.data.lists import read_list
from vimeo_tools.data.lmdb_store import LmdbReader
from vimeo_tools.data.pictures import Frame, decode_picture, find_pictures
from vimeo_tools.data.png import decode_png, read_file
from vimeo_tools.data.septuplets import (
    FRAME_NUMBERS,
    KEY_PROFILES,
    merge_keys,
)
from vimeo_tools.degradations import Degradation, choose_degradation, from_record
from vimeo_tools.errors import FrameError, OutputError, SettingsError
from vimeo_tools.running.records import read_record

MADE_OF = "made_of"  # in the record of a database: how its frames were made
ENCODERS = "encoders"  # in the record of an LQ tree: what encoded its frames, in order of arrival
_NAMES = KEY_PROFILES["basicsr"]


class FrameStore(Protocol):
    """Frames by name; may be pickled and used in several processes."""

    def groups(self) -> list[list[str]]:
        """The names of all frames that should be there, clip by clip."""
        ...

    def frame(self, name: str) -> Frame:
        """(H, W, 3) uint8, or (H, W) from a plain folder; a FrameError if it is not to be had."""
        ...

    def where(self, name: str) -> str:
        """The file or record that holds it, for messages."""
        ...


def clip_names(key: str, numbers: Iterable[int] = FRAME_NUMBERS) -> list[str]:
    """The names of a clip's frames."""
    return [_NAMES.key(key, number) for number in numbers]


class SeptupletFolder:
    """``root/00001/0001/im1.png`` and so on.

    The clips are those of the official lists beside ``root``, or all below it where there are none.
    """

    def __init__(self, root: Path, layout: Layout = VIMEO90K) -> None:
        self.root = root
        self._layout = layout

    def groups(self) -> list[list[str]]:
        """As `FrameStore.groups`."""
        layout = self._layout
        lists = [layout.list_path(self.root.parent, split) for split in layout.lists]
        keys = merge_keys(read_list(path, layout).keys for path in lists if path.is_file())
        return [self.names(key) for key in keys or layout.find_keys(self.root)]

    def names(self, key: str) -> list[str]:
        """The names of a clip's frames."""
        return [self._layout.frame_name(key, number) for number in self._layout.numbers]

    def frame(self, name: str) -> Frame:
        """As `FrameStore.frame`."""
        return decode_png(self.read_data(name))

    def read_data(self, name: str) -> bytes:
        """The PNG of a frame, as it is stored."""
        return read_file(self._path(name))

    def where(self, name: str) -> str:
        """As `FrameStore.where`."""
        return str(self._path(name))

    def _path(self, name: str) -> Path:
        return self.root / f"{name}.png"


class LmdbFrames:
    """A database of either key profile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader = LmdbReader(folder)

    def groups(self) -> list[list[str]]:
        """As `FrameStore.groups`: the frames that meta_info.txt names."""
        clips: dict[str, list[int]] = {}
        for key, number in self._reader.frames():
            clips.setdefault(key, []).append(number)
        return [clip_names(key, numbers) for key, numbers in clips.items()]

    def frame(self, name: str) -> Frame:
        """As `FrameStore.frame`."""
        return decode_png(self.read_data(name))

    def read_data(self, name: str) -> bytes:
        """As `SeptupletFolder.read_data`."""
        return self._reader.read(*_NAMES.parse(name))

    def where(self, name: str) -> str:
        """As `FrameStore.where`."""
        return f"{self._folder}, record {self._reader.profile.key(*_NAMES.parse(name))!r}"


ClipFrames = SeptupletFolder | LmdbFrames


class LqFromGt:
    """LQ frames that exist nowhere: made of GT frames as they are read.

    Args:
        gt: where the GT frames come from.
        scale: how many times smaller than GT; None for 4, or 1 of what keeps the size.
        degradation: a key of `vimeo_tools.DEGRADATIONS`, or what it stands for.

    Attributes:
        margin: LQ pixels around a part of a frame within which the part is made of the same
            samples, to the last bit, as in the whole frame.

    Raises:
        SettingsError: an unknown degradation, or a scale that it does not make.
    """

    def __init__(
        self, gt: FrameStore, scale: int | None = None, degradation: str | Degradation = "bicubic"
    ) -> None:
        self._degradation = choose_degradation(degradation)
        scale = self._degradation.usual_scale if scale is None else scale
        self._degradation.check_scale(scale)
        self._gt = gt
        self._scale = scale
        self.margin = self._degradation.margin(scale)

    def groups(self) -> list[list[str]]:
        """As `FrameStore.groups`: those of GT."""
        return self._gt.groups()

    def frame(self, name: str) -> Frame:
        """As `FrameStore.frame`."""
        return self.shrink(self._gt.frame(name), name)

    def shrink(self, gt_frame: Frame, name: str) -> Frame:
        """What `frame` returns, for a caller that has the GT frame of that name already."""
        return self._degradation.of_frame(name).apply(gt_frame, self._scale)

    def where(self, name: str) -> str:
        """As `FrameStore.where`: the GT frame."""
        return self._gt.where(name)


class PictureFolder:
    """8-bit RGB or grey pictures of any size in one folder.

    Args:
        root: the folder.
        name_end: left out of names when all files have it, as the ``x4`` of ``baboonx4.png``.
    """

    def __init__(self, root: Path, name_end: str = "") -> None:
        paths = find_pictures(root)
        cut = name_end if all(path.stem.endswith(name_end) for path in paths) else ""
        self._paths = {path.stem.removesuffix(cut): path for path in paths}

    def groups(self) -> list[list[str]]:
        """As `FrameStore.groups`: each picture by itself."""
        return [[name] for name in self._paths]

    def frame(self, name: str) -> Frame:
        """As `FrameStore.frame`."""
        if name not in self._paths:
            raise FrameError("there is no picture of that name")
        return decode_picture(self._paths[name])

    def where(self, name: str) -> str:
        """As `FrameStore.where`."""
        return str(self._paths.get(name, name))


def recorded_degradation(lq: Path) -> tuple[Degradation, int] | None:
    """How an LQ tree was made, and its scale; None where no record says so.

    Raises:
        OutputError: the record cannot be understood.
    """
    record = read_record(lq) or {}
    try:
        record = dict(record.get(MADE_OF, record))
        if "scale" not in record:
            return None
        scale = record.pop("scale")
        others = ("gt_size", "replacing", ENCODERS)
        made = {name: record[name] for name in record if name not in others}
        degradation = from_record(made)
        degradation.check_scale(scale)
        return degradation, int(scale)
    except (SettingsError, TypeError, ValueError) as error:
        raise OutputError(f"{lq}: its record cannot be understood: {error}") from None


def open_source(path: Path, name_end: str = "", layout: Layout = VIMEO90K) -> FrameStore:
    """The source that lies at ``path``, of whichever kind it is.

    Raises:
        SettingsError: it holds no frames of a known layout.
        LmdbError: it is a database that is not whole.
    """
    if not path.is_dir():
        raise SettingsError(f"{path}: there is no such folder")
    if (path / "data.mdb").exists():
        return LmdbFrames(path)
    pictures = PictureFolder(path, name_end)
    if pictures.groups():
        return pictures
    try:
        layout.find_keys(path)
    except SettingsError:
        raise SettingsError(
            f"{path}: holds neither clips ({layout.key_words}), nor data.mdb, nor pictures"
        ) from None
    return SeptupletFolder(path, layout)
