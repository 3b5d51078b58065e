"""Lists of clips: the official split lists and the "meta info" files of the trainers.

| form | line | read by |
|---|---|---|
| plain | ``00001/0001`` | the official split lists |
| basicsr | ``00001/0001 7 (256,448,3)`` | BasicSR, KAIR |
| mmagic | ``00001/0001 7 (256, 448, 3)`` | mmagic |
| mindediting | ``00001/0001 (256, 448, 3)`` | mindediting |
| kair | ``000 100 (720,1280,3) 00000000`` | KAIR, of other sets than Vimeo90K |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from vimeo_tools.data.files import read_regular
from vimeo_tools.data.frame_files import read_frame_size
from vimeo_tools.data.layouts import SPLITS, VIMEO90K, Layout, clip_folder, span_of
from vimeo_tools.data.png import FrameSize
from vimeo_tools.errors import AnnotationError, FrameError
from vimeo_tools.running.atomic import write_text
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.jobs import each

ANNOTATION_FORMS = {
    "basicsr": "{key} {frames} ({height},{width},3)",
    "mmagic": "{key} {frames} ({height}, {width}, 3)",
    "mindediting": "{key} ({height}, {width}, 3)",
    "kair": "{key} {frames} ({height},{width},3) {start}",
}
# What may follow the key; the key has its own check.
_REST = re.compile(
    r"(?:\s+([0-9]{1,9}))?"
    r"(?:\s+\(\s*[0-9]+\s*,\s*[0-9]+\s*,\s*[0-9]+\s*\)(?:\s+([0-9]{1,9}))?)?",
    re.ASCII,
)
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANKS = " \t"
_LARGEST_LIST, _LONGEST_LINE = 2**25, 200  # a line of any form has at most some 40 characters


class ClipLine(NamedTuple):
    """A clip in a list.

    Attributes:
        key: of the clip.
        frames: how many; None where the line does not say.
        start: the number of its first frame, as in the file's name; None as above.
        size: of its frames; None when read.
    """

    key: str
    frames: int | None = None
    start: str | None = None
    size: FrameSize | None = None

    def contradicts(self, found: ClipLine) -> str:
        """Why the clip as found is not that of this line; "" where it is."""
        if self.frames not in (None, found.frames):
            return f"the list says {self.frames} frames, there are {found.frames}"
        if self.start is not None and int(self.start) != int(found.start or 0):
            return f"the list says that the first frame is {self.start}, it is {found.start}"
        return ""


class ClipList(NamedTuple):
    """What a list holds.

    Attributes:
        keys: clip keys in the order of the list, each once.
        failures: the lines that gave no key, with ``list.txt:12`` as path.
    """

    keys: list[str]
    failures: list[Failure]


def annotation_name(split: str) -> str:
    """The trainers' name for the annotation of a split ("train" or "test")."""
    return VIMEO90K.annotation_name(split)


def read_list(path: Path, layout: Layout = VIMEO90K) -> ClipList:
    """The clips of a list in any of the forms; CRLF, a BOM and blank lines are accepted.

    Raises:
        AnnotationError: the file is missing, not text, or names no clip at all.
    """
    lines, failures = read_lines(path, layout)
    return ClipList([line.key for line in lines], failures)


def read_lines(path: Path, layout: Layout = VIMEO90K) -> tuple[list[ClipLine], list[Failure]]:
    """As `read_list`, with all that its lines say; and the lines that gave no key.

    Raises:
        AnnotationError: as `read_list`.
    """
    line_of_key: dict[str, int] = {}
    lines, failures = [], []
    for number, text in _read_lines(path):
        where = f"{path}:{number}"
        try:
            line = _parse_line(text, layout)
        except AnnotationError as error:
            failures.append(Failure(where, str(error)))
            continue
        if line.key in line_of_key:
            before = line_of_key[line.key]
            failures.append(Failure(where, f"{line.key!r} stands on line {before} already"))
        else:
            line_of_key[line.key] = number
            lines.append(line)
    if not lines:
        bad = f"; {failures[0]}" if failures else ""
        raise AnnotationError(f"{path}: names no clip; a clip key is {layout.key_words}{bad}")
    return lines, failures


def in_both(lists: Mapping[str, Path], layout: Layout = VIMEO90K) -> str | None:
    """A warning where clips stand in the train list and in the test list; None otherwise.

    Raises:
        AnnotationError: as `read_list`.
    """
    if not lists.keys() >= set(SPLITS):
        return None
    train, test = (read_list(lists[split], layout).keys for split in SPLITS)
    shared = sorted(set(train) & set(test))
    if not shared:
        return None
    return (
        f"{lists['train']} and {lists['test']}: {len(shared)} of {len(test)} test clips are "
        f"trained on too, {shared[0]} for one; figures measured on them say nothing"
    )


