"""Files of JSON objects, one a line, that only ever grow.

NaN and the infinities, for which JSON has no word, are the strings "nan", "inf" and "-inf". A kill
or a full disk can cut the last line off: it does not count, and the next writer takes it away.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vimeo_tools.errors import OutputError
from vimeo_tools.running.atomic import write_file


class JsonLines:
    """The writer of one file; there is one at a time. Nothing is made before the first line.

    Args:
        path: of the file; its folder exists.
        durable: a line is on the disk when it is written, and survives a power cut; without it, it
            survives a kill.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self._path = path
        self._durable = durable
        try:
            self._cut_torn_line()
        except OSError as error:
            raise self._error(error) from error

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line.

        Raises:
            OutputError: it cannot be written, as on a full disk.
        """
        try:
            with self._path.open("ab") as file:
                file.write(_text(line))
                file.flush()
                if self._durable:
                    os.fsync(file.fileno())
        except OSError as error:
            raise self._error(error) from error

    def replace(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write all lines anew; a kill leaves the old ones or the new ones.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            write_file(self._path, b"".join(map(_text, lines)))
        except OSError as error:
            raise self._error(error) from error

    def _cut_torn_line(self) -> None:
        if self._path.exists():
            with self._path.open("r+b") as file:
                data = file.read()
                if not data.endswith(b"\n"):
                    file.truncate(data.rfind(b"\n") + 1)

    def _error(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._path}: cannot be written: {error.strerror}; what was written before is kept: "
            "run the same command again when it can"
        )


def read_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """(place such as ``file.jsonl:3``, value) of each whole line; nothing without a file.

    A file may be read while it is written.

    Raises:
        OutputError: a line is not JSON, and which; or the file cannot be read.
    """
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        place = f"{path}:{number}"
        try:
            yield place, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise damaged(place, error) from error


def damaged(place: str, error: object) -> OutputError:
    """Of a line that is not what it should be."""
    return OutputError(f"{place}: is damaged ({error}); mend or remove the line")


def plain(value: Any) -> Any:
    """Numbers that JSON lacks as "nan", "inf" and "-inf", at any depth."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    return value


def number(value: float | str) -> float:
    """What `plain` has made of a number."""
    return float(value) if isinstance(value, str) else value


def _text(line: Mapping[str, Any]) -> bytes:
    return json.dumps(plain(line)).encode() + b"\n"
