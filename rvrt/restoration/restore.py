"""A whole video restored: written frame by frame, then encoded if a video is wanted.

    open_frames -> Restorer -> PNG -> video file

Frames on the disk are final, so that a run that was killed goes on where it stopped.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from rvrt.errors import RestoreError
from rvrt.restoration.frames import to_uint8
from rvrt.restoration.media import (
    VIDEO_SUFFIXES,
    open_frames,
    save_picture,
    video_comment,
    write_video,
)
from rvrt.restoration.restorer import Restorer
from rvrt.restoration.tiling import TilePlan, spans_for
from vimeo_tools.data.pictures import FrameSource, read_picture
from vimeo_tools.data.video import VideoSequence, import_av
from vimeo_tools.running.folders import refuse_overlap, taken
from vimeo_tools.running.progress import progress
from vimeo_tools.running.records import Record

_OTHER_VIDEOS = {".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".gif"}
_JOB_FILE = ".rvrt-restore.json"
_SECONDS_A_LINE = 30.0  # in a log


@dataclass(frozen=True)
class Job:
    """What to restore, and into what.

    Attributes:
        source: folder of frames or video file.
        target: folder of PNG frames, or video file to make.
        weights: the file of weights, which frames on the disk must come from.
        sound: a video gets the sound of its source.
        rate: frames a second of a video made from a folder.
    """

    source: Path
    target: Path
    weights: Path
    sound: bool = True
    rate: Fraction = Fraction(25)

    @property
    def makes_video(self) -> bool:
        """Whether the target is a video file."""
        return self.target.suffix.lower() in VIDEO_SUFFIXES

    @property
    def folder(self) -> Path:
        """Where restored frames are kept; for a video, until it is encoded."""
        if self.makes_video:
            return self.target.with_name(f"{self.target.name}.frames")
        return self.target


@dataclass(frozen=True)
class Summary:
    """What a run did, in frames."""

    restored: int
    found: int


def restore(job: Job, restorer: Restorer) -> Summary:
    """Restore every frame that is not on the disk yet, then encode the video if one is wanted.

    Raises:
        RestoreError: input or output are not usable, or the output is of another job.
        MemoryLimitError: not even the smallest tile fits.
        VimeoToolsError: a frame cannot be read or written.
    """
    _check_target(job)
    source = open_frames(job.source)
    record = _JobRecord(_mark(job, source))
    with taken(job.folder, record) as place:
        paths = [job.folder / f"{name}.png" for name in source.names]
        if job.makes_video and _is_made(job, record):
            place.remove(paths)
            return Summary(0, len(paths))
        summary = _restore_missing(restorer, source, paths)
        if job.makes_video:
            _encode(job, source, paths, record.text())
            place.remove(paths)
    return summary


def _restore_missing(restorer: Restorer, source: FrameSource, paths: list[Path]) -> Summary:
    missing = {index for index, path in enumerate(paths) if not path.exists()}
    plan = restorer.plan(source)
    tiles = len(spans_for(plan.times, missing)) * plan.tiles_at_once
    with progress(tiles, "tile", _title(plan), log_every=_SECONDS_A_LINE) as bar:
        for index, picture in restorer.restore(source, missing, bar.update):
            save_picture(paths[index], to_uint8(picture))
    return Summary(len(missing), len(paths) - len(missing))


def _title(plan: TilePlan) -> str:
    frames, height, width = plan.largest
    return f"tiles of {frames} frames of {width}x{height}"


def _check_target(job: Job) -> None:
    if job.target.suffix.lower() in _OTHER_VIDEOS:
        raise RestoreError(f"{job.target}: videos are written as {', '.join(VIDEO_SUFFIXES)}")
    if job.makes_video:
        import_av(job.target)
    refuse_overlap(job.target if job.makes_video else job.folder, job.source)


class _JobRecord(Record):
    """Checksums of the weights and of what is known about the input."""

    def __init__(self, mark: dict[str, int]) -> None:
        super().__init__(mark, _JOB_FILE, remedy="choose another output")

    def refusal(self, found: Mapping[str, Any]) -> str:
        return f"holds frames of another input or of other weights; {self.remedy}"


def _mark(job: Job, reader: FrameSource) -> dict[str, int]:
    return {
        "weights": zlib.crc32(job.weights.read_bytes()),
        "input": zlib.crc32(json.dumps(reader.identity).encode()),
    }


def _is_made(job: Job, record: Record) -> bool:
    """Whether the video is there, made by the same job; RestoreError where it is another's."""
    if not job.target.exists():
        return False
    if video_comment(job.target) != record.text():
        raise RestoreError(
            f"{job.target}: exists, and is no video that this command made of this input with "
            "these weights; choose another name"
        )
    return True


def _encode(job: Job, reader: FrameSource, paths: list[Path], comment: str) -> None:
    frames = map(read_picture, paths)
    if isinstance(reader, VideoSequence):
        sound = job.source if job.sound else None
        write_video(job.target, frames, reader.rate, sound, reader.times, comment)
    else:
        write_video(job.target, frames, job.rate, comment=comment)
