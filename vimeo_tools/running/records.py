"""How data was made, written beside the data, so that two ways are never mixed in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vimeo_tools._version import __version__
from vimeo_tools.errors import OutputError
from vimeo_tools.running.atomic import read_json, write_json

RECORD_NAME = "vimeo-prep.json"
# Says who wrote the record; another version makes the same data.
_MADE_BY = "made_by"


def read_record(folder: Path) -> dict[str, Any] | None:
    """The settings that the data in ``folder`` was made with, None where there is no record.

    Raises:
        OutputError: the record is there but unreadable.
    """
    record = read_json(folder / RECORD_NAME)
    if record is not None:
        record.pop(_MADE_BY, None)
    return record


def write_record(folder: Path, settings: dict[str, Any]) -> None:
    """Make ``folder`` if need be and record the settings in it.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / RECORD_NAME, {_MADE_BY: f"vimeo-tools {__version__}", **settings})
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from None


def differences(record: dict[str, Any], settings: dict[str, Any]) -> str:
    """What differs, as ``name old (now new)``; empty when nothing does."""
    names = [*settings, *(name for name in record if name not in settings)]
    return ", ".join(
        f"{name} {record.get(name)!r} (now {settings.get(name)!r})"
        for name in names
        if record.get(name) != settings.get(name)
    )


def claim(folder: Path, settings: dict[str, Any]) -> None:
    """Record the settings, or find them recorded already.

    Raises:
        OutputError: the folder was made with other settings, or holds something without a record.
    """
    record = read_record(folder)
    if record is None:
        if folder.exists() and any(folder.iterdir()):
            raise OutputError(
                f"{folder}: is not empty and not made by this command; choose another"
            )
        write_record(folder, settings)
    elif changed := differences(record, settings):
        raise OutputError(f"{folder}: was made otherwise: {changed}; choose another folder")
