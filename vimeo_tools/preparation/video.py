"""A video file cut into septuplets, in the layout of the official download.

Decoding and the search for scene cuts are FFmpeg's, through PyAV (extra ``[video]``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vimeo_tools.data.pictures import Frame
from vimeo_tools.data.png import FrameSize, encode_png
from vimeo_tools.data.septuplets import (
    FRAME_NUMBERS,
    FRAMES_PER_CLIP,
    GT_FOLDER,
    OFFICIAL_SIZE,
    frame_path,
    numbered_keys,
    write_split_lists,
)
from vimeo_tools.data.video import VideoPictures, import_av
from vimeo_tools.errors import SettingsError, VideoError
from vimeo_tools.resize.matlab import imresize
from vimeo_tools.running.atomic import remove_parts, write_file
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.folders import refuse_overlap, taken
from vimeo_tools.running.jobs import Outcome, Summary
from vimeo_tools.running.progress import progress
from vimeo_tools.running.records import Record, differences

# Room for this many clips before the folder number of the next video.
_FOLDERS_PER_VIDEO = 10


@dataclass(frozen=True)
class CutSettings:
    """How videos are cut.

    Attributes:
        size: of the frames; a video is scaled down to cover it, then cropped about the centre.
        stride: frames from the start of one septuplet to the start of the next.
        scene_threshold: FFmpeg's scene score, 0..1, above which a new scene begins; 1 for none.
        test_fraction: of each video's clips, its last ones, for the test list.
    """

    size: FrameSize = OFFICIAL_SIZE
    stride: int = FRAMES_PER_CLIP
    scene_threshold: float = 0.2
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise SettingsError(f"stride {self.stride}: need at least 1 frame")
        for name in ("scene_threshold", "test_fraction"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise SettingsError(f"{name} {value}: need a number from 0 to 1")


def cut_videos(
    videos: Sequence[str | Path],
    root: str | Path,
    settings: CutSettings | None = None,
    *,
    threads: int = 2,
) -> Summary:
    """Cut videos into ``root/sequences`` and write the two lists.

    Clips of the first video are in folder 00001, of the second in 00011, and so on.

    Args:
        videos: files that FFmpeg reads.
        root: the folder; an interrupted run is continued, frames that are there are kept.
        settings: how to cut; None for as they stand.
        threads: that encode frames.

    Returns:
        The summary; a video that cannot be read, or gives no clip, is among its failures.

    Raises:
        VideoError: PyAV is not installed.
        OutputError: ``root`` holds something else, or the disk is full.
    """
    import_av()
    files, root = [Path(video) for video in videos], Path(root)
    settings = settings or CutSettings()
    refuse_overlap(root, *files)
    names = [_described(video) for video in files]
    summary = Summary()
    train: list[str] = []
    test: list[str] = []
    with taken(root, _record(names, settings)):
        for number, video in enumerate(files):
            folder = 1 + number * _FOLDERS_PER_VIDEO
            keys = _cut_video(video, root, folder, settings, threads, summary)
            if not keys:
                names[number] = None
                _record(names, settings).write(root)
            first_test = len(keys) - round(settings.test_fraction * len(keys))
            # Clips that share frames with the first test clip belong to neither list.
            overlapping = (FRAMES_PER_CLIP - 1) // settings.stride if first_test < len(keys) else 0
            train += keys[: max(first_test - overlapping, 0)]
            test += keys[first_test:]
        write_split_lists(root, train, test)
    return summary.end()


class _VideoRecord(Record):
    """Names the videos in their order; one that gave no clip is null, and may be another one."""

    def differences(self, found: Mapping[str, Any]) -> str:
        old, new = found.get("cut_from"), self.settings["cut_from"]
        if isinstance(old, list) and len(old) == len(new):
            filled = [n if o is None else o for o, n in zip(old, new, strict=True)]
            found = {**found, "cut_from": filled}
        return differences(found, self.settings)


def _record(names: Sequence[str | None], settings: CutSettings) -> Record:
    return _VideoRecord({"cut_from": list(names), **asdict(settings)})


def _described(video: Path) -> str | None:
    return f"{video.name} ({video.stat().st_size} bytes)" if video.is_file() else None


def septuplets_of(video: Path, settings: CutSettings) -> Iterator[list[Frame]]:
    """The septuplets of a video in order: seven (H, W, 3) uint8 frames of one scene each.

    Raises:
        VideoError: the file cannot be read, or its pictures are smaller than the size asked for.
    """
    window: deque[Frame] = deque(maxlen=FRAMES_PER_CLIP)
    position = 0
    for frame, begins_scene in _frames_of(video, settings.scene_threshold):
        if begins_scene:
            window.clear()
            position = 0
        if position % settings.stride < FRAMES_PER_CLIP:
            window.append(_cover_and_crop(frame, settings.size))
        position += 1
        since_first = position - FRAMES_PER_CLIP
        if since_first >= 0 and since_first % settings.stride == 0:
            yield list(window)


def _cut_video(
    video: Path, root: Path, folder: int, settings: CutSettings, threads: int, summary: Summary
) -> list[str]:
    """Write one video's clips, add to the summary, return their keys."""
    limit = _FOLDERS_PER_VIDEO * 9999
    keys = numbered_keys(folder, limit)
    count = 0
    try:
        with ThreadPoolExecutor(threads) as encoders, progress(None, "clip", video.name) as bar:
            for key, frames in zip(keys, septuplets_of(video, settings), strict=False):
                summary.add(_write_clip(root / GT_FOLDER, key, frames, encoders))
                count += 1
                bar.update()
    except VideoError as error:
        summary.failures.append(Failure(str(video), str(error)))
    else:
        if not count:
            reason = f"no scene of {FRAMES_PER_CLIP} frames was found in it"
            summary.failures.append(Failure(str(video), reason))
    return keys[:count]


