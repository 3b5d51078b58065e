"""LMDB databases of PNG frames as BasicSR, KAIR and mmagic 0.x read them: written, read.

A database is built as ``NAME.lmdb.partial`` and gets its name when it is whole.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lmdb

from vimeo_tools.errors import AnnotationError, FrameError, LmdbError, OutputError
from vimeo_tools.png import FrameSize
from vimeo_tools.septuplets import KEY_PROFILES, KeyProfile

META_INFO_NAME = "meta_info.txt"
# Doubled as often as needed; the same steps whether a run was interrupted or not.
_FIRST_MAP_SIZE = 1 << 30


class LmdbWriter:
    """A database being built; a context manager.

    Args:
        folder: the environment; made if need be.

    Raises:
        LmdbError: another process is writing it, or it cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        try:
            # No flush to disk per batch: a killed process loses nothing that it committed.
            self._env = lmdb.open(str(folder), map_size=_FIRST_MAP_SIZE, sync=False)
        except lmdb.Error as error:
            raise LmdbError(f"{folder}: cannot be opened for writing: {error}") from None

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._env.close()

    def keys(self) -> set[bytes]:
        """Keys of all records that are there."""
        with self._env.begin() as transaction, transaction.cursor() as cursor:
            return set(cursor.iternext(keys=True, values=False))

    def put_all(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Write (key, value) records in one transaction: all of them or none.

        Raises:
            OutputError: the disk is full or another reason not to write.
        """
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    for key, value in records:
                        transaction.put(key, value)
                return
            except lmdb.MapFullError:
                self._env.set_mapsize(2 * self._env.info()["map_size"])
            except (lmdb.Error, OSError) as error:
                raise OutputError(
                    f"{self._folder}: cannot be written: {error}; what was written before is kept: "
                    "make room, then run the same command again"
                ) from None

    def finish(self) -> None:
        """Flush everything to disk and close."""
        self._env.sync(True)
        self._env.close()
        # Readers make their own; a used one would differ from run to run.
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "lock.mdb").unlink()


class LmdbReader:
    """Frames of a database, each by clip key and number.

    The handle is opened on first use, in the process that uses it: an instance may be pickled, or
    carried over a fork.

    Args:
        folder: ``NAME.lmdb`` with ``data.mdb`` and ``meta_info.txt``.

    Raises:
        LmdbError: there is no whole database.
    """

    def __init__(self, folder: Path) -> None:
        for name in ("data.mdb", META_INFO_NAME):
            if not (folder / name).is_file():
                raise LmdbError(f"{folder}: holds no {name}, so it is not a whole frame database")
        self._folder = folder
        self.profile = self._find_profile()
        self._env: Any = None
        self._pid = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_env": None}

    def frames(self) -> Iterator[tuple[str, int]]:
        """(clip key, frame number) of each line of meta_info.txt.

        Raises:
            LmdbError: a line is not of the profile.
        """
        for number, name in enumerate(self._names(), start=1):
            try:
                yield self.profile.parse(name)
            except AnnotationError as error:
                raise LmdbError(f"{self._folder / META_INFO_NAME}:{number}: {error}") from None

    def read(self, key: str, number: int) -> bytes:
        """The PNG bytes of a frame.

        Raises:
            FrameError: the database has no such record.
            LmdbError: the database cannot be opened.
        """
        name = self.profile.key(key, number)
        with self._environment().begin() as transaction:
            value = transaction.get(name.encode("ascii"))
        if value is None:
            raise FrameError(f"{self._folder}: has no record {name!r}")
        return bytes(value)

    def close(self) -> None:
        """Close the handle; the next `read` opens it anew."""
        if self._env is not None and self._pid == os.getpid():
            self._env.close()
        self._env = None

    def _environment(self) -> Any:
        if self._env is None or self._pid != os.getpid():
            try:
                self._env = lmdb.open(
                    str(self._folder), readonly=True, lock=False, readahead=False, meminit=False
                )
            except lmdb.Error as error:
                raise LmdbError(f"{self._folder}: cannot be opened: {error}") from None
            self._pid = os.getpid()
        return self._env

    def _names(self) -> Iterator[str]:
        with (self._folder / META_INFO_NAME).open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.strip():
                    yield line.split(maxsplit=1)[0].removesuffix(".png")

    def _find_profile(self) -> KeyProfile:
        first = next(self._names(), "")
        for profile in KEY_PROFILES.values():
            with contextlib.suppress(AnnotationError):
                profile.parse(first)
                return profile
        raise LmdbError(
            f"{self._folder / META_INFO_NAME}: {first!r} is a key of none of the profiles "
            f"{', '.join(KEY_PROFILES)}"
        )


def meta_info_text(names: Sequence[str], size: FrameSize) -> str:
    """The text of meta_info.txt.

    Its last column is a compression level, which no reader uses; BasicSR's scripts write 1.
    """
    return "".join(f"{name}.png ({size.height},{size.width},3) 1\n" for name in names)
