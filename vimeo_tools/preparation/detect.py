"""How was this LQ data made? Told from a few frames, however many there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vimeo_tools.data.frames import LmdbFrames, recorded_degradation
from vimeo_tools.data.pictures import PICTURE_SUFFIXES, Frame, decode_picture, find_pictures
from vimeo_tools.degradations import Degradation
from vimeo_tools.degradations.detect import detect_degradation
from vimeo_tools.degradations.detection import Detection
from vimeo_tools.errors import FrameError, SettingsError

USUAL_SAMPLE = 8
_DATABASE = "data.mdb"
# What lies beside LQ frames under such a name is what they were made of.
_GT_NAMES = ("sequences", "GT", "HR", "gt", "hr", "train_sharp", "val_sharp")
_GT_DATABASE = "vimeo90k_{split}_GT_all.lmdb"
# As pictures are called that were made smaller: baboonx4, baboon_x4.
_NAME_END = re.compile("_?[xX][1-9][0-9]?")


@dataclass(frozen=True)
class DataDetection:
    """What was found about a folder or a database of LQ frames.

    Attributes:
        lq, gt: what was looked at.
        detection: who made the frames.
        recorded: how the record beside LQ says that they were made, and their scale; None without.
    """

    lq: Path
    gt: Path
    detection: Detection
    recorded: tuple[Degradation, int] | None = None

    @property
    def contradiction(self) -> str:
        """In words, where the record is wrong; else ""."""
        if self.recorded is None:
            return ""
        made, scale = self.recorded
        if scale == self.detection.scale and self.detection.made_with(made):
            return ""
        return f"the record beside {self.lq} says otherwise: {made}, scale {scale}"

    def values(self) -> dict[str, Any]:
        """JSON-like."""
        recorded = self.recorded and {**self.recorded[0].record(), "scale": self.recorded[1]}
        return {
            "lq": str(self.lq),
            "gt": str(self.gt),
            **self.detection.values(),
            "recorded": recorded,
            "contradiction": self.contradiction or None,
        }

    def __str__(self) -> str:
        lines = [f"{self.lq}, made of {self.gt}: {self.detection}"]
        return "\n  ".join(lines + [self.contradiction] * bool(self.contradiction))


def detect(
    lq: str | Path,
    gt: str | Path | None = None,
    *,
    scale: int | None = None,
    sample: int = USUAL_SAMPLE,
) -> DataDetection:
    """Find out how LQ frames were made, from frames spread over all of them.

    Only the folders on the way to these frames are listed, so that a full-size tree takes no
    longer than a small one.

    Args:
        lq: a tree of pictures of any depth, or a database.
        gt: the same of the true frames, under the same names; LQ pictures may be named as
            ``baboonx4.png``. None for what lies beside ``lq`` under a usual name.
        scale: how many times smaller LQ is; None for what the sizes say.
        sample: how many frames.

    Raises:
        SettingsError: there are no frames, none of GT for them, or they are not GT made smaller.
        FrameError: a frame cannot be read.
        LmdbError: a database is not whole.
    """
    lq = Path(lq)
    if sample < 1:
        raise SettingsError(f"sample {sample}: need at least 1 frame")
    small = _open(lq)
    names = small.spread(sample)
    gt = Path(gt) if gt is not None else _beside(lq, names[0])
    large = _open(gt)
    pairs = [(large.frame(name), small.frame(name)) for name in names]
    detection = detect_degradation([pair[0] for pair in pairs], [pair[1] for pair in pairs], scale)
    return DataDetection(lq, gt, detection, recorded_degradation(lq))


class _Tree:
    """Pictures in folders; a name is a path below the root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listed = lru_cache(maxsize=None)(_children)

    def spread(self, count: int) -> list[str]:
        """The names of so many pictures, spread evenly."""
        found = (self._at((n + 0.5) / count) for n in range(count))
        return list(dict.fromkeys(found))

    def _at(self, part: float) -> str:
        """The picture at that part of the way through all, 0 to 1, as if folders were alike."""
        folder = self._root
        while True:
            children = self._listed(folder)
            if not children:
                raise SettingsError(f"{folder}: holds no pictures ({', '.join(PICTURE_SUFFIXES)})")
            place = part * len(children)
            chosen = children[int(place)]
            if not chosen.is_dir():
                return str(chosen.relative_to(self._root))
            folder, part = chosen, place - int(place)

    def frame(self, name: str) -> Frame:
        """The picture of that name, or one that a picture of that name was made of."""
        path = self.path(name)
        if path is None:
            raise SettingsError(
                f"{self._root}: holds no frame for {name}; give the folder in which GT frames lie "
                "as the LQ frames lie in theirs, with --gt"
            )
        try:
            return decode_picture(path)
        except FrameError as error:
            raise FrameError(f"{path}: {error}") from None

    def path(self, name: str) -> Path | None:
        """Where it lies; None where it does not."""
        place = self._root / name
        stems = [place.stem]
        if end := list(_NAME_END.finditer(place.stem)):
            stems.append(place.stem[: end[-1].start()])
        suffixes = [place.suffix, *PICTURE_SUFFIXES]
        paths = (place.with_name(stem + suffix) for stem in stems for suffix in suffixes)
        return next((path for path in paths if path.is_file()), None)


class _Database:
    """Frames of an LMDB; names are those of their files."""

    def __init__(self, root: Path) -> None:
        self._root, self._frames = root, LmdbFrames(root)

    def spread(self, count: int) -> list[str]:
        """As `_Tree.spread`."""
        names = [name for group in self._frames.groups() for name in group]
        if not names:
            raise SettingsError(f"{self._root}: holds no frames")
        places = (int((n + 0.5) / count * len(names)) for n in range(count))
        return [f"{names[place]}.png" for place in dict.fromkeys(places)]

    def frame(self, name: str) -> Frame:
        """As `_Tree.frame`."""
        try:
            return self._frames.frame(name.removesuffix(".png"))
        except FrameError as error:
            raise FrameError(f"{self._frames.where(name.removesuffix('.png'))}: {error}") from None


def _open(root: Path) -> _Tree | _Database:
    if not root.is_dir():
        raise SettingsError(f"{root}: there is no such folder")
    return _Database(root) if (root / _DATABASE).exists() else _Tree(root)


def _children(folder: Path) -> list[Path]:
    """What to choose from in a folder: its folders, or where there are none its pictures."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in entries if path.is_dir()] or find_pictures(folder)


def _beside(lq: Path, name: str) -> Path:
    """GT frames of a usual name beside LQ ones."""
    for folder in _usual_places(lq):
        if (folder / _DATABASE).exists() or (folder.is_dir() and _Tree(folder).path(name)):
            return folder
    raise SettingsError(
        f"{lq}: give the frames that these were made of with --gt; none of "
        f"{', '.join(_GT_NAMES)} lies beside it with a frame for {name}"
    )


def _usual_places(lq: Path) -> Iterator[Path]:
    here = lq.absolute()
    for parent in dict.fromkeys((lq.parent, *here.parents[:2])):
        yield from (parent / name for name in _GT_NAMES if (parent / name).absolute() != here)
    for split in ("train", "test"):
        if f"_{split}_" in here.name:
            yield here.parent / _GT_DATABASE.format(split=split)
