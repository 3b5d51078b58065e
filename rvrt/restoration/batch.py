"""A folder of videos: a job for each."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

from rvrt.errors import RestoreError
from rvrt.restoration.encoding import CODECS, VIDEO_SUFFIXES
from rvrt.restoration.jobs import Job
from rvrt.restoration.restore import OTHER_VIDEOS
from vimeo_tools.data.pictures import find_pictures
from vimeo_tools.running.folders import make_folder, refuse_overlap


def jobs_of(job: Job) -> list[Job]:
    """The job itself; of a folder of videos, one for each of them, in the order of their names.

    A video keeps its suffix where the codec can be stored so, else it gets the codec's first.

    Raises:
        RestoreError: the folder holds pictures and videos, or two videos of one name, or the
            output is no folder.
        OutputError: the output overlaps the input or cannot be made.
    """
    videos = _videos_of(job.source) if job.source.is_dir() else []
    if not videos:
        return [job]
    if find_pictures(job.source):
        raise RestoreError(f"{job.source}: holds pictures and videos; need the one or the other")
    if job.makes_video or job.target.is_file():
        raise RestoreError(f"{job.target}: need a folder, as the input is a folder of videos")
    for name, count in Counter(path.stem for path in videos).items():
        if count > 1:
            raise RestoreError(f"{job.source}: {count} videos are called {name}; rename them")
    refuse_overlap(job.target, job.source)
    make_folder(job.target)
    suffixes = CODECS[job.encoding.codec].suffixes
    return [
        dataclasses.replace(job, source=path, target=job.target / _name(path, suffixes))
        for path in videos
    ]


def _name(video: Path, suffixes: tuple[str, ...]) -> str:
    suffix = video.suffix.lower()
    return f"{video.stem}{suffix if suffix in suffixes else suffixes[0]}"


def _videos_of(folder: Path) -> list[Path]:
    known = (*VIDEO_SUFFIXES, *OTHER_VIDEOS)
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in known and path.is_file() and not path.name.startswith(".")
    )
