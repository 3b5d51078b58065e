"""Folders of frames -> LMDB or MindRecord: bytes checked and copied, never decoded; resumable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from vimeo_tools.data.frame_files import check_frame
from vimeo_tools.data.frames import MADE_OF
from vimeo_tools.data.layouts import clip_folder, split_root
from vimeo_tools.data.lmdb_store import META_INFO_NAME, LmdbWriter, meta_info_text
from vimeo_tools.data.mindrecord_store import INDEX_NAME
from vimeo_tools.data.png import FrameSize, read_file
from vimeo_tools.errors import FrameError, OutputError
from vimeo_tools.preparation.pack_mindrecord import build
from vimeo_tools.preparation.pack_plan import PackPlan
from vimeo_tools.running.atomic import is_part, write_text
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.folders import LOCK_NAME, Place, clean, refuse_overlap, taken
from vimeo_tools.running.jobs import Summary
from vimeo_tools.running.progress import progress
from vimeo_tools.running.records import RECORD_NAME, differences, read_record

_DATA = "data.mdb"
_OUR_FILES = {_DATA, "lock.mdb", META_INFO_NAME, INDEX_NAME, RECORD_NAME, LOCK_NAME}
_PART = re.compile(r"part-[0-9]{4}\.(mindrecord(\.db)?|jsonl)")
# One write transaction, and so the memory that packing takes. Small enough to stay in the cache:
# 16 frames are written 1.5 times as fast as 256. Threads that read ahead made it slower.
_FRAMES_PER_BATCH = 16


def pack(plan: PackPlan, *, overwrite: bool = False) -> Summary:
    """Build the database, or what is missing of it after an interruption.

    Args:
        plan: what to build.
        overwrite: replace a database of that name; the old one stays until the new one is whole.

    Returns:
        The summary. With failures among it, the rest is in ``plan.partial``; once the frames are
        mended, the next call adds what is missing.

    Raises:
        OutputError: something else has the name, or another database and not ``overwrite``; the
            source is there; another process packs there; or the disk is full.
        LmdbError: the partial database cannot be opened.
    """
    summary = Summary(clips=len(plan.keys))
    frames = plan.frames()
    refuse_overlap(plan.target, split_root(plan.source)[0])
    if _is_there(plan, overwrite):
        clean(plan.target)
        summary.skipped = len(frames)
        return summary.end()
    clear = partial(_remove_database, plan.partial)
    with taken(plan.partial, plan.record(), replace=clear if overwrite else None) as place:
        if _is_there(plan, overwrite):  # by a process that has ended just now
            summary.skipped = len(frames)
            return summary.end()
        if overwrite:
            clear()
        sizes = plan.sizes(frames)
        summary.failures += _empty_clips(plan, frames)
        if plan.format == "lmdb":
            with LmdbWriter(plan.partial) as writer:
                present = writer.keys(_checker(plan.size))
                missing = [(name, path) for name, path in frames if name.encode() not in present]
                summary.skipped = len(frames) - len(missing)
                _copy(plan, missing, sizes, writer, summary)
        else:
            with progress(len(frames), "frame", plan.target.name) as bar:
                build(
                    plan.partial,
                    frames,
                    lambda name, data: _checker(sizes.get(name))(data),
                    summary,
                    bar.update,
                )
        if not summary.failures:
            _give_name(place, plan, sizes)
    return summary.end()


def _checker(size: FrameSize | None) -> Callable[[bytes], None]:
    """What raises a FrameError where a record is no whole frame of that size."""

    def check(data: bytes) -> None:
        found = check_frame(data)
        if size is not None:
            size.check(found)

    return check


def _empty_clips(plan: PackPlan, frames: Sequence[tuple[str, Path]]) -> list[Failure]:
    if plan.layout.numbers is not None:
        return []  # their frames are missed one by one
    there = {name.rpartition("/")[0] for name, _ in frames}
    folders = (str(clip_folder(plan.source, key)) for key in plan.keys if key not in there)
    return [Failure(folder, "holds no frame (PNG or JPEG)") for folder in folders]


def _copy(
    plan: PackPlan,
    missing: Sequence[tuple[str, Path]],
    sizes: Mapping[str, FrameSize],
    writer: LmdbWriter,
    summary: Summary,
) -> None:
    with progress(len(missing), "frame", plan.target.name) as bar:
        for batch in _batches(missing):
            records = []
            for name, path in batch:
                try:
                    data = read_file(path)
                    _checker(sizes.get(name))(data)
                    records.append((name.encode(), data))
                except FrameError as error:
                    summary.failures.append(Failure(str(path), str(error)))
            writer.put_all(records)
            summary.done += len(records)
            bar.update(len(batch))


def _batches(frames: Sequence[tuple[str, Path]]) -> Iterator[list[tuple[str, Path]]]:
    rest = iter(frames)
    while batch := list(islice(rest, _FRAMES_PER_BATCH)):
        yield batch


def _is_there(plan: PackPlan, overwrite: bool) -> bool:
    """Whether the database is there, so that nothing is to do; OutputError where it cannot be."""
    folder = plan.target
    if not (folder.exists() or folder.is_symlink()):
        return False
    is_folder = folder.is_dir() and not (overwrite and folder.is_symlink())
    names = (path.name for path in folder.iterdir()) if is_folder else ()
    files = {name for name in names if not is_part(name)}
    if is_folder and not files:  # a kill can leave an empty folder, a moment before its new content
        return False
    record = read_record(folder) if is_folder else None
    if record is None or not record.keys() >= plan.to_record().keys():
        raise OutputError(
            f"{folder}: is there and no database that this command made; choose another name"
        )
    foreign = sorted(name for name in files - _OUR_FILES if not _PART.fullmatch(name))
    if foreign and overwrite:
        raise OutputError(
            f"{folder}: holds {foreign[0]}, which this command did not make, so it is not "
            "replaced; choose another name"
        )
    is_whole = (folder / _DATA).exists() or (folder / INDEX_NAME).exists()
    if overwrite or not is_whole:  # a kill came while the old one was removed
        return False
    older = () if MADE_OF in record else (MADE_OF,)  # made before that was noted
    if changed := differences(record, plan.record().settings, older):
        raise OutputError(
            f"{folder}: was made with {changed}; --overwrite replaces it, or choose another name"
        )
    return True


def _give_name(place: Place, plan: PackPlan, sizes: Mapping[str, FrameSize]) -> None:
    write_text(plan.partial / META_INFO_NAME, meta_info_text(list(sizes), sizes))
    if plan.target.exists():
        clean(plan.target)
        _remove_database(plan.target)
        (plan.target / RECORD_NAME).unlink(missing_ok=True)
    place.rename(plan.target)


def _remove_database(folder: Path) -> None:
    """Remove all but the record, which says that the folder is ours, and the lock."""
    for name in (_DATA, "lock.mdb", META_INFO_NAME, INDEX_NAME):
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob("part-*"):
        if _PART.fullmatch(path.name):
            path.unlink()
