"""A whole video restored: written frame by frame, then encoded if a video is wanted.

    open_material -> Restorer, scene by scene -> PNG -> video file

Frames on the disk are final, so that a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rvrt.errors import RestoreError
from rvrt.restoration.encoding import VIDEO_SUFFIXES, choose_encoder
from rvrt.restoration.frames import finished
from rvrt.restoration.jobs import Job, Summary, Work
from rvrt.restoration.media import try_encoder, video_comment, write_video
from rvrt.restoration.pace import Pace, clock_text
from rvrt.restoration.parts import Part, open_material
from rvrt.restoration.pictures import read_deep_picture, save_picture
from rvrt.restoration.restorer import Restorer
from rvrt.restoration.tiling import TilePlan, spans_for
from vimeo_tools.data.video import import_av
from vimeo_tools.running.folders import refuse_overlap, taken
from vimeo_tools.running.progress import progress

OTHER_VIDEOS = (".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".gif")
_SECONDS_A_LINE = 30.0  # in a log
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} frames [{elapsed}{postfix}]"


def restore(job: Job, restorer: Restorer) -> Summary:
    """Restore every frame that is not on the disk yet, then encode the video if one is wanted.

    Raises:
        RestoreError: input or output are not usable, or the output is of another job.
        MemoryLimitError: not even the smallest tile fits.
        VimeoToolsError: a frame cannot be read or written.
    """
    _check_target(job)
    work = _opened(job, restorer.scale)
    paths, record = work.paths, work.record()
    clear = None if not job.overwrite else lambda: _clear(job, paths)
    with taken(job.folder, record, replace=clear) as place:
        if job.makes_video and _is_made(work):
            place.remove(paths)
            return Summary(0, len(paths), len(work.material.scenes), notes=work.notes)
        summary = _restore_missing(restorer, work, paths)
        if work.encoder is not None:
            frames = _shown(map(read_deep_picture, paths), len(paths))
            write_video(job.target, frames, work.film, work.encoder, work.comment())
            place.remove(paths)
    return summary


def _opened(job: Job, scale: int) -> Work:
    """The input, and all that could be refused, looked at before anything is written."""
    if job.scale is not None and job.scale > scale:
        raise RestoreError(
            f"--scale {job.scale}: the network enlarges {scale} times; need 1 to {scale}"
        )
    material = open_material(job.source, job.choice)
    source = material.source
    source_bits = 16 if getattr(source, "dtype", "uint8") == "uint16" else 8
    if not job.makes_video:
        return Work(job, material, job.scale or scale, job.bits or source_bits, None)
    if job.bits is not None:
        raise RestoreError("--png-bits is for a folder of PNG frames; a video's are in --pix-fmt")
    encoder = choose_encoder(job.encoding, job.target.suffix.lower(), source_bits)
    work = Work(job, material, job.scale or scale, 8 if encoder.bits == 8 else 16, encoder)
    try_encoder(
        job.target, work.scale * source.height, work.scale * source.width, work.film, encoder
    )
    return work


def _restore_missing(restorer: Restorer, work: Work, paths: list[Path]) -> Summary:
    scenes, first = work.material.scenes, work.material.start
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    wanted = [_within(scene, first, missing) for scene in scenes]
    plans = [restorer.plan(scene) for scene in scenes]
    sizes = [
        size for plan, some in zip(plans, wanted, strict=True) for size in _tile_sizes(plan, some)
    ]
    started, before = time.monotonic(), restorer.compiling
    pace, graphs = Pace(sizes, started), restorer.graphs
    with progress(len(paths), "frame", _title(plans), done=len(paths) - len(missing),
                  form=_BAR, log_every=_SECONDS_A_LINE) as bar:  # fmt: skip

        def on_tile() -> None:
            nonlocal graphs
            pace.step(time.monotonic(), restorer.graphs > graphs)
            graphs = restorer.graphs
            bar.set_postfix_str(f"{clock_text(pace.left() or 0)} left")

        for scene, some in zip(scenes, wanted, strict=True):
            for index, picture in restorer.restore(scene, some, on_tile):
                frame = finished(picture, work.scale / restorer.scale, work.bits)
                save_picture(paths[scene.start - first + index], frame)
                bar.update()
    seconds = time.monotonic() - started
    found = len(paths) - len(missing)
    compiling = restorer.compiling - before
    return Summary(
        len(missing),
        found,
        len(scenes),
        seconds,
        compiling,
        pace.at_speed,
        _title(plans),
        work.notes,
    )


def _within(scene: Part, first: int, missing: list[int]) -> set[int]:
    """Those of the missing frames that are of a scene, counted from its beginning."""
    offset = scene.start - first
    return {index - offset for index in missing if 0 <= index - offset < len(scene.names)}


def _tile_sizes(plan: TilePlan, wanted: set[int]) -> Iterable[int]:
    """Pixels of the tiles that wanted frames take, in order."""
    for span in sorted(spans_for(plan.times, wanted)):
        start, stop = plan.times[span]
        for top, bottom in plan.rows:
            for left, right in plan.columns:
                yield (stop - start) * (bottom - top) * (right - left)


def _title(plans: list[TilePlan]) -> str:
    frames, height, width = max(plan.largest for plan in plans)
    return f"tiles of {frames} frames of {width}x{height}"


def _shown(frames: Iterable[Any], count: int) -> Iterable[Any]:
    """The same, with a line that says how far the encoding is."""
    with progress(count, "frame", "encoding", log_every=_SECONDS_A_LINE) as bar:
        for frame in frames:
            yield frame
            bar.update()


def _check_target(job: Job) -> None:
    if job.target.suffix.lower() in OTHER_VIDEOS:
        raise RestoreError(f"{job.target}: videos are written as {', '.join(VIDEO_SUFFIXES)}")
    if job.makes_video:
        import_av(job.target)
    refuse_overlap(job.target if job.makes_video else job.folder, job.source)
    if job.makes_video:
        refuse_overlap(job.folder, job.source)


def _clear(job: Job, paths: list[Path]) -> None:
    """Remove another job's frames, as far as they have the names of this one's."""
    if job.makes_video:  # what was kept until it was encoded
        paths = [path for path in job.folder.glob("*.png") if not path.name.startswith(".")]
    ours = {path.name for path in paths}
    others = sorted(
        path.name
        for path in job.folder.iterdir()
        if not path.name.startswith(".") and path.name not in ours
    )
    if others:
        raise RestoreError(
            f"{job.folder}: --overwrite replaces frames of the same names, and {len(others)} "
            f"others are there, {others[0]} the first; choose another output"
        )
    for path in paths:
        path.unlink(missing_ok=True)


def _is_made(work: Work) -> bool:
    """Whether the video is there, made by the same job; RestoreError where it is another's."""
    job = work.job
    if not job.target.exists():
        return False
    if video_comment(job.target) == work.comment():
        return True
    if job.overwrite and job.target.is_file():
        return False
    raise RestoreError(
        f"{job.target}: exists, and is no video that this command made of this input with "
        "these weights and settings; choose another name"
    )
