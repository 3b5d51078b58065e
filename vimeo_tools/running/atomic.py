"""Files that appear under their final name only when they are whole."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vimeo_tools.errors import OutputError

_PART = ".part"
# Every further write would fail the same way: stop instead of collecting half a million failures.
_FATAL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def write_file(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name in the same folder, then rename it to ``path``.

    A kill leaves at most a hidden file; see `remove_parts`.

    Raises:
        OutputError: the disk is full, over quota or read-only.
        OSError: any other reason the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}{_PART}")
    try:
        with part.open("xb") as file:
            file.write(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in _FATAL_ERRNOS:
            raise OutputError(
                f"{path}: cannot be written: {os.strerror(error.errno)}; nothing is broken: "
                "make room or choose another output, then run the same command again"
            ) from error
        raise
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``, renamed to ``path`` when the block ends without error.

    The temporary name keeps the suffix, by which some writers choose their format. What was
    written is on the disk before it has its name: unlike `write_file`, this also survives a power
    cut, and takes milliseconds.

    Raises:
        OutputError: the file cannot be written, and why.
    """
    part = path.with_name(f".{path.stem}.{secrets.token_hex(6)}{_PART}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.chmod(0o644)  # MindSpore and safetensors leave theirs to the owner alone
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


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
    except ValueError as error:
        raise OutputError(
            f"{path}: not readable as JSON ({error}); restore it, or remove it together with "
            "the data that it describes"
        ) from error
    if not isinstance(value, dict):
        raise OutputError(f"{path}: holds {type(value).__name__}, expected a JSON object")
    return value


def remove_parts(folder: Path) -> None:
    """Remove what killed writers left in ``folder``; for folders with no writer but the caller."""
    for part in folder.glob(f".*{_PART}*"):
        part.unlink(missing_ok=True)