def _write_clip(
    gt_root: Path, key: str, frames: Sequence[Frame], encoders: ThreadPoolExecutor
) -> Outcome:
    targets = [frame_path(gt_root, key, number) for number in FRAME_NUMBERS]
    if all(target.is_file() for target in targets):
        return Outcome(skipped=len(targets))
    targets[0].parent.mkdir(parents=True, exist_ok=True)
    remove_parts(targets[0].parent)
    for target, data in zip(targets, encoders.map(encode_png, frames), strict=True):
        write_file(target, data)
    return Outcome(done=len(targets))


def _frames_of(video: Path, scene_threshold: float) -> Iterator[tuple[Frame, bool]]:
    """((H, W, 3) uint8, whether a scene begins with it) for each frame."""
    with VideoPictures(video) as pictures:
        cuts = _SceneCuts(pictures.av, pictures.stream, scene_threshold)
        for picture in pictures:
            yield pictures.rgb(picture), cuts.begins_with(picture)


class _SceneCuts:
    """FFmpeg's ``select`` filter, which lets only frames through that differ from the last one."""

    def __init__(self, av: Any, stream: Any, threshold: float) -> None:
        self._would_block = (av.error.BlockingIOError, av.error.EOFError)
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(template=stream)
        select = self._graph.add("select", f"gt(scene,{threshold})")
        sink = self._graph.add("buffersink")
        source.link_to(select)
        select.link_to(sink)
        self._graph.configure()

    def begins_with(self, frame: Any) -> bool:
        self._graph.push(frame)
        try:
            self._graph.pull()
        except self._would_block:
            return False
        return True


def _cover_and_crop(frame: Frame, size: FrameSize) -> Frame:
    height, width = frame.shape[:2]
    scale = max(size.height / height, size.width / width)
    if scale > 1:
        raise VideoError(
            f"its pictures are {width}x{height}, need at least {size}: enlarged pictures teach "
            "nothing; choose a smaller --size"
        )
    rows, columns = max(round(height * scale), size.height), max(round(width * scale), size.width)
    if (rows, columns) != (height, width):
        frame = imresize(frame, (rows, columns))
    top, left = (rows - size.height) // 2, (columns - size.width) // 2
    return np.ascontiguousarray(frame[top : top + size.height, left : left + size.width])
