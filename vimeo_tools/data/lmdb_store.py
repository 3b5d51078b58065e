"""LMDB databases of PNG frames as BasicSR, KAIR and mmagic 0.x read them: written, read.

A database is built as ``NAME.lmdb.partial`` and gets its name when it is whole.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lmdb

from vimeo_tools.data.files import read_regular
from vimeo_tools.data.lmdb_file import LmdbFile
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import KEY_PROFILES, KeyProfile, is_septuplet_frame
from vimeo_tools.errors import AnnotationError, FrameError, LmdbError, OutputError

META_INFO_NAME = "meta_info.txt"
# Doubled as often as needed; the same steps whether a run was interrupted or not.
FIRST_MAP_SIZE = 1 << 30
_LONGEST_META_INFO = 2**28
_LONGEST_KEY = 511  # LMDB's limit
_SUFFIX = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)


class LmdbWriter:
    """A database being built; a context manager.

    Each batch has the environment opened for it: LMDB then places its pages in a continued build
    as in an undisturbed one, to the same bytes.

    Args:
        folder: of the database; made if need be.
        first_map_size: bytes that a new database may grow to before its map is doubled.
    """

    def __init__(self, folder: Path, first_map_size: int = FIRST_MAP_SIZE) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._first_map_size = first_map_size

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        # Readers make their own; a used one would differ from run to run.
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "lock.mdb").unlink()

    def keys(self, check: Callable[[bytes], object] | None = None) -> set[bytes]:
        """Keys of all records that are there.

        Args:
            check: is given each value, and raises a FrameError where it is no whole picture.

        Raises:
            LmdbError: the database is damaged.
        """
        if not (self._folder / "data.mdb").exists():
            return set()
        file = LmdbFile(self._folder / "data.mdb")
        file.check_free_pages()
        found = set()
        for key, value in file.items():
            try:
                if check is not None:
                    check(value)
            except FrameError as error:
                raise LmdbError(
                    f"{self._folder}: record {key!r} is damaged: {error}; what is there are "
                    "copies: remove this folder and run the command again"
                ) from None
            found.add(key)
        return found

    def put_all(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Write (key, value) records in one transaction: all of them or none.

        Raises:
            OutputError: the disk is full or another reason not to write.
        """
        with self._open() as env:
            while True:
                try:
                    with env.begin(write=True) as transaction:
                        for key, value in records:
                            transaction.put(key, value)
                    return
                except lmdb.MapFullError:
                    env.set_mapsize(2 * env.info()["map_size"])
                except (lmdb.Error, OSError) as error:
                    raise OutputError(
                        f"{self._folder}: cannot be written: {error}; what was written before is "
                        "kept: make room, then run the same command again"
                    ) from None

    def _open(self) -> Any:
        is_new = not (self._folder / "data.mdb").exists()
        try:
            # Not synchronous: a killed process loses nothing that it committed; 0 keeps the size.
            map_size = self._first_map_size if is_new else 0
            return lmdb.open(str(self._folder), map_size=map_size, sync=False)
        except lmdb.Error as error:
            raise LmdbError(f"{self._folder}: cannot be opened for writing: {error}") from None


class LmdbReader:
    """Frames of a database, each by its name: clip and frame, as in ``00001/0001/im1``.

    May be pickled, or carried over a fork.

    Args:
        folder: ``NAME.lmdb`` with ``data.mdb`` and ``meta_info.txt``.

    Raises:
        LmdbError: there is no whole database, or it is cut short.
    """

    def __init__(self, folder: Path) -> None:
        for name in ("data.mdb", META_INFO_NAME):
            if not (folder / name).is_file():
                raise LmdbError(f"{folder}: holds no {name}, so it is not a whole frame database")
        self._folder = folder
        self._path = folder.resolve()
        self._file: LmdbFile | None = LmdbFile(self._path / "data.mdb")
        self.profile = self._find_profile()
        self.of_septuplets = is_septuplet_frame(self.profile.parse(self._first))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_file": None}

    def frames(self) -> Iterator[str]:
        """The name of each frame that meta_info.txt lists.

        Raises:
            LmdbError: a line is not of the profile.
        """
        for number, name in enumerate(self._names(), start=1):
            try:
                yield self.profile.parse(name)
            except AnnotationError as error:
                raise LmdbError(f"{self._folder / META_INFO_NAME}:{number}: {error}") from None

    def read(self, name: str) -> bytes:
        """The bytes of a frame, as they were stored.

        Raises:
            FrameError: the database has no such record.
            LmdbError: the database cannot be opened, or is damaged at that place.
        """
        key = self.profile.key(name)
        value = self._opened().get(key.encode("ascii", "replace"))
        if value is None:
            raise FrameError(f"{self._folder}: has no record {key!r}")
        return value

    def length(self, name: str) -> int:
        """How many bytes a frame has.

        Raises:
            FrameError, LmdbError: as `read`.
        """
        key = self.profile.key(name)
        length = self._opened().length(key.encode("ascii", "replace"))
        if length is None:
            raise FrameError(f"{self._folder}: has no record {key!r}")
        return length

    def place(self, name: str) -> str:
        """Where a frame lies, for messages."""
        return f"record {self.profile.key(name)!r}"

    def _opened(self) -> LmdbFile:
        if self._file is None:
            self._file = LmdbFile(self._path / "data.mdb")
        return self._file

    def _names(self) -> Iterator[str]:
        path = self._folder / META_INFO_NAME
        try:
            text = read_regular(path, _LONGEST_META_INFO).decode("ascii", "replace")
        except OSError as error:
            raise LmdbError(f"{path}: cannot be read: {error.strerror}") from None
        for line in text.split("\n"):
            if line.strip():
                yield _SUFFIX.sub("", line.split(maxsplit=1)[0])[:_LONGEST_KEY]

    def _find_profile(self) -> KeyProfile:
        first = self._first = next(self._names(), "")
        for profile in KEY_PROFILES.values():
            with contextlib.suppress(AnnotationError):
                profile.parse(first)
                return profile
        raise LmdbError(
            f"{self._folder / META_INFO_NAME}: {first!r} is a key of none of the profiles "
            f"{', '.join(KEY_PROFILES)}"
        )


def meta_info_text(names: Sequence[str], size: FrameSize | Mapping[str, FrameSize]) -> str:
    """The text of meta_info.txt; ``size`` is that of all frames, or of each.

    Its last column is a compression level, which no reader uses; BasicSR's scripts write 1.
    """
    sizes = dict.fromkeys(names, size) if isinstance(size, FrameSize) else size
    return "".join(f"{n}.png ({sizes[n].height},{sizes[n].width},3) 1\n" for n in names)
