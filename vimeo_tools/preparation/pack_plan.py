"""Databases to be: what they hold, of which clips, under which name and keys."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vimeo_tools.data.frame_files import read_frame_size
from vimeo_tools.data.frames import MADE_OF, recorded_degradation
from vimeo_tools.data.layouts import VIMEO90K, Layout
from vimeo_tools.data.lmdb_store import META_INFO_NAME
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import CENTRE_FRAME, FRAME_NUMBERS, KEY_PROFILES
from vimeo_tools.errors import FrameError, SettingsError
from vimeo_tools.running.records import Record

PARTIAL_SUFFIX = ".partial"
FORMATS = ("lmdb", "mindrecord")


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
