"""What data sets are on disk: keys of clips, paths of frames, names of lists, by name.

A data set of your own is a line, in any module (which commands import by ``--plugin``):

    LAYOUTS["reds"] = Layout(
        key="[0-9]{3}",
        key_words="three digits",
        frame="{key}/{number:08d}.png",
        numbers=tuple(range(100)),
        lists={"train": "train.txt", "test": "test.txt"},
        gt_folder="train_sharp",
        title="REDS",
    )
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vimeo_tools.errors import AnnotationError, SettingsError


@dataclass(frozen=True)
class Layout:
    """Where the frames and lists of a data set lie.

    Attributes:
        key: a regular expression of clip keys, which are relative folders.
        key_words: the same in words, for messages.
        frame: of a frame below the root, with the fields ``key`` and ``number``; a .png.
        numbers: of the frames that each clip has.
        lists: per split ("train", "test"), the list of its clips, beside the GT folder.
        gt_folder: the usual name of the root of GT.
        title: in the names of annotations and databases.
    """

    key: str
    key_words: str
    frame: str
    numbers: tuple[int, ...]
    lists: Mapping[str, str]
    gt_folder: str = "sequences"
    title: str = "Vimeo90K"

    def check_key(self, key: str) -> str:
        """``key`` itself if it is one of a clip.

        Raises:
            AnnotationError: anything else, ``../`` and absolute paths among it.
        """
        if not re.fullmatch(self.key, key) or ".." in key.split("/") or key.startswith("/"):
            raise AnnotationError(f"{key!r}: a clip key is {self.key_words}")
        return key

    def frame_name(self, key: str, number: int) -> str:
        """Of a frame: its path below the root without the suffix."""
        return self.frame.format(key=key, number=number).removesuffix(".png")

    def frame_path(self, root: Path, key: str, number: int) -> Path:
        """Where frame ``number`` of clip ``key`` lies below ``root``."""
        return root / self.frame.format(key=key, number=number)

    def list_path(self, folder: Path, split: str) -> Path:
        """The list of a split; ``folder`` is the one that holds the GT folder."""
        return folder / self.lists[split]

    def annotation_name(self, split: str) -> str:
        """The trainers' name for the annotation of a split."""
        return f"meta_info_{self.title}_{split}_GT.txt"

    def find_keys(self, root: Path) -> list[str]:
        """The keys of all clip folders below ``root``, sorted.

        Raises:
            SettingsError: ``root`` holds none.
        """
        depth = self.key.count("/") + 1
        folders = (path for path in root.glob("/".join("*" * depth)) if path.is_dir())
        candidates = (path.relative_to(root).as_posix() for path in folders)
        keys = sorted(key for key in candidates if re.fullmatch(self.key, key))
        if not keys:
            raise SettingsError(f"{root}: holds no clip folder; their names are {self.key_words}")
        return keys


VIMEO90K = Layout(
    key="[0-9]{5}/[0-9]{4}",
    key_words="five digits, a slash, four digits, as in 00001/0001",
    frame="{key}/im{number}.png",
    numbers=tuple(range(1, 8)),
    lists={"train": "sep_trainlist.txt", "test": "sep_testlist.txt"},
)
LAYOUTS: dict[str, Layout] = {"vimeo90k": VIMEO90K}


def choose_layout(name: str | Layout) -> Layout:
    """The layout of that name.

    Raises:
        SettingsError: there is none.
    """
    if isinstance(name, Layout):
        return name
    if name not in LAYOUTS:
        raise SettingsError(f"layout {name!r}: there are {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
