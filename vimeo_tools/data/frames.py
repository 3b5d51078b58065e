"""Where frames come from: folders of a layout, an LMDB, a plain folder of pictures; same pixels.

LQ frames may also be made from GT frames as these are read. A frame is named ``00001/0001/im1``;
in a plain folder, by its file name without the suffix.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from vimeo_tools.data.frame_files import decode_frame
from vimeo_tools.data.layouts import FOLDERS, VIMEO90K, Layout, file_of, is_root, split_root
from vimeo_tools.data.lists import ClipList, read_list
from vimeo_tools.data.lmdb_store import LmdbReader
from vimeo_tools.data.mindrecord_store import INDEX_NAME, MindRecordReader
from vimeo_tools.data.pictures import Frame, decode_picture, find_pictures
from vimeo_tools.data.png import read_file
from vimeo_tools.data.septuplets import FRAME_NUMBERS, merge_keys
from vimeo_tools.degradations import Degradation, choose_degradation, from_record
from vimeo_tools.errors import FrameError, OutputError, SettingsError
from vimeo_tools.running.records import read_record

MADE_OF = "made_of"  # in the record of a database: how its frames were made
ENCODERS = "encoders"  # in the record of an LQ tree: what encoded its frames, in order of arrival
_CLIPS_REMEMBERED = 256  # of which the files were listed


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
    """The names of a septuplet's frames."""
    return [f"{key}/im{number}" for number in numbers]


class SequenceFolder:
    """Frames in folders: ``root/00001/0001/im1.png``, or as another layout has them.

    The clips are those of the official lists beside ``root``, or all below it where there are none.

    Attributes:
        root: see `vimeo_tools.data.layouts`.
        same_size: all frames of all clips have one size.
    """

    def __init__(self, root: Path, layout: Layout = VIMEO90K) -> None:
        self.root = root
        self._layout = layout
        self.same_size = layout.numbers is not None
        self._files: dict[str, dict[str, Path]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_files": {}}

    def groups(self) -> list[list[str]]:
        """As `FrameStore.groups`."""
        return [self.names(key) for key in self.keys()]

    def keys(self) -> list[str]:
        """The clips."""
        layout = self._layout
        beside = split_root(self.root)[0].parent
        lists = [layout.list_path(beside, split) for split in layout.lists]
        keys = merge_keys(read_list(path, layout).keys for path in lists if path.is_file())
        return keys or layout.find_keys(self.root)

    def read_list(self, path: Path) -> ClipList:
        """The clips of a list, see `vimeo_tools.data.lists`."""
        return read_list(path, self._layout)

    def names(self, key: str) -> list[str]:
        """The names of a clip's frames, in order."""
        return list(self._layout.frames(self.root, key))

    def frame(self, name: str) -> Frame:
        """As `FrameStore.frame`."""
        return decode_frame(self.read_data(name))

    def read_data(self, name: str) -> bytes:
        """The file of a frame, as it is stored."""
        return read_file(self._path(name))

    def length(self, name: str) -> int:
        """How many bytes that are; -1 where it is not to be had."""
        try:
            return self._path(name).stat().st_size
        except OSError:
            return -1

    def where(self, name: str) -> str:
        """As `FrameStore.where`."""
        return str(self._path(name))

    def _path(self, name: str) -> Path:
        if self._layout.numbers is None:
            key = name.rpartition("/")[0]
            if key not in self._files:
                if len(self._files) >= _CLIPS_REMEMBERED:
                    self._files.clear()
                self._files[key] = self._layout.frames(self.root, key)
            if name in self._files[key]:
                return self._files[key][name]
        return file_of(self.root, name)


class LmdbFrames:
    """A database of either key profile. See `SequenceFolder` for its attributes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader = self._open(folder)
        self.root = folder
        self.same_size = self._reader.of_septuplets
        self._layout = VIMEO90K if self.same_size else FOLDERS
        self._clips: dict[str, list[str]] | None = None

    def groups(self) -> list[list[str]]:
        """As `FrameStore.groups`: the frames that meta_info.txt names."""
        return list(self._listed().values())

    def keys(self) -> list[str]:
        """The clips."""
        return list(self._listed())

    def read_list(self, path: Path) -> ClipList:
        """As `SequenceFolder.read_list`."""
        return read_list(path, self._layout)

    def names(self, key: str) -> list[str]:
        """As `SequenceFolder.names`."""
        return self._listed().get(key, [])

    def frame(self, name: str) -> Frame:
        """As `FrameStore.frame`."""
        return decode_frame(self.read_data(name))

    def read_data(self, name: str) -> bytes:
        """As `SequenceFolder.read_data`."""
        return self._reader.read(name)

    def length(self, name: str) -> int:
        """As `SequenceFolder.length`."""
        try:
            return self._reader.length(name)
        except FrameError:
            return -1

    def where(self, name: str) -> str:
        """As `FrameStore.where`."""
        return f"{self._folder}, {self._reader.place(name)}"

    def _open(self, folder: Path) -> LmdbReader | MindRecordReader:
        return LmdbReader(folder)

    def _listed(self) -> dict[str, list[str]]:
        if self._clips is None:
            self._clips = {}
            for name in self._reader.frames():
                self._clips.setdefault(name.rpartition("/")[0], []).append(name)
        return self._clips


class MindRecordFrames(LmdbFrames):
    """A folder of MindRecord files."""

    def _open(self, folder: Path) -> LmdbReader | MindRecordReader:
        return MindRecordReader(folder)


ClipFrames = SequenceFolder | LmdbFrames


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
    record = read_record(split_root(lq)[0]) or {}
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
    if not is_root(path):
        raise SettingsError(f"{path}: there is no such folder")
    if (path / "data.mdb").exists():
        return LmdbFrames(path)
    if (path / INDEX_NAME).exists():
        return MindRecordFrames(path)
    if path.is_dir():
        pictures = PictureFolder(path, name_end)
        if pictures.groups():
            return pictures
    if not layout.holds_clip(path):
        raise SettingsError(
            f"{path}: holds neither clips ({layout.key_words}), nor data.mdb, nor pictures"
        )
    return SequenceFolder(path, layout)
