"""Files read whole: regular ones alone, and none larger than is sensible."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, at_most: int, first: int | None = None) -> bytes:
    """The bytes of a regular file, or its first ones.

    Args:
        path: the file; a link to it will do.
        at_most: bytes that the file may have.
        first: how many are wanted; None for all.

    Raises:
        OSError: it cannot be read, is a folder, pipe or device (on which a plain read would wait or
            never end), or is larger; ``strerror`` says so.
    """
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "its path holds a NUL character", str(path))
    # Not to wait for someone to write into a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, f"it is {_kind(status.st_mode)}, not a file", str(path))
        if status.st_size > at_most:
            problem = f"it has {status.st_size:,} bytes, of which at most {at_most:,} are read"
            raise OSError(errno.EFBIG, problem, str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(at_most if first is None else first)
    finally:
        os.close(descriptor)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
