"""A folder taken for a piece of work: the one way in, for all commands.

    with taken(folder, record) as place:
        ...  # work in place.path

In order: make the folder; lock it; remove what dead writers have left; find the record of the
same settings, or write it; work; unlock. A kill between any two of these leaves at most a lock
file that nobody holds and files of dead writers, and none of them stops the next command: where
there is a record but no work yet, other settings take its place. On the way out the lock file goes
away, and with it a record that no work stands beside, and a new folder that is empty.

The lock is one on a file's bytes (``fcntl``), held by the process alone: not by the workers that
it starts, and by none when it has ended, however it ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vimeo_tools.errors import OutputError, VimeoToolsError
from vimeo_tools.running.atomic import remove_parts
from vimeo_tools.running.records import Record

LOCK_NAME = ".lock"
# Bytes of the lock file. The first is held while a folder is being taken or left, the second as
# long as it is used, the others by the parts that several processes do of one piece of work.
_DOOR, _USE, _FIRST_PART = 0, 1, 2
# fcntl's locks do not hold within a process: folders that this one uses, by device and inode.
_used_here: set[tuple[int, int]] = set()


@dataclass
class Place:
    """A folder that is taken.

    Attributes:
        path: where it is.
        record: that stands in it.
    """

    path: Path
    record: Record

    def rename(self, target: Path) -> None:
        """Give the folder another name in the same parent; an empty folder there is replaced."""
        self.path.replace(target)
        self.path = target

    def remove(self, files: Iterable[Path]) -> None:
        """Remove its files, then its record, then the folder, unless it holds more than that."""
        for file in files:
            file.unlink(missing_ok=True)
        for name in (self.record.name, LOCK_NAME):
            (self.path / name).unlink(missing_ok=True)
        _remove_empty([self.path])


@contextlib.contextmanager
def taken(
    folder: Path,
    record: Record,
    *,
    shared: bool = False,
    part: tuple[int, int] | None = None,
    replace: Callable[[], None] | None = None,
) -> Iterator[Place]:
    """Take a folder for work of certain settings.

    Args:
        folder: made if need be.
        record: the settings; written into the folder, or found there.
        shared: other processes may work in it by the same settings.
        part: (i, n) where each of them has a part of its own, i from 1 to n.
        replace: removes work that was made otherwise, in place of a refusal. Killed in between, it
            must leave a record that differs.

    Raises:
        OutputError: the folder is in use, cannot be written, or holds something else.
        VimeoToolsError: its record cannot be understood.
    """
    made = make_folder(folder)
    with _message(folder):
        lock = _Lock(folder, shared, part)
    place = Place(folder, record)
    try:
        with _message(folder):
            if not shared:
                lock.open_door()  # others are told, instead of waiting
            remove_parts(folder)
            _settle(folder, record, replace, lock)
            lock.open_door()
        yield place
    finally:
        lock.leave(place.path, record, is_new=bool(made))
        _remove_empty(made)


def clean(folder: Path) -> None:
    """Remove what killed processes have left in a folder whose work is done."""
    remove_parts(folder)
    if (folder / LOCK_NAME).exists():
        with contextlib.suppress(OutputError, OSError):
            _Lock(folder, False, None).leave(folder)


def refuse_overlap(output: Path, *sources: Path) -> None:
    """Keep what is read from what is written.

    Raises:
        OutputError: the output is one of the sources, holds one, or lies in one.
    """
    with _message(output):
        written = output.resolve()
        for source in sources:
            read = source.resolve()
            for relation, overlaps in (
                ("is", written == read),
                ("lies in", read in written.parents),
                ("holds", written in read.parents),
            ):
                if overlaps:
                    raise OutputError(
                        f"{output}: {relation} the input {source}; choose an output apart from it"
                    )


def _settle(folder: Path, record: Record, replace: Callable[[], None] | None, lock: _Lock) -> None:
    """Have the record in the folder, or refuse."""
    found = record.read(folder)
    if found is None:
        stranger = record.stranger(folder)
        if stranger is not None:
            raise OutputError(
                f"{folder}: is not empty and not made by this command: it holds {stranger} and no "
                f"{record.name}; choose another"
            )
    elif record.differences(found) and not (lock.is_alone() and record.holds_nothing(folder)):
        if replace is None:
            raise OutputError(f"{folder}: {record.refusal(found)}")
        replace()
    record.write(folder)


class _Lock:
    """The lock of a folder, its door closed: no other process can take or leave the folder."""

    def __init__(self, folder: Path, shared: bool, part: tuple[int, int] | None) -> None:
        if _key(folder) in _used_here:
            raise OutputError(_in_use(folder, part))
        self._file = _open_door(folder)
        self._key = _key(folder)
        self._how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            self._try(_USE, self._how)
            if part is not None:
                self._try(_FIRST_PART + part[1] * (part[1] - 1) // 2 + part[0], fcntl.LOCK_EX)
        except (BlockingIOError, PermissionError):
            os.close(self._file)
            raise OutputError(_in_use(folder, part)) from None
        _used_here.add(self._key)

    def open_door(self) -> None:
        """Let others take the folder too, where it is shared."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _DOOR)

    def is_alone(self) -> bool:
        """Whether no other process uses the folder; asked with the door closed."""
        try:
            self._try(_USE, fcntl.LOCK_EX)
        except (BlockingIOError, PermissionError):
            return False
        self._try(_USE, self._how)
        return True

    def leave(self, folder: Path, record: Record | None = None, is_new: bool = False) -> None:
        """Unlock; the last one removes the lock file, and a record with no work beside it."""
        _used_here.discard(self._key)
        try:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _DOOR)
                self._try(_USE, fcntl.LOCK_EX)
                if record is not None and is_new and record.holds_nothing(folder):
                    _remove_empty(sorted(folder.rglob("*"), reverse=True))
                if record is not None and _names(folder) == {LOCK_NAME, record.name}:
                    (folder / record.name).unlink()
                (folder / LOCK_NAME).unlink(missing_ok=True)
        finally:
            os.close(self._file)

    def _try(self, byte: int, how: int) -> None:
        fcntl.lockf(self._file, how | fcntl.LOCK_NB, 1, byte)


def _open_door(folder: Path) -> int:
    """The lock file, its first byte locked; waits while another process is at the door."""
    path = folder / LOCK_NAME
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # who was here before has removed the folder
            folder.mkdir(parents=True, exist_ok=True)
            continue
        try:
            fcntl.lockf(file, fcntl.LOCK_EX, 1, _DOOR)
            # Who was here before may have removed it, and another one made it anew.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.stat()):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _key(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _in_use(folder: Path, part: tuple[int, int] | None) -> str:
    which = f", at part {part[0]} of {part[1]}" if part else ""
    return f"{folder}: another process is at work there{which}; wait until it has ended"


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it, all or none; returns those made, the innermost first.

    Raises:
        OutputError: it cannot be made.
    """
    with _message(folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            _remove_empty(missing)
            raise
        return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _message(folder: Path) -> Iterator[None]:
    """Say in one line why a folder cannot be used."""
    try:
        yield
    except VimeoToolsError:
        raise
    except FileExistsError:
        raise OutputError(f"{folder}: is a file, need a folder; choose another") from None
    except (OSError, ValueError) as error:  # a path may hold a NUL character
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(f"{_short(folder)}: cannot be written: {reason}") from None


def _short(path: Path) -> str:
    text = str(path).replace("\0", "\\0")
    return text if len(text) <= 200 else f"{text[:100]}...{text[-50:]}"
