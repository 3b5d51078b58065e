"""What Vimeo90K is: clips of seven frames, their keys, paths, sizes and database keys."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vimeo_tools.data.layouts import VIMEO90K, Layout
from vimeo_tools.data.png import FrameSize, read_png_size
from vimeo_tools.errors import AnnotationError, FrameError, SettingsError
from vimeo_tools.running.atomic import write_text

FRAMES_PER_CLIP = len(VIMEO90K.numbers)
CENTRE_FRAME = 4
FRAME_NUMBERS = VIMEO90K.numbers
GT_FOLDER = VIMEO90K.gt_folder
SPLITS = ("train", "test")

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
        for number in layout.numbers[:FRAMES_PER_CLIP]:
            with contextlib.suppress(FrameError):
                sizes[read_png_size(layout.frame_path(root, key, number))] += 1
    if not sizes:
        first = layout.frame_path(root, keys[0], layout.numbers[0])
        raise FrameError(
            f"{root}: of {len(keys)} clips no frame could be read, {first} for one; name the "
            f"folder that holds {first.relative_to(root)} and so on"
        )
    return sizes.most_common(1)[0][0]


@dataclass(frozen=True)
class KeyProfile:
    """How a reader of LMDB databases names frames.

    Attributes:
        name: "basicsr" or "mmagic".
        template: of the key, with the fields ``folder``, ``clip`` and ``number``.
    """

    name: str
    template: str

    def key(self, clip_key: str, number: int) -> str:
        """The ASCII key of a frame."""
        folder, clip = clip_key.split("/")
        return self.template.format(folder=folder, clip=clip, number=number)

    def parse(self, key: str) -> tuple[str, int]:
        """(clip key, frame number) of a database key.

        Raises:
            AnnotationError: the key is not of this profile.
        """
        pattern = self.template.format(folder="([0-9]{5})", clip="([0-9]{4})", number="([1-7])")
        match = re.fullmatch(pattern, key)
        if not match:
            example = self.key("00001/0001", 1)
            raise AnnotationError(f"{key!r}: not a key of profile {self.name}, as in {example}")
        return f"{match[1]}/{match[2]}", int(match[3])


KEY_PROFILES = {
    "basicsr": KeyProfile("basicsr", "{folder}/{clip}/im{number}"),
    "mmagic": KeyProfile("mmagic", "{folder}_{clip}_{number}"),
}


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
