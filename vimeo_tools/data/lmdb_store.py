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

from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import KEY_PROFILES, KeyProfile
from vimeo_tools.errors import AnnotationError, FrameError, LmdbError, OutputError

META_INFO_NAME = "meta_info.txt"
# Doubled as often as needed; the same steps whether a run was interrupted or not.
_FIRST_MAP_SIZE = 1 << 30


class LmdbWriter:
    """A database being built; a context manager.

    Each batch has the environment opened for it: LMDB then places its pages in a continued build
    as in an undisturbed one, to the same bytes.

    Args:
        folder: of the database; made if need be.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        # Readers make their own; a used one would differ from run to run.
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "lock.mdb").unlink()

    def keys(self) -> set[bytes]:
        """Keys of all records that are there."""
        with self._open() as env, env.begin() as transaction, transaction.cursor() as cursor:
            return set(cursor.iternext(keys=True, values=False))

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
            map_size = _FIRST_MAP_SIZE if is_new else 0
            return lmdb.open(str(self._folder), map_size=map_size, sync=False)
        except lmdb.Error as error:
            raise LmdbError(f"{self._folder}: cannot be opened for writing: {error}") from None


class LmdbReader:
    """Frames of a database, each by clip key and number.

    The handle is opened on first use, in the process that uses it, and shared by all readers of
    the folder there: a reader may be pickled, or carried over a fork.

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
        self._path = folder.resolve()
        self.profile = self._find_profile()

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
            LmdbError: the database cannot be opened, or is damaged at that place.
        """
        name = self.profile.key(key, number)
        try:
            with _environment(self._path).begin() as transaction:
                value = transaction.get(name.encode("ascii"))
        except lmdb.Error as error:
            raise LmdbError(f"{self._folder}: {name!r} cannot be read: {error}") from None
        if value is None:
            raise FrameError(f"{self._folder}: has no record {name!r}")
        return bytes(value)

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


# One environment may be open once in a process: folder -> (process, environment).
_environments: dict[Path, tuple[int, Any]] = {}


def _environment(path: Path) -> Any:
    process, environment = _environments.get(path, (0, None))
    if process == os.getpid():
        return environment
    if environment is not None:  # the parent's, carried over a fork
        environment.close()
    try:
        environment = lmdb.open(
            str(path), readonly=True, lock=False, readahead=False, meminit=False
        )
    except lmdb.Error as error:
        raise LmdbError(f"{path}: cannot be opened: {error}") from None
    _environments[path] = os.getpid(), environment
    return environment
