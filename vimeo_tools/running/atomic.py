"""Files that appear under their final name only when they are whole.

Until then a file is a hidden ``.NAME.XXXX.part`` beside it, locked by the process that writes it:
the system takes the lock back when the process ends, however it ends, so that whoever comes next
can tell what a dead process has left from what is being written at this moment.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from vimeo_tools.errors import OutputError

_PART = ".part"
_PART_NAME = re.compile(r"\..+\.[0-9a-f]+\.part(\.[^.]+)?")
# Every further write would fail the same way: stop instead of collecting half a million failures.
FATAL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


def write_file(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name in the same folder, then rename it to ``path``.

    A kill leaves at most a hidden file; see `remove_parts`.

    Raises:
        OutputError: the disk is full, over quota or read-only.
        OSError: any other reason the file cannot be written.
    """
    try:
        with _part_of(path) as (part, file):
            file.write(data)
            file.flush()
            part.replace(path)
    except OSError as error:
        if error.errno in FATAL_ERRNOS:
            raise OutputError(
                f"{path}: cannot be written: {os.strerror(error.errno)}; nothing is broken: "
                "make room or choose another output, then run the same command again"
            ) from error
        raise


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``, renamed to ``path`` when the block ends without error.

    The temporary name keeps the suffix, by which some writers choose their format. What was
    written is on the disk before it has its name: unlike `write_file`, this also survives a power
    cut, and takes milliseconds. What killed writers of this file have left goes away.

    Raises:
        OutputError: the file cannot be written, and why.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_parts(path.parent, path.stem)
        with _part_of(path, path.suffix) as (part, _):
            yield part
            part.chmod(0o644)  # MindSpore and safetensors leave theirs to the owner alone
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _part_of(path: Path, suffix: str = "") -> Iterator[tuple[Path, BinaryIO]]:
    """A new part of ``path``, locked by this process; gone afterwards if it was not renamed."""
    stem = path.name.removesuffix(suffix)
    while True:
        part = path.with_name(f".{stem}.{secrets.token_hex(6)}{_PART}{suffix}")
        with part.open("xb") as file:
            try:
                # Without locks on this file system, `remove_parts` has none either and lets be.
                with contextlib.suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_nlink:
                    yield part, file
                    return
                # Taken for a dead one's in the moment before it was locked.
            finally:
                part.unlink(missing_ok=True)


def remove_parts(folder: Path, stem: str = "") -> None:
    """Remove what dead writers have left in ``folder``; what is being written stays.

    Args:
        folder: need not exist.
        stem: only parts of files with this name before the suffix.
    """
    try:
        parts = [path for path in folder.iterdir() if is_part(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for part in parts:
        if part.name.startswith(f".{stem}." if stem else "."):
            _remove_if_dead(part)


def is_part(name: str) -> bool:
    """Whether a file of this name is one that did not get its own yet."""
    return bool(_PART_NAME.fullmatch(name))


def _remove_if_dead(part: Path) -> None:
    # Errors: it got its name or went away just now, or is another user's, or is being written.
    with contextlib.suppress(OSError), part.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink()


def write_text(path: Path, text: str) -> None:
    """`write_file` of UTF-8 text."""
    write_file(path, text.encode())


def write_json(path: Path, value: dict[str, Any]) -> None:
    """`write_file` of readable JSON."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object written by `write_json`, or None where the file does not exist.

    Raises:
        OutputError: the file is there but is not a JSON object.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise OutputError(
            f"{path}: not readable as JSON ({error}); restore it, or choose another folder"
        ) from error
    if not isinstance(value, dict):
        raise OutputError(f"{path}: holds {type(value).__name__}, expected a JSON object")
    return value
