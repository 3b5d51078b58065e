"""Clips that are both trained on and tested on, under one name or two."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import NamedTuple

from vimeo_tools.errors import FrameError
from vimeo_tools.feed.samples import SequenceSource


class Leak(NamedTuple):
    """A clip that is trained on and tested on.

    Attributes:
        trained, tested: its keys, which differ where it was given another name.
    """

    trained: str
    tested: str

    def __str__(self) -> str:
        if self.trained == self.tested:
            return self.trained
        return f"{self.tested} (trained on as {self.trained}: the same frames)"


def find_leaks(train: SequenceSource, test: SequenceSource) -> list[Leak]:
    """The clips of ``test`` that are among those of ``train``: by key, and by content.

    Content is that of the stored GT frames, so that a clip that was copied or linked under another
    name is found (validation clip 000 of REDS is 240 when grouped with the others), and one that
    was encoded anew is not. Only frames of which a size in bytes is met twice are read.
    """
    keys = set(train.keys)
    leaks = [Leak(key, key) for key in test.keys if key in keys]
    known = {leak.tested for leak in leaks}
    by_length: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(train)):
        by_length[train.frame_length(index, train.lengths[index] // 2)].append(index)
    for index, key in enumerate(test.keys):
        length = test.frame_length(index, test.lengths[index] // 2)
        if key in known or length < 0 or length not in by_length:
            continue
        content = _content(test, index)
        same = (i for i in by_length[length] if content and _content(train, i) == content)
        leaks += [Leak(train.keys[i], key) for i in same]
    return leaks


def _content(source: SequenceSource, index: int) -> str:
    """A hash of a clip's first, middle and last frame; "" where one cannot be read."""
    digest = hashlib.sha256()
    try:
        for frame in (0, source.lengths[index] // 2, -1):
            digest.update(hashlib.sha256(source.frame_bytes(index, frame)).digest())
    except FrameError:
        return ""
    return digest.hexdigest()
