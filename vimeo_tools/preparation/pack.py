"""Septuplet folders -> LMDB: PNG bytes checked and copied, never decoded; resumable."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from vimeo_tools.data.frames import MADE_OF, recorded_degradation
from vimeo_tools.data.layouts import VIMEO90K, Layout
from vimeo_tools.data.lmdb_store import META_INFO_NAME, LmdbWriter, meta_info_text
from vimeo_tools.data.png import FrameSize, check_png, read_file
from vimeo_tools.data.septuplets import CENTRE_FRAME, FRAME_NUMBERS, KEY_PROFILES
from vimeo_tools.errors import FrameError, OutputError, SettingsError
from vimeo_tools.running.atomic import is_part, write_text
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.folders import LOCK_NAME, Place, clean, refuse_overlap, taken
from vimeo_tools.running.jobs import Summary
from vimeo_tools.running.progress import progress
from vimeo_tools.running.records import RECORD_NAME, Record, differences, read_record

PARTIAL_SUFFIX = ".partial"
_DATA = "data.mdb"
_OUR_FILES = {_DATA, "lock.mdb", META_INFO_NAME, RECORD_NAME, LOCK_NAME}
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
    made = recorded_degradation(source) if content.low_quality else None
    return name.replace("_LR", f"_{made[0].tag}LR") if made and made[0].tag != "BI" else name


def frame_numbers(content: Content, layout: Layout) -> tuple[int, ...]:
    """The frames of each clip that a database holds."""
    if content.numbers == FRAME_NUMBERS:
        return layout.numbers
    return content.numbers if layout == VIMEO90K else layout.numbers[len(layout.numbers) // 2 :][:1]


@dataclass(frozen=True)
class PackPlan:
    """One database to be: which frames, under which keys.

    Attributes:
        source: the tree that holds ``00001/0001/im1.png`` and so on.
        target: the final folder.
        keys: the clips.
        numbers: the frames of each clip.
        size: of every frame.
        profile: a key of ``KEY_PROFILES``.
        layout: where frames lie.

    Paths may be given as str.
    """

    source: Path
    target: Path
    keys: Sequence[str]
    numbers: Sequence[int]
    size: FrameSize
    profile: str = "basicsr"
    layout: Layout = VIMEO90K

    def __post_init__(self) -> None:
        for name in ("source", "target"):
            object.__setattr__(self, name, Path(getattr(self, name)))
        if self.profile not in KEY_PROFILES:
            allowed = ", ".join(KEY_PROFILES)
            raise SettingsError(f"LMDB profile {self.profile!r}: allowed are {allowed}")
        if self.layout != VIMEO90K and self.profile != "basicsr":
            raise SettingsError(f"LMDB profile {self.profile!r}: is one of Vimeo90K alone")

    @property
    def partial(self) -> Path:
        """Where the database is built."""
        return self.target.with_name(self.target.name + PARTIAL_SUFFIX)

    def frames(self) -> list[tuple[str, Path]]:
        """(database key, file), in the order of the database: sorted by key."""
        mmagic = KEY_PROFILES[self.profile].key if self.profile != "basicsr" else None
        name = mmagic or self.layout.frame_name
        return sorted(
            (name(key, number), self.layout.frame_path(self.source, key, number))
            for key in self.keys
            for number in self.numbers
        )

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
        return {
            "profile": self.profile,
            "frame_numbers": list(self.numbers),
            "frame_size": str(self.size),
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
    refuse_overlap(plan.target, plan.source)
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
        with LmdbWriter(plan.partial) as writer:
            present = writer.keys(lambda data: plan.size.check(check_png(data)))
            missing = [(name, path) for name, path in frames if name.encode() not in present]
            summary.skipped = len(frames) - len(missing)
            _copy(plan, missing, writer, summary)
        if not summary.failures:
            _give_name(place, plan, [name for name, _ in frames])
    return summary.end()


def _copy(
    plan: PackPlan, missing: Sequence[tuple[str, Path]], writer: LmdbWriter, summary: Summary
) -> None:
    with progress(len(missing), "frame", plan.target.name) as bar:
        for batch in _batches(missing):
            records = []
            for name, path in batch:
                try:
                    data = read_file(path)
                    plan.size.check(check_png(data))
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
    foreign = sorted(files - _OUR_FILES)
    if foreign and overwrite:
        raise OutputError(
            f"{folder}: holds {foreign[0]}, which this command did not make, so it is not "
            "replaced; choose another name"
        )
    if overwrite or not (folder / _DATA).exists():  # a kill came while the old one was removed
        return False
    older = () if MADE_OF in record else (MADE_OF,)  # made before that was noted
    if changed := differences(record, plan.record().settings, older):
        raise OutputError(
            f"{folder}: was made with {changed}; --overwrite replaces it, or choose another name"
        )
    return True


def _give_name(place: Place, plan: PackPlan, names: Sequence[str]) -> None:
    write_text(plan.partial / META_INFO_NAME, meta_info_text(names, plan.size))
    if plan.target.exists():
        clean(plan.target)
        _remove_database(plan.target)
        (plan.target / RECORD_NAME).unlink(missing_ok=True)
    place.rename(plan.target)


def _remove_database(folder: Path) -> None:
    """Remove all but the record, which says that the folder is ours, and the lock."""
    for name in (_DATA, "lock.mdb", META_INFO_NAME):
        (folder / name).unlink(missing_ok=True)
