"""MindRecord files of sequences, one a record, their frames' bytes as they are: written, read.

A record has the fields ``key`` (text), ``names`` (of its frames, with blanks between), ``lengths``
(int64, bytes of each) and ``frames`` (all of them, one after another). They are written by
MindSpore, and read by its MindDataset, or here without it: ``index.jsonl`` says where the frames of
a clip lie.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vimeo_tools.data.files import read_regular
from vimeo_tools.data.septuplets import is_septuplet_frame
from vimeo_tools.errors import FrameError, LmdbError, OutputError, SettingsError, missing_extra

INDEX_NAME = "index.jsonl"
PART_NAME = "part-{:04d}.mindrecord"
_SCHEMA = {
    "key": {"type": "string"},
    "names": {"type": "string"},
    "lengths": {"type": "int64", "shape": [-1]},
    "frames": {"type": "bytes"},
}
_PAGES_MIB = (32, 64, 128, 256)  # what MindRecord takes, in powers of two
_ROOM = 2**20  # of a page, for what is no frame
LARGEST_RECORD = _PAGES_MIB[-1] * 2**20 - _ROOM
_LONGEST_INDEX = 2**30


class Row(NamedTuple):
    """Where the frames of a clip lie.

    Attributes:
        key: of the clip.
        part: number of the file.
        start: of the first frame in it, in bytes.
        names: of the frames, without the clip.
        lengths: of the frames, in bytes.
    """

    key: str
    part: int
    start: int
    names: list[str]
    lengths: list[int]


Stored = tuple[str, list[str], list[bytes]]  # key, names, frames


def write_part(path: Path, part: int, clips: Iterable[Stored], largest: int) -> list[Row]:
    """Write one file, replacing an unfinished one.

    Args:
        path: the file; beside it MindSpore puts ``NAME.db``.
        part: its number.
        clips: key, names and frames of each.
        largest: bytes of the largest of them.

    Raises:
        SettingsError: MindSpore is not installed.
        OutputError: the file cannot be written.
    """
    np, file_writer = _mindspore()
    for old in (path, path.with_name(f"{path.name}.db")):
        old.unlink(missing_ok=True)
    rows = []
    try:
        writer = file_writer(str(path), 1)
        page = next(mib for mib in _PAGES_MIB if largest + _ROOM <= mib * 2**20)
        writer.set_page_size(page * 2**20)
        writer.add_schema(_SCHEMA, "sequences")
        writer.add_index(["key"])
        for key, names, frames in clips:
            lengths = [len(frame) for frame in frames]
            rows.append(Row(key, part, 0, names, lengths))
            value = {"key": key, "names": " ".join(names), "lengths": np.array(lengths, np.int64)}
            writer.write_raw_data([{**value, "frames": b"".join(frames)}])
        writer.commit()
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        raise OutputError(f"{path}: cannot be written: {first}") from None
    for made in (path, path.with_name(f"{path.name}.db")):
        made.chmod(0o644)
    return _placed(path, rows)


def _mindspore() -> tuple[Any, Any]:
    try:
        import numpy as np
        from mindspore.mindrecord import FileWriter
    except ModuleNotFoundError as error:
        raise SettingsError(missing_extra(error, "MindRecord") or str(error)) from None
    return np, FileWriter


def _placed(path: Path, rows: list[Row]) -> list[Row]:
    """The rows with the places that the file's own index and header give."""
    with contextlib.closing(sqlite3.connect(path.with_name(f"{path.name}.db"))) as index:
        wanted = "select key_0, PAGE_ID_BLOB, PAGE_OFFSET_BLOB from INDEXES"
        places = {key: (page, offset) for key, page, offset in index.execute(wanted)}
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        placed = []
        for row in rows:
            page, offset = places[row.key]
            at = header["header_size"] + page * header["page_size"] + offset
            file.seek(at)
            # The record's length and that of its first field by name, which is `frames`.
            _, found = struct.unpack(">QQ", file.read(16))
            if found != sum(row.lengths):
                raise OutputError(
                    f"{path}: this MindSpore lays records out otherwise than is known here; "
                    "pack LMDB, and tell us its version"
                )
            placed.append(row._replace(start=at + 16))
    return placed


class MindRecordReader:
    """Frames of a folder of MindRecord files, each by its name; needs no MindSpore.

    May be pickled, or carried over a fork.

    Raises:
        LmdbError: the folder is not whole.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: dict[str, Row] = {row.key: row for row in read_rows(folder / INDEX_NAME)}
        if not self._rows:
            raise LmdbError(f"{folder}: its {INDEX_NAME} is empty; pack it again")
        self._files: dict[int, int] = {}
        self.of_septuplets = is_septuplet_frame(next(self.frames()))

    def __del__(self) -> None:
        for file in getattr(self, "_files", {}).values():
            os.close(file)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_files": {}}

    def frames(self) -> Iterator[str]:
        """The names of all frames."""
        return (f"{row.key}/{name}" for row in self._rows.values() for name in row.names)

    def place(self, name: str) -> str:
        """Where a frame lies, for messages."""
        return f"record {name.rpartition('/')[0]!r}"

    def length(self, name: str) -> int:
        """How many bytes a frame has.

        Raises:
            FrameError: there is none of that name.
        """
        return self._find(name)[2]

    def read(self, name: str) -> bytes:
        """The bytes of a frame, as they were stored.

        Raises:
            FrameError: there is none of that name.
            LmdbError: the file is not there, or was cut short.
        """
        part, start, length = self._find(name)
        path = self._folder / PART_NAME.format(part)
        try:
            if part not in self._files:
                self._files[part] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(self._files[part], length, start)
        except OSError as error:
            raise LmdbError(f"{path}: cannot be read: {error.strerror}") from None
        if len(data) != length:
            raise LmdbError(f"{path}: is cut short; copy or make it again")
        return data

    def _find(self, name: str) -> tuple[int, int, int]:
        """(part, start, length) of a frame."""
        key, _, stem = name.rpartition("/")
        row = self._rows.get(key)
        if row is None or stem not in row.names:
            raise FrameError(f"{self._folder}: has no frame {name!r}")
        place = row.names.index(stem)
        return row.part, row.start + sum(row.lengths[:place]), row.lengths[place]


def read_rows(path: Path) -> list[Row]:
    """The rows of an index.

    Raises:
        LmdbError: it is not there or not whole.
    """
    try:
        lines = read_regular(path, _LONGEST_INDEX).decode().splitlines()
        rows = [Row(*json.loads(line)) for line in lines]
    except FileNotFoundError:
        raise LmdbError(f"{path}: there is no such file, so the set is not whole") from None
    except OSError as error:
        raise LmdbError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError) as error:
        raise LmdbError(f"{path}: is damaged: {error}") from None
    for row in rows:
        numbers = [row.part, row.start, *row.lengths]
        if len(row.names) != len(row.lengths) or any(
            type(number) is not int or number < 0 for number in numbers
        ):
            raise LmdbError(f"{path}: is damaged at clip {row.key!r}")
    return rows


def rows_text(rows: Iterable[Row]) -> str:
    """As they stand in an index."""
    return "".join(f"{json.dumps(list(row))}\n" for row in rows)
