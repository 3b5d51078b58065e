"""Which frames of an input are restored, and where the recurrence begins anew: at scene cuts.

Frames of one scene bring detail to each other; across a cut they would bring the other scene's.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from rvrt.errors import RestoreError
from rvrt.restoration.media import open_frames
from rvrt.restoration.pictures import PictureFolder
from vimeo_tools.data.pictures import AnyFrame, DeepSource
from vimeo_tools.data.scenes import SceneCuts
from vimeo_tools.data.video_sequence import Timing, VideoSequence
from vimeo_tools.running.progress import progress

AUTO, NONE = "auto", "none"
_MOST_CUTS = 2**24  # bytes of a file of cuts
_TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)")


@dataclass(frozen=True)
class Choice:
    """What of an input is wanted.

    Attributes:
        start: seconds from the beginning; None for the first frame.
        end: seconds, frames shown from then on are left out; None for all.
        cuts: "auto" looks for scene cuts, "none" takes all for one scene; else a file, a line for
            each scene that begins: the frame's number, from 0, or its time, 12.5 or 0:01:02.5.
        rate: frames a second of a folder.
    """

    start: Fraction | None = None
    end: Fraction | None = None
    cuts: str = AUTO
    rate: Fraction = Fraction(25)


class Part:
    """Frames from start to stop of a sequence, as one of its own. See DeepSource."""

    def __init__(self, source: DeepSource, start: int, stop: int) -> None:
        self._source, self.start = source, start
        self.names = source.names[start:stop]
        self.height, self.width = source.height, source.width
        self.identity: list[Any] = [*source.identity, start, stop]

    def read(self, start: int, stop: int) -> AnyFrame:
        """See DeepSource."""
        return self._source.read(self.start + start, self.start + stop)


@dataclass(frozen=True)
class Material:
    """An input, opened.

    Attributes:
        source: all its frames.
        timing: of all its frames.
        start: the first frame that is wanted.
        stop: the frame after the last.
        cuts: frames between those two with which a scene begins.
    """

    source: DeepSource
    timing: Timing
    start: int
    stop: int
    cuts: Sequence[int]

    @property
    def video(self) -> VideoSequence | None:
        """The source, if it is a video."""
        return self.source if isinstance(self.source, VideoSequence) else None

    @property
    def scenes(self) -> list[Part]:
        """The wanted frames, cut where a scene begins."""
        return [Part(self.source, a, b) for a, b in pairwise((self.start, *self.cuts, self.stop))]


def open_material(path: Path, choice: Choice) -> Material:
    """Open a folder of pictures or a video.

    Raises:
        RestoreError: there is no such path, none of its frames is wanted, or the file of cuts does
            not fit it.
        VimeoToolsError: it cannot be read.
    """
    source = open_frames(path, choice.end, choice.cuts == AUTO)
    count = len(source.names)
    timing = source.timing if isinstance(source, VideoSequence) else Timing.even(choice.rate, count)
    start, stop = _wanted(path, timing, count, choice)
    if choice.cuts == NONE:
        cuts: Sequence[int] = ()
    elif choice.cuts != AUTO:
        cuts = read_cuts(Path(choice.cuts), timing, count)
    elif isinstance(source, VideoSequence):
        cuts = source.cuts
    else:
        cuts = find_cuts(path)
    return Material(source, timing, start, stop, [cut for cut in cuts if start < cut < stop])


def find_cuts(folder: Path) -> list[int]:
    """The frames of a folder, after the first, with which a scene begins."""
    pictures, cuts = PictureFolder(folder), SceneCuts()
    found = []
    with progress(len(pictures.names), "frame", "looking for scenes") as bar:
        for index in range(len(pictures.names)):
            if cuts.begins_with_values(pictures.read(index, index + 1), pictures.bits):
                found.append(index)
            bar.update()
    return found


def read_cuts(path: Path, timing: Timing, count: int) -> list[int]:
    """The scenes of a file, see `Choice.cuts`.

    Args:
        path: of the file. Empty lines, and what follows a ``#``, do not count.
        timing: of the frames.
        count: of them.

    Raises:
        RestoreError: it cannot be read; a line is no number and no time, or beyond the end.
    """
    try:
        if path.stat().st_size > _MOST_CUTS:
            raise RestoreError(f"--cuts {path}: is too large for a list of scenes")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RestoreError(
            f"--cuts {path}: cannot be read: {error}; need auto, none or a file"
        ) from None
    times = [timing.seconds(index) for index in range(count)]
    cuts = set()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        cut = int(text) if text.isdecimal() else _frame_at(times, text)
        if cut is None or cut >= count:
            raise RestoreError(
                f"--cuts {path}, line {number}: {text!r} is no frame from 0 to {count - 1} and no "
                f"time up to {float(times[-1]):.3f}, as in 12.5 or 0:01:02.5"
            )
        cuts.add(cut)
    return sorted(cuts - {0})


def parse_time(text: str) -> Fraction | None:
    """Seconds of ``12.5``, ``1:02.5`` or ``0:01:02.5``; None for anything else."""
    match = _TIME.fullmatch(text.strip())
    if not match:
        return None
    hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
    return (hours * 60 + minutes) * 60 + seconds


def _frame_at(times: Sequence[Fraction], text: str) -> int | None:
    """The frame that is shown nearest to a time."""
    wanted = parse_time(text)
    if wanted is None or wanted > times[-1] + 1:
        return None
    after = bisect_right(times, wanted)
    return min(
        range(max(after - 1, 0), min(after + 1, len(times))),
        key=lambda index: abs(times[index] - wanted),
    )


def _wanted(path: Path, timing: Timing, count: int, choice: Choice) -> tuple[int, int]:
    times = [timing.seconds(index) for index in range(count)]
    wanted = [
        index
        for index, time in enumerate(times)
        if (choice.start is None or time >= choice.start)
        and (choice.end is None or time < choice.end)
    ]
    if not wanted:
        raise RestoreError(
            f"{path}: no frame between --start and --end; its first is shown at "
            f"{float(times[0]):.3f} s, its last at {float(times[-1]):.3f} s"
        )
    return wanted[0], wanted[-1] + 1
