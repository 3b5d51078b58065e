"""Folders of frames -> LMDB or MindRecord: bytes checked and copied, never decoded; resumable."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from vimeo_tools.data.frame_files import check_frame, read_frame_size
from vimeo_tools.data.frames import MADE_OF, recorded_degradation
from vimeo_tools.data.layouts import VIMEO90K, Layout, clip_folder, split_root
from vimeo_tools.data.lmdb_store import META_INFO_NAME, LmdbWriter, meta_info_text
from vimeo_tools.data.mindrecord_store import INDEX_NAME
from vimeo_tools.data.png import FrameSize, read_file
from vimeo_tools.data.septuplets import CENTRE_FRAME, FRAME_NUMBERS, KEY_PROFILES
from vimeo_tools.errors import FrameError, OutputError, SettingsError
from vimeo_tools.preparation.pack_mindrecord import build
from vimeo_tools.running.atomic import is_part, write_text
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.folders import LOCK_NAME, Place, clean, refuse_overlap, taken
from vimeo_tools.running.jobs import Summary
from vimeo_tools.running.progress import progress
from vimeo_tools.running.records import RECORD_NAME, Record, differences, read_record

PARTIAL_SUFFIX = ".partial"
_DATA = "data.mdb"
_OUR_FILES = {_DATA, "lock.mdb", META_INFO_NAME, INDEX_NAME, RECORD_NAME, LOCK_NAME}
_PART = re.compile(r"part-[0-9]{4}\.(mindrecord(\.db)?|jsonl)")
FORMATS = ("lmdb", "mindrecord")
# One write transaction, and so the memory that packing takes. Small enough to stay in the cache:
# 16 frames are written 1.5 times as fast as 256. Threads that read ahead made it slower.
_FRAMES_PER_BATCH = 16


class Content(NamedTuple):
    """A kind of database that trainers know by name.

    Attributes:
        name_template: of the folder, with the field ``split``.
        numbers: the frames of a clip that it holds.
        low_quality: frames come from the LQ tree.
    """

    name_template: str
    numbers: tuple[int, ...]
    low_quality: bool = False


CONTENTS = {
    "gt-all": Content("vimeo90k_{split}_GT_all.lmdb", FRAME_NUMBERS),
    "gt-centre": Content("vimeo90k_{split}_GT_only4th.lmdb", (CENTRE_FRAME,)),
    "lq": Content("vimeo90k_{split}_LR7frames.lmdb", FRAME_NUMBERS, low_quality=True),
}


def _origin(source: Path) -> dict[str, Any]:
    """What the record of a database says of the frames that it was made of."""
    made = recorded_degradation(source)
    return {MADE_OF: {**made[0].record(), "scale": made[1]}} if made else {}


def database_name(content: Content, split: str, source: Path, layout: Layout = VIMEO90K) -> str:
    """The trainers' name for a database, or one like it for another layout or degradation.

    Args:
        content: what it holds.
        split: "train" or "test".
        source: the tree that it is made of, whose record names the degradation.
        layout: where frames lie.
    """
    name = content.name_template.format(split=split)
    if layout != VIMEO90K:
        kind = "LR" if content.low_quality else "GT"
        part = "" if content.numbers == FRAME_NUMBERS else "_centre"
        name = f"{layout.title.lower()}_{split}_{kind}{part}.lmdb"
        name = layout.databases.get(f"{_kind_of(content)}/{split}", name)
    made = recorded_degradation(source) if content.low_quality else None
    return made[0].database(name) if made else name


def _kind_of(content: Content) -> str:
    return next(kind for kind, known in CONTENTS.items() if known == content)


def frame_numbers(content: Content, layout: Layout) -> tuple[int, ...] | None:
    """The frames of each clip that a database holds; None for all.

    Raises:
        SettingsError: the centre frame, of clips of any length.
    """
    if layout == VIMEO90K:
        return content.numbers
    if content.numbers == FRAME_NUMBERS:
        return layout.numbers
    if layout.numbers is None:
        raise SettingsError("content gt-centre: is one of clips that all have the same frames")
    return layout.numbers[len(layout.numbers) // 2 :][:1]


@dataclass(frozen=True)
class PackPlan:
    """One database to be: which frames, under which keys.

    Attributes:
        source: the tree that holds ``00001/0001/im1.png`` and so on.
        target: the final folder.
        keys: the clips.
        numbers: the frames of each clip; None for all.
        size: of every frame; None where each clip has its own.
        profile: a key of ``KEY_PROFILES``.
        layout: where frames lie.
        format: "lmdb", or "mindrecord" for a folder of MindRecord files.

    Paths may be given as str.
    """

    source: Path
    target: Path
    keys: Sequence[str]
    numbers: Sequence[int] | None
    size: FrameSize | None
    profile: str = "basicsr"
    layout: Layout = VIMEO90K
    format: str = "lmdb"

    def __post_init__(self) -> None:
        for name in ("source", "target"):
            object.__setattr__(self, name, Path(getattr(self, name)))
        if self.profile not in KEY_PROFILES:
            allowed = ", ".join(KEY_PROFILES)
            raise SettingsError(f"LMDB profile {self.profile!r}: allowed are {allowed}")
        if self.format not in FORMATS:
            raise SettingsError(f"format {self.format!r}: allowed are {', '.join(FORMATS)}")
        if self.format != "lmdb" and self.profile != "basicsr":
            raise SettingsError(f"LMDB profile {self.profile!r}: is one of LMDB alone")
        if self.layout != VIMEO90K and self.profile != "basicsr":
            raise SettingsError(f"LMDB profile {self.profile!r}: is one of Vimeo90K alone")

    @property
    def partial(self) -> Path:
        """Where the database is built."""
        return self.target.with_name(self.target.name + PARTIAL_SUFFIX)

    def frames(self) -> list[tuple[str, Path]]:
        """(database key, file), in the order of the database: sorted by key."""
        profile, layout = KEY_PROFILES[self.profile], self.layout
        found: dict[str, Path] = {}
        for key in self.keys:
            frames = layout.frames(self.source, key)
            if self.numbers is None or layout.numbers is None:
                found.update(frames)
            else:
                names = [layout.frame_name(key, number) for number in self.numbers]
                found.update((name, frames[name]) for name in names)
        return sorted((profile.key(name), path) for name, path in found.items())

    def sizes(self, frames: Sequence[tuple[str, Path]]) -> dict[str, FrameSize]:
        """Of each frame by its database key: that of all, or that of its clip's first frame."""
        if self.size is not None:
            return dict.fromkeys((name for name, _ in frames), self.size)
        of_clip: dict[Path, FrameSize] = {}
        for _, path in frames:
            if path.parent not in of_clip:
                with contextlib.suppress(FrameError):
                    of_clip[path.parent] = read_frame_size(path)
        return {name: of_clip[path.parent] for name, path in frames if path.parent in of_clip}

    def record(self) -> Record:
        """What stands beside the database."""
        return Record(
            {**self.to_record(), **_origin(self.source)},
            remedy="--overwrite starts it anew, or choose another name",
            reports=(META_INFO_NAME,),
        )

    def to_record(self) -> dict[str, Any]:
        """What must be the same for a build to be continued, or to be there already."""
        listing = "\n".join(sorted(self.keys)).encode()
        other = {} if self.format == "lmdb" else {"format": self.format}
        return {
            **other,
            "profile": self.profile,
            "frame_numbers": "all" if self.numbers is None else list(self.numbers),
            "frame_size": "of each clip" if self.size is None else str(self.size),
            "clips": len(self.keys),
            "clips_sha256": hashlib.sha256(listing).hexdigest(),
        }


def check_name(name: str) -> str:
    """The name of a database, which is one name and no path.

    Raises:
        SettingsError: it leads elsewhere.
    """
    if name in ("", ".", "..") or "/" in name or os.sep in name or "\0" in name:
        raise SettingsError(
            f"name {name!r}: need a plain name, such as gt.lmdb; --output-dir says where it lies"
        )
    return name


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
