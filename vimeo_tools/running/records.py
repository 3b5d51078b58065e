"""How what a folder holds was made, written beside it, so that two ways are never mixed in one."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vimeo_tools._version import __version__
from vimeo_tools.running.atomic import read_json, write_text
from vimeo_tools.running.failures import FAILURES_PATTERN

RECORD_NAME = "vimeo-prep.json"
# Says who wrote the record; another version makes the same data.
_MADE_BY = "made_by"
_OTHER_FOLDER = "choose another --output-dir"


@dataclass(frozen=True)
class Record:
    """What stands in a folder and says how the rest was made: JSON. Subclasses have other forms.

    Attributes:
        settings: JSON-like values by name, on which what the folder holds depends.
        name: of the file.
        may_change: names of settings that may differ from those on the disk.
        remedy: what a person can do where the folder is refused.
        reports: patterns of names in the folder that are about the work and are none of it.
    """

    settings: Mapping[str, Any]
    name: str = RECORD_NAME
    may_change: Collection[str] = frozenset()
    remedy: str = _OTHER_FOLDER
    reports: Collection[str] = (FAILURES_PATTERN,)

    def text(self) -> str:
        """As it stands on the disk."""
        made_by = {_MADE_BY: f"vimeo-tools {__version__}"} if self.name == RECORD_NAME else {}
        return json.dumps({**made_by, **self.settings}, indent=2) + "\n"

    def read(self, folder: Path) -> Mapping[str, Any] | None:
        """The settings on the disk; None where there are none.

        Raises:
            VimeoToolsError: they cannot be understood.
        """
        return read_record(folder, self.name)

    def write(self, folder: Path) -> None:
        """Put it there, whole; nothing is written where it stands there already."""
        path, text = folder / self.name, self.text()
        if not path.is_file() or path.read_bytes() != text.encode():
            write_text(path, text)

    def differences(self, found: Mapping[str, Any]) -> str:
        """What differs from settings on the disk, as ``name old (now new)``; "" for nothing."""
        return differences(found, self.settings, self.may_change)

    def refusal(self, found: Mapping[str, Any]) -> str:
        """What is said of a folder that holds something made otherwise, and what to do."""
        return f"was made with {self.differences(found)}; {self.remedy}"

    def holds_nothing(self, folder: Path) -> bool:
        """Whether no work is in the folder yet, so that another record may take this one's place.

        Hidden files do not count, nor do empty folders.
        """
        return next(self._work(folder), None) is None

    def stranger(self, folder: Path) -> str | None:
        """Something that keeps a folder without record from being used; None: it may be."""
        return next(self._work(folder), None)

    def _work(self, folder: Path) -> Iterator[str]:
        known = (".*", self.name, *self.reports)
        for path in sorted(folder.iterdir()):
            ours = any(fnmatchcase(path.name, pattern) for pattern in known)
            if not ours and _holds_file(path):
                yield path.name


def _holds_file(path: Path) -> bool:
    """Whether it is a file, or a folder with a file in it at any depth."""
    if path.is_symlink() or not path.is_dir():
        return True
    return any(files for _, _, files in os.walk(path))


def read_record(folder: Path, name: str = RECORD_NAME) -> dict[str, Any] | None:
    """The settings that the data in ``folder`` was made with, None where there is no record.

    Raises:
        OutputError: the record is there but unreadable.
    """
    record = read_json(folder / name)
    if record is not None:
        record.pop(_MADE_BY, None)
    return record


def differences(
    found: Mapping[str, Any], settings: Mapping[str, Any], may_change: Collection[str] = ()
) -> str:
    """What differs, as ``name old (now new)``; empty when nothing does."""
    wanted = json.loads(json.dumps(dict(settings)))  # tuples are lists on the disk
    found = json.loads(json.dumps(dict(found)))
    names = [*wanted, *(name for name in found if name not in wanted)]
    return ", ".join(
        f"{name} {_shown(found, name)} (now {_shown(wanted, name)})"
        for name in names
        if name not in may_change and found.get(name) != wanted.get(name)
    )


def _shown(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    return value if isinstance(value, str) and value else json.dumps(value)