def look_at_clips(
    gt_root: Path,
    keys: Sequence[str],
    size: FrameSize | None,
    executor: Executor | None = None,
    layout: Layout = VIMEO90K,
) -> tuple[dict[str, ClipLine], list[Failure]]:
    """What a list can say of clips, by the headers of their frames.

    Args:
        gt_root: holds ``00001/0001/im1.png`` and so on.
        keys: the clips.
        size: that all frames must have; None where all of one clip have the same.
        executor: see `vimeo_tools.running.jobs.each`.
        layout: where frames lie.

    Returns:
        The clips that are whole, and the frames that are missing or, by their headers, no frames
        of that size; sorted.
    """
    task = partial(_look_at_clip, gt_root, size, layout)
    lines, failures = {}, []
    for line, found in each(task, keys, executor, label="headers"):
        failures += found
        if not found:
            lines[line.key] = line
    return lines, sorted(failures)


def write_annotation(path: Path, clips: Iterable[ClipLine], form: str = "basicsr") -> None:
    """Write a meta-info file, a line per clip.

    Args:
        path: the file; it appears when it is whole.
        clips: with the size and number of their frames, as from `look_at_clips`.
        form: a key of ``ANNOTATION_FORMS``.

    Raises:
        AnnotationError: form "kair" of a clip whose frames are not numbered.
    """
    template = ANNOTATION_FORMS[form]
    lines = []
    for clip in clips:
        if form == "kair" and clip.start is None:
            raise AnnotationError(
                f"{clip.key}: its frames are not numbered one after another, and form kair names "
                "the first number; choose another --annotation-form"
            )
        height, width = (clip.size.height, clip.size.width) if clip.size else (0, 0)
        values = {"key": clip.key, "frames": clip.frames, "start": clip.start}
        lines.append(template.format(**values, height=height, width=width))
    write_text(path, "".join(f"{line}\n" for line in lines))


def _read_lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = read_regular(path, _LARGEST_LIST).decode("utf-8-sig")
    except FileNotFoundError:
        raise AnnotationError(f"{path}: there is no such list") from None
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AnnotationError(f"{path}: is not a text file in UTF-8") from None
    lines = enumerate((line.strip(_BLANKS) for line in _LINE_END.split(text)), start=1)
    return [(number, line) for number, line in lines if line]


def _parse_line(line: str, layout: Layout) -> ClipLine:
    if len(line) > _LONGEST_LINE:
        raise AnnotationError(f"the line has {len(line):,} characters, a clip key has 10")
    key, *_ = line.split(maxsplit=1) or [line]
    layout.check_key(key)
    match = _REST.fullmatch(line[len(key) :])
    if not match:
        forms = ", ".join(
            repr(form.format(key="00001/0001", frames=7, height=256, width=448, start=1))
            for form in ANNOTATION_FORMS.values()
        )
        raise AnnotationError(f"{line!r}: a line is a clip key, alone or as in {forms}")
    return ClipLine(key, int(match[1]) if match[1] else None, match[2])


def _look_at_clip(
    gt_root: Path, size: FrameSize | None, layout: Layout, key: str
) -> tuple[ClipLine, list[Failure]]:
    folder, failures = clip_folder(gt_root, key), []
    try:
        frames = layout.frames(gt_root, key)
    except FrameError as error:
        return ClipLine(key), [Failure(str(folder), str(error))]
    for path in frames.values():
        try:
            found = read_frame_size(path)
            size = size or found
            size.check(found)
        except FrameError as error:
            failures.append(Failure(str(path), str(error)))
    if not frames:
        failures.append(Failure(str(folder), "holds no frame (PNG or JPEG)"))
    start = span_of(list(frames))
    if gap := _gap(frames) if start is None else "":
        failures.append(Failure(str(folder), gap))
    return ClipLine(key, len(frames), start, size), failures


def _gap(names: Iterable[str]) -> str:
    """The first number that is left out between two frames; "" where they are not numbered."""
    stems = [name.rpartition("/")[2] for name in names]
    if not all(re.fullmatch("[0-9]{1,18}", stem) for stem in stems):
        return ""
    for before, after in pairwise(stems):
        if int(after) != int(before) + 1:
            return f"between frames {before} and {after} others are missing"
    return ""
