"""Lists of clips: the official split lists and the "meta info" files of the trainers.

| form | line | read by |
|---|---|---|
| plain | ``00001/0001`` | the official split lists |
| basicsr | ``00001/0001 7 (256,448,3)`` | BasicSR, KAIR |
| mmagic | ``00001/0001 7 (256, 448, 3)`` | mmagic |
| mindediting | ``00001/0001 (256, 448, 3)`` | mindediting |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vimeo_tools.data.files import read_regular
from vimeo_tools.data.layouts import VIMEO90K, Layout
from vimeo_tools.data.png import FrameSize, read_png_size
from vimeo_tools.data.septuplets import (
    SPLITS,
)
from vimeo_tools.errors import AnnotationError, FrameError
from vimeo_tools.running.atomic import write_text
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.jobs import each

ANNOTATION_FORMS = {
    "basicsr": "{key} {frames} ({height},{width},3)",
    "mmagic": "{key} {frames} ({height}, {width}, 3)",
    "mindediting": "{key} ({height}, {width}, 3)",
}
# What may follow the key; the key has its own check.
_REST = re.compile(r"(\s+[0-9]+)?(\s+\(\s*[0-9]+\s*,\s*[0-9]+\s*,\s*[0-9]+\s*\))?", re.ASCII)
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANKS = " \t"
_LARGEST_LIST, _LONGEST_LINE = 2**25, 200  # a line of any form has at most some 40 characters


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
    """The clips of a list in any of the four forms; CRLF, a BOM and blank lines are accepted.

    Raises:
        AnnotationError: the file is missing, not text, or names no clip at all.
    """
    line_of_key: dict[str, int] = {}
    failures = []
    for number, line in _read_lines(path):
        where = f"{path}:{number}"
        try:
            key = _parse_line(line, layout)
        except AnnotationError as error:
            failures.append(Failure(where, str(error)))
            continue
        if key in line_of_key:
            failures.append(Failure(where, f"{key!r} stands on line {line_of_key[key]} already"))
        else:
            line_of_key[key] = number
    if not line_of_key:
        bad = f"; {failures[0]}" if failures else ""
        raise AnnotationError(f"{path}: names no clip; a clip key is {layout.key_words}{bad}")
    return ClipList(list(line_of_key), failures)


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


def check_headers(
    gt_root: Path,
    keys: Sequence[str],
    size: FrameSize,
    executor: Executor | None = None,
    layout: Layout = VIMEO90K,
) -> list[Failure]:
    """The frames of the clips that are missing or, by their headers, not 8-bit RGB PNG of ``size``.

    Args:
        gt_root: holds ``00001/0001/im1.png`` and so on.
        keys: the clips.
        size: that all frames must have.
        executor: see `vimeo_tools.running.jobs.each`.
        layout: where frames lie.
    """
    task = partial(_header_failures, gt_root, size, layout)
    failures = [f for found in each(task, keys, executor, label="headers") for f in found]
    return sorted(failures)


def write_annotation(
    path: Path,
    keys: Iterable[str],
    size: FrameSize,
    form: str = "basicsr",
    layout: Layout = VIMEO90K,
) -> None:
    """Write a meta-info file, a line per key.

    Args:
        path: the file; it appears when it is whole.
        keys: clip keys.
        size: of the GT frames.
        form: a key of ``ANNOTATION_FORMS``.
    """
    template = ANNOTATION_FORMS[form]
    lines = (
        template.format(key=key, frames=len(layout.numbers), height=size.height, width=size.width)
        for key in keys
    )
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


def _parse_line(line: str, layout: Layout) -> str:
    if len(line) > _LONGEST_LINE:
        raise AnnotationError(f"the line has {len(line):,} characters, a clip key has 10")
    key, *_ = line.split(maxsplit=1) or [line]
    layout.check_key(key)
    if not _REST.fullmatch(line[len(key) :]):
        forms = ", ".join(
            repr(form.format(key="00001/0001", frames=7, height=256, width=448))
            for form in ANNOTATION_FORMS.values()
        )
        raise AnnotationError(f"{line!r}: a line is a clip key, alone or as in {forms}")
    return key


def _header_failures(gt_root: Path, size: FrameSize, layout: Layout, key: str) -> list[Failure]:
    failures = []
    for number in layout.numbers:
        path = layout.frame_path(gt_root, key, number)
        try:
            size.check(read_png_size(path))
        except FrameError as error:
            failures.append(Failure(str(path), str(error)))
    return failures
