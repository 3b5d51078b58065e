"""Septuplet folders -> LMDB: PNG bytes checked and copied, never decoded; resumable."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from vimeo_tools.data.lmdb_store import META_INFO_NAME, LmdbWriter, meta_info_text
from vimeo_tools.data.png import FrameSize, check_png, read_file
from vimeo_tools.data.septuplets import CENTRE_FRAME, FRAME_NUMBERS, KEY_PROFILES, frame_path
from vimeo_tools.errors import FrameError, OutputError, SettingsError
from vimeo_tools.running.atomic import write_text
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.jobs import Summary
from vimeo_tools.running.records import RECORD_NAME, differences, read_record, write_record

PARTIAL_SUFFIX = ".partial"
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
    """

    source: Path
    target: Path
    keys: Sequence[str]
    numbers: Sequence[int]
    size: FrameSize
    profile: str = "basicsr"

    def __post_init__(self) -> None:
        if self.profile not in KEY_PROFILES:
            allowed = ", ".join(KEY_PROFILES)
            raise SettingsError(f"LMDB profile {self.profile!r}: allowed are {allowed}")

    @property
    def partial(self) -> Path:
        """Where the database is built."""
        return self.target.with_name(self.target.name + PARTIAL_SUFFIX)

    def frames(self) -> list[tuple[str, Path]]:
        """(database key, file), in the order of the database: sorted by key."""
        profile = KEY_PROFILES[self.profile]
        return sorted(
            (profile.key(key, number), frame_path(self.source, key, number))
            for key in self.keys
            for number in self.numbers
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


def pack(plan: PackPlan, *, overwrite: bool = False) -> Summary:
    """Build the database, or what is missing of it after an interruption.

    Args:
        plan: what to build.
        overwrite: replace a database of that name; the old one stays until the new one is whole.

    Returns:
        The summary. With failures among it, the rest is in ``plan.partial``; once the frames are
        mended, the next call adds what is missing.

    Raises:
        OutputError: another database has the name, or the disk is full.
        LmdbError: the partial database cannot be opened.
    """
    summary = Summary(clips=len(plan.keys))
    frames = plan.frames()
    if not overwrite and _is_there(plan.target, plan, "--overwrite replaces it"):
        summary.skipped = len(frames)
        return summary.end()
    with _claimed(plan, overwrite):
        with LmdbWriter(plan.partial) as writer:
            present = writer.keys()
            missing = [(name, path) for name, path in frames if name.encode() not in present]
            summary.skipped = len(frames) - len(missing)
            _copy(plan, missing, writer, summary)
        if not summary.failures:
            _give_name(plan, [name for name, _ in frames])
    return summary.end()


def _copy(
    plan: PackPlan, missing: Sequence[tuple[str, Path]], writer: LmdbWriter, summary: Summary
) -> None:
    with tqdm(total=len(missing), desc=plan.target.name, unit="frame", disable=None) as bar:
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


def _is_there(folder: Path, plan: PackPlan, remedy: str) -> bool:
    """Whether ``folder`` was built by this plan; an OutputError when by another."""
    if not folder.exists():
        return False
    record = read_record(folder)
    if record is None:
        raise OutputError(f"{folder}: is there and was not made by this tool; {remedy}")
    if changed := differences(record, plan.to_record()):
        raise OutputError(f"{folder}: was made otherwise: {changed}; {remedy}")
    return True


@contextlib.contextmanager
def _claimed(plan: PackPlan, overwrite: bool) -> Iterator[None]:
    """The partial folder, this plan's and this process's alone."""
    try:
        plan.partial.mkdir(parents=True, exist_ok=True)
        lock = (plan.partial / ".lock").open("w")
    except OSError as error:
        raise OutputError(f"{plan.partial}: cannot be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{plan.partial}: another process is packing here") from None
        if overwrite:
            (plan.partial / "data.mdb").unlink(missing_ok=True)
        elif (plan.partial / RECORD_NAME).exists():
            _is_there(plan.partial, plan, "--overwrite starts it anew")
        write_record(plan.partial, plan.to_record())
        yield


def _give_name(plan: PackPlan, names: Sequence[str]) -> None:
    write_text(plan.partial / META_INFO_NAME, meta_info_text(names, plan.size))
    (plan.partial / ".lock").unlink()
    old = plan.target.with_name(plan.target.name + ".old")
    if plan.target.exists():
        shutil.rmtree(old, ignore_errors=True)
        plan.target.rename(old)
    plan.partial.rename(plan.target)
    shutil.rmtree(old, ignore_errors=True)
