"""What Vimeo90K is: clips of seven frames, their keys, paths, sizes and database keys."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vimeo_tools.data.layouts import SPLITS as SPLITS
from vimeo_tools.data.layouts import VIMEO90K, Layout
from vimeo_tools.data.png import FrameSize, read_png_size
from vimeo_tools.errors import AnnotationError, FrameError, SettingsError
from vimeo_tools.running.atomic import write_text

FRAME_NUMBERS = tuple(range(1, 8))
FRAMES_PER_CLIP = len(FRAME_NUMBERS)
CENTRE_FRAME = 4
GT_FOLDER = VIMEO90K.gt_folder

# Enough clips to see the usual frame size without reading the whole tree.
_SIZE_SAMPLE = 16


def check_key(key: str) -> str:
    """``key`` itself if it is a clip key such as ``00001/0001``.

    Raises:
        AnnotationError: anything else, ``../`` and absolute paths among it.
    """
    return VIMEO90K.check_key(key)


def frame_path(root: Path, key: str, number: int) -> Path:
    """Where frame ``number`` (1 to 7) of clip ``key`` lies below ``root``."""
    return VIMEO90K.frame_path(root, key, number)


def split_list_path(root: Path, split: str) -> Path:
    """The official list of a split ("train" or "test") in an unpacked ``vimeo_septuplet``."""
    return VIMEO90K.list_path(root, split)


def find_keys(root: Path) -> list[str]:
    """The keys of all clip folders below ``root``, sorted.

    Raises:
        SettingsError: ``root`` holds none.
    """
    return VIMEO90K.find_keys(root)


OFFICIAL_SIZE = FrameSize(height=256, width=448)


def usual_size(root: Path, keys: Sequence[str], layout: Layout = VIMEO90K) -> FrameSize:
    """The most frequent frame size among clips spread evenly over ``keys``.

    Raises:
        FrameError: not one of their frames can be read.
    """
    step = -(-len(keys) // _SIZE_SAMPLE)
    sizes: Counter[FrameSize] = Counter()
    for key in keys[::step]:
        for path in list(layout.frames(root, key).values())[:FRAMES_PER_CLIP]:
            with contextlib.suppress(FrameError):
                sizes[read_png_size(path)] += 1
    if not sizes:
        first = next(iter(layout.frames(root, keys[0]).values()))
        raise FrameError(
            f"{root}: of {len(keys)} clips no frame could be read, {first} for one; name the "
            f"folder that holds {first.relative_to(root)} and so on"
        )
    return sizes.most_common(1)[0][0]


def common_size(root: Path, keys: Sequence[str], layout: Layout) -> FrameSize | None:
    """The size that all frames of a data set have; None where each clip may have its own.

    Raises:
        FrameError: as `usual_size`.
    """
    return None if layout.numbers is None else usual_size(root, keys, layout)


@dataclass(frozen=True)
class KeyProfile:
    """How a reader of LMDB databases names frames.

    Attributes:
        name: "basicsr" or "mmagic".
        example: a database key.
        pattern: a regular expression of database keys.
    """

    name: str
    example: str
    pattern: str

    def key(self, name: str) -> str:
        """The database key of a frame; ``name`` is clip and frame, as in ``00001/0001/im1``."""
        return name

    def parse(self, key: str) -> str:
        """The frame's name of a database key.

        Raises:
            AnnotationError: the key is not of this profile.
        """
        if not re.fullmatch(self.pattern, key):
            raise AnnotationError(
                f"{key!r}: not a key of profile {self.name}, as in {self.example}"
            )
        return key


class _OfSeptuplets(KeyProfile):
    def key(self, name: str) -> str:
        folder, clip, frame = name.split("/")
        return f"{folder}_{clip}_{frame.removeprefix('im')}"

    def parse(self, key: str) -> str:
        folder, clip, number = super().parse(key).split("_")
        return f"{folder}/{clip}/im{number}"


KEY_PROFILES = {
    "basicsr": KeyProfile("basicsr", "00001/0001/im1 or 000/00000000", r"[^/\s]+(/[^/\s]+){1,3}"),
    "mmagic": _OfSeptuplets("mmagic", "00001_0001_1", "[0-9]{5}_[0-9]{4}_[1-7]"),
}


def is_septuplet_frame(name: str) -> bool:
    """Whether a frame's name is one of Vimeo90K, as ``00001/0001/im1``."""
    return bool(re.fullmatch("[0-9]{5}/[0-9]{4}/im[1-7]", name))


def merge_keys(lists: Iterable[Sequence[str]]) -> list[str]:
    """All keys of several lists, each once, in order of first appearance."""
    return list(dict.fromkeys(key for keys in lists for key in keys))


def numbered_keys(folder: int, count: int) -> list[str]:
    """``count`` keys from ``folder/0001`` on, with 9,999 to a folder.

    Raises:
        SettingsError: the folders would go beyond 99999.
    """
    keys = [f"{folder + n // 9999:05d}/{n % 9999 + 1:04d}" for n in range(count)]
    if keys and len(keys[-1]) != len("00001/0001"):
        raise SettingsError(f"{count} clips from folder {folder} on: folders end at 99999")
    return keys


def write_split_lists(root: Path, train: Sequence[str], test: Sequence[str]) -> None:
    """The two official lists of a septuplet folder, a key per line; an empty one is left out."""
    for split, keys in zip(SPLITS, (train, test), strict=True):
        if keys:
            write_text(split_list_path(root, split), "".join(f"{key}\n" for key in keys))
