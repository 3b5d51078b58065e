"""What could not be done: collected while the rest goes on, listed at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vimeo_tools.running.atomic import write_text

# Shards have files of their own.
FAILURES_PATTERN = "vimeo-prep-failures*.txt"


class Failure(NamedTuple):
    """One thing that could not be done.

    Attributes:
        path: the file, or ``list.txt:12`` for a line of a list.
        reason: what was found and what is needed.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def write_failures(path: Path, failures: Sequence[Failure]) -> None:
    """One ``path<TAB>reason`` per line; with no failures, an older file of that name goes away."""
    if failures:
        lines = (
            "\t".join(part.replace("\t", " ").replace("\n", " ") for part in failure)
            for failure in failures
        )
        write_text(path, "".join(f"{line}\n" for line in lines))
    else:
        path.unlink(missing_ok=True)
