"""REDS in one folder: validation clips as 240 to 269 beside the training clips, hard-linked."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple

from vimeo_tools.errors import OutputError, SettingsError
from vimeo_tools.running.atomic import remove_parts
from vimeo_tools.running.jobs import Summary

_FIRST_OF_VALIDATION = 240
_PARTIAL = ".{}.partial"


class _Kind(NamedTuple):
    """Where training and validation clips of one kind of frames lie below the data set's folder."""

    train: str
    validation: str


def _kinds() -> list[_Kind]:
    folders = ["sharp", *(f"sharp_bicubic/X{scale}" for scale in (2, 3, 4)), "blur"]
    unpacked = [_Kind(f"train_{name}", f"val_{name}") for name in folders]
    # The archives hold train/train_sharp and val/val_sharp.
    return unpacked + [_Kind(f"train/{kind.train}", f"val/{kind.validation}") for kind in unpacked]


def regroup(folder: str | Path) -> Summary:
    """Give each validation clip of REDS a second name among the training clips: 000 is 240.

    Files are linked, not copied; nothing is moved, changed or removed. Clips that are there
    already, as these or as copies of them, stay. Run again, it does what is missing.

    Args:
        folder: holds ``train_sharp`` and ``val_sharp``, and the same of LQ.

    Raises:
        SettingsError: there is no such pair of folders.
        OutputError: another clip has the name, or the folders lie on two file systems.
    """
    folder = Path(folder)
    pairs = [(folder / kind.train, folder / kind.validation) for kind in _kinds()]
    pairs = [pair for pair in pairs if all(path.is_dir() for path in pair)]
    if not pairs:
        raise SettingsError(
            f"{folder}: holds no train_sharp with val_sharp, nor train/train_sharp with "
            "val/val_sharp; --regroup is for REDS as it is downloaded"
        )
    summary = Summary()
    for train, validation in pairs:
        for clip in sorted(path for path in validation.iterdir() if _is_clip(path)):
            name = f"{int(clip.name) + _FIRST_OF_VALIDATION:03d}"
            linked = _link_clip(clip, train / name)
            summary.clips += 1
            summary.done += linked
            summary.skipped += 0 if linked else len(_files(clip))
    return summary.end()


def _is_clip(path: Path) -> bool:
    return path.is_dir() and path.name.isdecimal() and len(path.name) == 3


def _files(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.iterdir() if not path.name.startswith(".")}


def _link_clip(clip: Path, target: Path) -> int:
    """Link the files of a clip; how many, 0 where it is there."""
    files = _files(clip)
    if target.exists():
        there = _files(target)
        if there.keys() == files.keys() and all(_same(there[n], files[n]) for n in files):
            return 0
        raise OutputError(
            f"{target}: is there and is not {clip}; clips 240 to 269 are the validation clips of "
            "REDS: give that one another name"
        )
    partial = target.with_name(_PARTIAL.format(target.name))
    partial.mkdir(exist_ok=True)
    remove_parts(partial)
    for name, path in files.items():
        if not (partial / name).exists():
            _link(path, partial / name)
    partial.rename(target)  # whole, or not there
    return len(files)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        advice = "; a hard link needs both on one file system" if error.errno == errno.EXDEV else ""
        reason = os.strerror(error.errno or 0)
        raise OutputError(f"{target}: cannot be linked: {reason}{advice}") from None


def _same(a: Path, b: Path) -> bool:
    if a.samefile(b):
        return True
    return a.stat().st_size == b.stat().st_size and a.read_bytes() == b.read_bytes()
