"""A whole video restored: cut into tiles, blended, and written frame by frame.

    open_frames -> plan -> restored_frames (network on tiles, blended) -> PNG -> video file

Frames on the disk are final, so that a run that was killed goes on where it stopped.
"""

import json
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from rvrt.config.network import NetworkConfig, RVRTConfig
from rvrt.errors import RestoreError
from rvrt.restoration.media import (
    VIDEO_SUFFIXES,
    open_frames,
    save_picture,
    video_comment,
    write_video,
)
from rvrt.restoration.tiling import (
    MANY_FRAMES,
    TIME_STEP,
    Picture,
    Run,
    TilePlan,
    plan_tiles,
    restored_frames,
    spans_for,
)
from vimeo_tools.data.pictures import Frame, FrameSource, read_picture
from vimeo_tools.data.video import VideoSequence, import_av
from vimeo_tools.running.folders import refuse_overlap, taken
from vimeo_tools.running.progress import progress
from vimeo_tools.running.records import Record

MemoryModel = Callable[[int, int, int], float]

# SpyNet halves five times; on its grid, tiles see the same pixels as the whole frame.
GRID = 32
# RVRT's flow needs 33 pixels; 64 is the next size that it does not have to resize.
_SMALLEST_SIDE: dict[type, int] = {RVRTConfig: 64}
_OTHER_VIDEOS = {".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".gif"}
_JOB_FILE = ".rvrt-restore.json"
BYTES_AT_REST = 0.6 * 2**30
_BYTES_A_PIXEL = 220e3
_BYTES_A_PIXEL_AND_FRAME = 6e3
_BYTES_A_PIXEL_OF_FLOW = 32e3
_PUBLISHED_DIM = 144
_LARGEST_TILE = 2**20  # pixels; RVRT's sampling tables count no further than some 1.4 million
_SECONDS_A_LINE = 30.0  # in a log
_BYTES_A_NUMBER = 4  # float32
# A sum of tiles larger than this share of the memory allowed lies on the disk.
_SHARE_OF_SUM = 4


@dataclass(frozen=True)
class Job:
    """What to restore, and within which bounds.

    Attributes:
        source: folder of frames or video file.
        target: folder of PNG frames, or video file to make.
        weights: the file of weights, which frames on the disk must come from.
        max_memory: bytes that the process may take.
        sound: a video gets the sound of its source.
        rate: frames a second of a video made from a folder.
        tile_frames: how many frames the network sees at once, at most; 6 or more.
    """

    source: Path
    target: Path
    weights: Path
    max_memory: float = math.inf
    sound: bool = True
    rate: Fraction = Fraction(25)
    tile_frames: int = MANY_FRAMES

    @property
    def sum_limit(self) -> float:
        """Bytes up to which a sum of tiles is kept in memory, and not on the disk."""
        return self.max_memory / _SHARE_OF_SUM

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


def tile_memory(config: NetworkConfig) -> MemoryModel:
    """Bytes that a process with this network takes for a tile of (frames, height, width).

    A bound over measurements on a CPU (docs/weights.md).
    """
    width_factor = max(1, config.embed_dim / _PUBLISHED_DIM)

    def memory(frames: int, height: int, width: int) -> float:
        if height * width > _LARGEST_TILE:
            return math.inf
        pixel = _BYTES_A_PIXEL + _BYTES_A_PIXEL_AND_FRAME * frames
        return BYTES_AT_REST + width_factor * pixel * height * width

    return memory


def flow_pixels(max_memory: float) -> float:
    """The largest frame whose optical flow can be computed at once in so much memory."""
    return (max_memory - BYTES_AT_REST) / _BYTES_A_PIXEL_OF_FLOW


def smallest_side(config: NetworkConfig) -> int:
    """Rows and columns that smaller frames are padded to, in LQ pixels."""
    return _SMALLEST_SIDE.get(type(config), 1)


@dataclass(frozen=True)
class Summary:
    """What a run did, in frames."""

    restored: int
    found: int


def restore(job: Job, run: Run, config: NetworkConfig, network_bytes: MemoryModel) -> Summary:
    """Restore every frame that is not on the disk yet, then encode the video if one is wanted.

    Args:
        job: what, and within which bounds.
        run: the network.
        config: of the network.
        network_bytes: what the network needs for a tile of (frames, height, width).

    Raises:
        RestoreError: input or output are not usable, or the output is of another job.
        MemoryLimitError: not even the smallest tile fits.
        OutputError: a frame cannot be written.
    """
    _check_target(job)
    reader = open_frames(job.source)
    record = _JobRecord(_mark(job, reader))
    with taken(job.folder, record) as place:
        paths = [job.folder / f"{name}.png" for name in reader.names]
        if job.makes_video and _is_made(job, record):
            place.remove(paths)
            return Summary(0, len(paths))
        summary = _restore_missing(job, run, config, network_bytes, reader, paths)
        if job.makes_video:
            _encode(job, reader, paths, record.text())
            place.remove(paths)
    return summary


def _restore_missing(
    job: Job,
    run: Run,
    config: NetworkConfig,
    network_bytes: MemoryModel,
    reader: FrameSource,
    paths: list[Path],
) -> Summary:
    missing = {index for index, path in enumerate(paths) if not path.exists()}
    side = smallest_side(config)
    height, width, scale = max(reader.height, side), max(reader.width, side), config.upscale

    def memory(frames: int, tile_height: int, tile_width: int) -> float:
        summed = _BYTES_A_NUMBER * 3 * frames * height * width * (1 + scale**2)
        return network_bytes(frames, tile_height, tile_width) + min(summed, job.sum_limit)

    frame_count = len(paths) + len(paths) % TIME_STEP
    plan = plan_tiles(frame_count, height, width, GRID, memory, job.max_memory, job.tile_frames)
    spans = spans_for(plan.times, missing)
    with progress(
        len(spans) * plan.tiles_at_once, "tile", _title(plan), log_every=_SECONDS_A_LINE
    ) as bar:
        frames = restored_frames(
            run,
            lambda start, stop: padded_clip(reader, start, stop, side),
            plan,
            scale,
            missing,
            _zeros_within(job),
            bar.update,
        )
        for index, picture in frames:
            cropped = picture[:, : scale * reader.height, : scale * reader.width]
            save_picture(paths[index], to_uint8(cropped))
    return Summary(len(missing), len(paths) - len(missing))


def padded_clip(reader: FrameSource, start: int, stop: int, side: int) -> Picture:
    """Frames as the network takes them: (stop - start, 3, H, W) float32 in 0..1.

    Past the last frame comes the one before it, as in a mirror; frames smaller than `side` grow by
    their mirror image at the bottom and on the right.
    """
    frames = reader.read(start, min(stop, len(reader.names)))
    if len(frames) < stop - start:
        frames = np.concatenate([frames, frames[-2:][:1]])
    clip = frames.transpose(0, 3, 1, 2)
    grow = [(0, 0), (0, 0), *((0, max(side - size, 0)) for size in clip.shape[2:])]
    return np.pad(clip, grow, mode="symmetric").astype(np.float32) / 255


def to_uint8(picture: Picture) -> Frame:
    """(3, H, W) float in 0..1 to (H, W, 3) uint8, clipped and rounded to nearest."""
    frame: Frame = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return frame.transpose(1, 2, 0)


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


def _zeros_within(job: Job) -> Callable[[tuple[int, ...]], Picture]:
    def zeros(shape: tuple[int, ...]) -> Picture:
        if _BYTES_A_NUMBER * math.prod(shape) <= job.sum_limit:
            return np.zeros(shape, np.float32)
        with TemporaryFile(dir=job.folder) as file:
            return np.memmap(file, np.float32, "w+", shape=shape)

    return zeros


def _encode(job: Job, reader: FrameSource, paths: list[Path], comment: str) -> None:
    frames = map(read_picture, paths)
    if isinstance(reader, VideoSequence):
        sound = job.source if job.sound else None
        write_video(job.target, frames, reader.rate, sound, reader.times, comment)
    else:
        write_video(job.target, frames, job.rate, comment=comment)
