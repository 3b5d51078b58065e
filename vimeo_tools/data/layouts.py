"""What data sets are on disk: keys of clips, paths of frames, names of lists, by name.

A data set of your own is a line, in any module (which commands import by ``--plugin``):

    LAYOUTS["mine"] = Layout(
        key="[a-z]+", key_words="lower-case letters", gt_folders=("frames",), title="Mine"
    )

A root of frames is a folder; or, with a ``*`` in it that stands for the clip, a folder within each
clip: ``train/*/sharp`` holds ``train/GOPR0372_07_00/sharp/000047.png``. A frame is named by clip
and file without suffix, ``000/00000000``, wherever it is stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vimeo_tools.data.pictures import PICTURE_SUFFIXES, find_pictures
from vimeo_tools.errors import AnnotationError, FrameError, SettingsError

SPLITS = ("train", "test")
_CLIP = "*"


@dataclass(frozen=True)
class Layout:
    """Where the frames and lists of a data set lie.

    Attributes:
        key: a regular expression of clip keys, which are relative folders.
        key_words: the same in words, for messages.
        frame: where clips all have the same frames: of one below the root, with the fields ``key``
            and ``number``; a .png.
        numbers: of those frames; None where a clip's frames are the pictures in its folder, of any
            number, in the order of the numbers in their names.
        lists: per split ("train", "test"), the list of its clips, beside the GT folder.
        gt_folder: the usual name of the root of GT.
        title: in the names of annotations and databases.
        gt_folders: other names of it, first to last, as they are looked for.
        lq_folders: names of trees of LQ, with the field ``scale``, besides those made here.
        stem: a regular expression of the frames' names, by which a data set is recognised.
        held_out: clips that are tested on where no list says so, and never trained on; None: all.
        known: the keys of the whole data set, by which it is recognised, where they are few.
        databases: names of databases, by content and split as in ``gt-all/train``.
    """

    key: str
    key_words: str
    frame: str = "{key}/{number}.png"
    numbers: tuple[int, ...] | None = None
    lists: Mapping[str, str] = field(
        default_factory=lambda: {split: f"{split}.txt" for split in SPLITS}
    )
    gt_folder: str = "sequences"
    title: str = "Vimeo90K"
    gt_folders: tuple[str, ...] = ()
    lq_folders: tuple[str, ...] = ()
    stem: str = ".+"
    held_out: tuple[str, ...] | None = ()
    known: frozenset[str] = frozenset()
    databases: Mapping[str, str] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.key, self.frame, self.numbers, self.title))

    def check_key(self, key: str) -> str:
        """``key`` itself if it is one of a clip.

        Raises:
            AnnotationError: anything else, ``../`` and absolute paths among it.
        """
        if not re.fullmatch(self.key, key) or ".." in key.split("/") or key.startswith("/"):
            raise AnnotationError(f"{key!r}: a clip key is {self.key_words}")
        return key

    def frames(self, root: Path, key: str) -> dict[str, Path]:
        """The frames of a clip in order: name -> file.

        Fixed ones need not be there; others are those in the clip's folder, none where it is
        missing.

        Raises:
            FrameError: two files are the same frame, as 000.png and 000.jpg.
        """
        if self.numbers is not None:
            names = [self.frame_name(key, number) for number in self.numbers]
            return {name: root / f"{name}.png" for name in names}
        folder = clip_folder(root, key)
        found: dict[str, Path] = {}
        for path in find_pictures(folder) if folder.is_dir() else ():
            name = f"{key}/{path.stem}"
            if name in found:
                raise FrameError(f"{folder}: two pictures are called {path.stem}; keep one of them")
            found[name] = path
        return found

    def frame_name(self, key: str, number: int) -> str:
        """Of a frame by its number, where these are fixed."""
        return self.frame.format(key=key, number=number).removesuffix(".png")

    def frame_path(self, root: Path, key: str, number: int) -> Path:
        """Where frame ``number`` of clip ``key`` lies below ``root``, where numbers are fixed."""
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
        keys = sorted(self._keys(root))
        if not keys:
            raise SettingsError(f"{root}: holds no clip folder; their names are {self.key_words}")
        return keys

    def holds_clip(self, root: Path) -> bool:
        """Whether there is a clip folder below ``root``; looks no further than the first."""
        return next(self._keys(root), None) is not None

    def _keys(self, root: Path) -> Iterator[str]:
        above, within = split_root(root)
        depth = self.key.count("/") + 1
        for path in above.glob("/".join("*" * depth)):
            key = path.relative_to(above).as_posix()
            if not re.fullmatch(self.key, key) or not (path / within).is_dir():
                continue
            if self.numbers is not None or _holds_picture(path / within):
                yield key

    def splits_of(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """Which clips are trained on and which tested on, where no list says so; none is empty."""
        held_out = set(keys if self.held_out is None else self.held_out)
        splits = {
            "train": [key for key in keys if key not in held_out],
            "test": [key for key in keys if key in held_out],
        }
        return {split: found for split, found in splits.items() if found}

    def recognises(self, root: Path, keys: Sequence[str]) -> bool:
        """Whether the clips ``keys`` below ``root`` are of this data set: by keys and a frame."""
        if self.known and not set(keys) <= self.known:
            return False
        if self.numbers is not None:
            return next(iter(self.frames(root, keys[0]).values())).is_file()
        return all(re.fullmatch(self.stem, path.stem) for path in self._ends(root, keys[0]))

    def _ends(self, root: Path, key: str) -> list[Path]:
        paths = list(self.frames(root, key).values())
        return [paths[0], paths[-1]] if paths else []


def split_root(root: Path) -> tuple[Path, str]:
    """(the folder of the clips' folders, where in each of these the frames lie)."""
    text = str(root)
    if _CLIP not in text:
        return root, ""
    above, _, within = text.partition(_CLIP)
    return Path(above or "."), within.strip("/")


def clip_folder(root: Path, key: str) -> Path:
    """Where the frames of a clip lie."""
    above, within = split_root(root)
    return above / key / within


def file_of(root: Path, name: str, suffix: str = ".png") -> Path:
    """The file of a frame by its name."""
    if _CLIP not in str(root):
        return root / f"{name}{suffix}"
    key, _, stem = name.rpartition("/")
    return clip_folder(root, key) / f"{stem}{suffix}"


def is_root(root: Path) -> bool:
    """Whether a root of frames is there at all."""
    return split_root(root)[0].is_dir()


def span_of(names: Sequence[str]) -> str | None:
    """The digits of the first of a clip's frames, where they are numbered without a gap."""
    stems = [name.rpartition("/")[2] for name in names]
    match = re.fullmatch("([0-9]+)", stems[0]) if stems else None
    if not match:
        return None
    start, digits = int(match[1]), len(match[1])
    return match[1] if stems == [f"{start + n:0{digits}d}" for n in range(len(stems))] else None


def _holds_picture(folder: Path) -> bool:
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    return any(path.suffix.lower() in PICTURE_SUFFIXES for path in files)


VIMEO90K = Layout(
    key="[0-9]{5}/[0-9]{4}",
    key_words="five digits, a slash, four digits, as in 00001/0001",
    frame="{key}/im{number}.png",
    numbers=tuple(range(1, 8)),
    lists={"train": "sep_trainlist.txt", "test": "sep_testlist.txt"},
)
REDS = Layout(
    key="[0-9]{3}",
    key_words="three digits, as in 000",
    gt_folder="train_sharp",
    gt_folders=("train/train_sharp", "GT", "sharp"),
    lq_folders=("train_sharp_bicubic/X{scale}", "train/train_sharp_bicubic/X{scale}"),
    title="REDS",
    stem="[0-9]{8}",
    held_out=("000", "011", "015", "020"),  # REDS4, which all published figures are measured on
    databases={
        "gt-all/train": "train_sharp_with_val.lmdb",
        "lq/train": "train_sharp_bicubic_with_val.lmdb",
    },
)


def _test_set(title: str, key: str, *names: str) -> Layout:
    words = f"one of {', '.join(names)}" if names else "as car05_001 or hdclub_003_001"
    return Layout(
        key,
        words,
        gt_folder="GT",
        gt_folders=("HR", "*/truth"),
        lq_folders=("*/input{scale}", "*/blur{scale}"),
        title=title,
        held_out=None,
        known=frozenset(names),
    )


VID4 = _test_set("Vid4", "[a-z]+", "calendar", "city", "foliage", "walk")
UDM10 = _test_set(
    "UDM10",
    "[a-z]+",
    *("archpeople", "archwall", "auditorium", "band", "caffe"),
    *("camera", "clap", "lake", "photography", "polyflow"),
)
SPMCS = _test_set("SPMCS", "[A-Za-z]+[0-9]*(_[a-z]+[0-9]*)?_[0-9]{3}(_[0-9]{3})?")
DVD = Layout(
    r"720p_240fps_[0-9]+|C[0-9]{4}|IMG_[0-9]{4}|GOPR[0-9]{4}",
    "as 720p_240fps_1, IMG_0030 or GOPR9633",
    gt_folder="train_GT",
    gt_folders=("test_GT", "quantitative_datasets/*/GT"),
    lq_folders=("train_GT_blurred", "test_GT_blurred", "quantitative_datasets/*/input"),
    title="DVD",
    stem="[0-9]{5}",
    held_out=(
        *("720p_240fps_2", "IMG_0003", "IMG_0021", "IMG_0030", "IMG_0031"),
        *("IMG_0032", "IMG_0033", "IMG_0037", "IMG_0039", "IMG_0049"),
    ),
)
GOPRO = Layout(
    "GOPR[0-9]{4}_[0-9]{2}_[0-9]{2}",
    "as GOPR0372_07_00",
    gt_folder="train_GT",
    gt_folders=("test_GT", "train/*/sharp", "test/*/sharp"),
    lq_folders=("train_GT_blurred", "test_GT_blurred", "train/*/blur", "test/*/blur"),
    title="GoPro",
    stem="[0-9]{6}",
    held_out=(
        *("GOPR0384_11_00", "GOPR0384_11_05", "GOPR0385_11_01", "GOPR0396_11_00"),
        *("GOPR0410_11_00", "GOPR0854_11_00", "GOPR0862_11_00", "GOPR0868_11_00"),
        *("GOPR0869_11_00", "GOPR0871_11_00", "GOPR0881_11_01"),
    ),
)
DAVIS = Layout(
    "[a-z]+(-[a-z0-9]+)*",
    "lower-case words, as in bike-packing",
    gt_folder="JPEGImages/480p",
    gt_folders=("DAVIS/JPEGImages/480p",),
    title="DAVIS",
    stem="[0-9]{5}",
)
FOLDERS = Layout(
    r"\w[\w.+,@~()\[\]#-]*",
    "a folder's name without blanks",
    gt_folder="GT",
    gt_folders=("HR", "gt", "frames", "."),
    title="Folders",
)
LAYOUTS: dict[str, Layout] = {
    "vimeo90k": VIMEO90K,
    "reds": REDS,
    "vid4": VID4,
    "udm10": UDM10,
    "spmcs": SPMCS,
    "dvd": DVD,
    "gopro": GOPRO,
    "davis": DAVIS,
    "folders": FOLDERS,
}


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
