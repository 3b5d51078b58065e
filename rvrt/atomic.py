"""Files that appear under their final name only when they are whole."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from rvrt.errors import RvrtError


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, renamed to `path` when the block ends without error.

    The temporary name is hidden and keeps the suffix, by which some writers choose their format.
    A kill leaves at most such a file; `remove_parts` clears them away.

    Raises:
        RvrtError: the file cannot be written, and why.
    """
    part = path.with_name(f".{path.stem}.{secrets.token_hex(6)}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.chmod(0o644)  # MindSpore and safetensors leave theirs to the owner alone
        # On the disk before the rename is: else a power cut could leave a name without content.
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise RvrtError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove what killed writers left in `folder`, in which nothing else may be writing."""
    for part in folder.glob(".*.part.*"):
        part.unlink(missing_ok=True)
