"""Frames -> MindRecord files, one sequence a record; an interrupted file is written anew, alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from vimeo_tools.data.mindrecord_store import (
    INDEX_NAME,
    LARGEST_RECORD,
    PART_NAME,
    Row,
    Stored,
    read_rows,
    rows_text,
    write_part,
)
from vimeo_tools.data.png import read_file
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.running.atomic import write_text
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.jobs import Summary

# Bytes of a file: below 20 GB, as some storages for training have it, whatever pages leave empty.
MOST_BYTES = 9 * 10**9

Clip = tuple[str, list[tuple[str, Path]]]  # key, (name, file) of its frames


def build(
    folder: Path,
    frames: Iterable[tuple[str, Path]],
    check: Callable[[str, bytes], None],
    summary: Summary,
    step: Callable[[int], object],
    most_bytes: int = MOST_BYTES,
) -> None:
    """Write the files and, when all are whole, their index.

    Args:
        folder: gets them.
        frames: (name, file), clip by clip.
        check: raises a FrameError where a frame is not as it should be.
        summary: is added to.
        step: is told how many frames more are done.
        most_bytes: of the frames in one file.

    Raises:
        SettingsError: MindSpore is not installed, or a clip is too large for one record.
        OutputError: a file cannot be written.
    """
    rows: list[Row] = []
    for part, clips in enumerate(_parts(_clips(frames), most_bytes)):
        note = folder / f"part-{part:04d}.jsonl"
        keys = [key for key, _ in clips]
        there = read_rows(note) if note.exists() else []
        if [row.key for row in there] == keys:
            summary.skipped += sum(len(row.names) for row in there)
        else:
            before = len(summary.failures)
            largest = max(_bytes(clip) for clip in clips)
            stored = _read(clips, check, summary, step)
            there = write_part(folder / PART_NAME.format(part), part, stored, largest)
            if len(summary.failures) == before:
                write_text(note, rows_text(there))
        rows += there
    if not summary.failures:
        write_text(folder / INDEX_NAME, rows_text(rows))
        for note in folder.glob("part-*.jsonl"):
            note.unlink()


def _clips(frames: Iterable[tuple[str, Path]]) -> Iterator[Clip]:
    clip: Clip = ("", [])
    for name, path in frames:
        key, _, stem = name.rpartition("/")
        if key != clip[0]:
            if clip[1]:
                yield clip
            clip = (key, [])
        clip[1].append((stem, path))
    if clip[1]:
        yield clip


def _parts(clips: Iterable[Clip], most_bytes: int) -> Iterator[list[Clip]]:
    part: list[Clip] = []
    held = 0
    for clip in clips:
        size = _bytes(clip)
        if size > LARGEST_RECORD:
            raise SettingsError(
                f"{clip[0]}: its frames have {size:,} bytes, and a MindRecord takes at most "
                f"{LARGEST_RECORD:,}; cut the clip, or pack LMDB"
            )
        if part and held + size > most_bytes:
            yield part
            part, held = [], 0
        part.append(clip)
        held += size
    if part:
        yield part


def _bytes(clip: Clip) -> int:
    return sum(path.stat().st_size for _, path in clip[1] if path.is_file())


def _read(
    clips: Sequence[Clip],
    check: Callable[[str, bytes], None],
    summary: Summary,
    step: Callable[[int], object],
) -> Iterator[Stored]:
    """The clips that are whole, read as they are asked for."""
    for key, files in clips:
        found = []
        for stem, path in files:
            try:
                data = read_file(path)
                check(f"{key}/{stem}", data)
                found.append(data)
            except FrameError as error:
                summary.failures.append(Failure(str(path), str(error)))
        step(len(files))
        if len(found) == len(files):
            summary.done += len(found)
            yield key, [stem for stem, _ in files], found
