"""A video file cut into septuplets as those of Vimeo90K, or into long sequences as those of REDS.

Decoding and the search for scene cuts are FFmpeg's, through PyAV (extra ``[video]``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vimeo_tools.data.layouts import REDS
from vimeo_tools.data.pictures import Frame
from vimeo_tools.data.png import FrameSize, encode_png
from vimeo_tools.data.scenes import SCENE_THRESHOLD, SceneCuts
from vimeo_tools.data.septuplets import (
    FRAME_NUMBERS,
    FRAMES_PER_CLIP,
    GT_FOLDER,
    OFFICIAL_SIZE,
    frame_path,
)
from vimeo_tools.data.video import VideoPictures, import_av
from vimeo_tools.errors import SettingsError, VideoError
from vimeo_tools.preparation.video_book import VideoBook
from vimeo_tools.resize.matlab import imresize
from vimeo_tools.running.atomic import remove_parts, write_file
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.folders import refuse_overlap, taken
from vimeo_tools.running.jobs import Outcome, Summary
from vimeo_tools.running.progress import progress

_SIDES, _LONGEST = 8, 1_000_000


@dataclass(frozen=True)
class CutSettings:
    """How videos are cut.

    Attributes:
        size: of the frames; a video is scaled down to cover it, then cropped about the centre. None
            for 448x256 of septuplets, and for long sequences the size of the video's pictures, of
            which the sides are cropped to multiples of 8.
        stride: frames from the start of one septuplet to the start of the next.
        scene_threshold: FFmpeg's scene score, 0..1, above which a new scene begins; 1 for none.
        test_fraction: of each video's clips, its last ones, for the test list.
        layout: "vimeo90k" for septuplets, "reds" for long sequences.
        frames: of a long sequence at most, and ...
        least: ... at least.
    """

    size: FrameSize | None = None
    stride: int = FRAMES_PER_CLIP
    scene_threshold: float = SCENE_THRESHOLD
    test_fraction: float = 0.1
    layout: str = "vimeo90k"
    frames: int = 100
    least: int = 30

    def __post_init__(self) -> None:
        if self.layout not in ("vimeo90k", "reds"):
            raise SettingsError(f"layout {self.layout!r}: videos are cut as vimeo90k or as reds")
        if not 2 <= self.least <= self.frames <= _LONGEST:
            raise SettingsError(
                f"sequences of {self.least} to {self.frames} frames: need 2 to {_LONGEST:,}"
            )
        if self.size is None and not self.is_long:
            object.__setattr__(self, "size", OFFICIAL_SIZE)
        if self.stride < 1:
            raise SettingsError(f"stride {self.stride}: need at least 1 frame")
        for name in ("scene_threshold", "test_fraction"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise SettingsError(f"{name} {value}: need a number from 0 to 1")

    @property
    def is_long(self) -> bool:
        """Whether sequences are cut, not septuplets."""
        return self.layout == "reds"


def cut_videos(
    videos: Sequence[str | Path],
    root: str | Path,
    settings: CutSettings | None = None,
    *,
    add: bool = False,
    threads: int = 2,
) -> Summary:
    """Cut videos into clips below ``root`` and write the two lists.

    Septuplets of the first video are in folder 00001, of the second in 00011, and so on; long
    sequences are numbered from 000 on through all videos.

    Args:
        videos: files that FFmpeg reads.
        root: the folder; an interrupted run is continued, frames that are there are kept.
        settings: how to cut; None for as they stand.
        add: these videos come after those that ``root`` was cut from before, which need not be
            named again.
        threads: that encode frames.

    Returns:
        The summary; a video that cannot be read, or gives no clip, is among its failures.

    Raises:
        VideoError: PyAV is not installed.
        SettingsError: a video of before is not whole and not named.
        OutputError: ``root`` holds something else, or the disk is full.
    """
    import_av()
    files, root = [Path(video) for video in videos], Path(root)
    settings = settings or CutSettings()
    refuse_overlap(root, *files)
    names = [_described(video) for video in files]
    book = VideoBook(root, settings, names, add)
    by_name = dict(zip(names, files, strict=True))
    summary = Summary()
    with taken(root, book.record()):
        for number, name in enumerate(list(book.names)):
            if number in book.kept:
                continue
            video = by_name[name] if add else files[number]
            keys = _cut_video(video, root, book.keys(number), settings, threads, summary)
            book.enter(number, keys)
            book.record().write(root)
            book.write_lists()
    return summary.end()


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
            window.append(_cover_and_crop(frame, settings.size or OFFICIAL_SIZE))
        position += 1
        since_first = position - FRAMES_PER_CLIP
        if since_first >= 0 and since_first % settings.stride == 0:
            yield list(window)


def sequences_of(video: Path, settings: CutSettings) -> Iterator[list[Frame]]:
    """The long sequences of a video in parts: the first frames of one, then one more at a time.

    No sequence crosses a scene cut; one that would be shorter than ``settings.least`` is left out.

    Yields:
        (H, W, 3) uint8 frames: ``settings.least`` of them where a sequence begins, else the next.

    Raises:
        VideoError: as `septuplets_of`.
    """
    begun: list[Frame] = []
    length = 0
    for frame, begins_scene in _frames_of(video, settings.scene_threshold):
        if begins_scene or length == settings.frames:
            begun, length = [], 0
        length += 1
        picture = _cover_and_crop(frame, settings.size or _usual_crop(frame))
        if length > settings.least:
            yield [picture]
            continue
        begun.append(picture)
        if length == settings.least:
            yield begun


def _cut_video(
    video: Path,
    root: Path,
    keys: Iterator[str],
    settings: CutSettings,
    threads: int,
    summary: Summary,
) -> list[str]:
    """Write one video's clips, add to the summary, return their keys."""
    write = _write_sequences if settings.is_long else _write_septuplets
    done: list[str] = []
    try:
        with ThreadPoolExecutor(threads) as encoders, progress(None, "clip", video.name) as bar:
            for key, outcome in write(video, root, keys, settings, encoders):
                if done[-1:] != [key]:
                    done.append(key)
                    summary.clips += 1
                    bar.update()
                summary.done += outcome.done
                summary.skipped += outcome.skipped
    except VideoError as error:
        summary.failures.append(Failure(str(video), str(error)))
    else:
        if not done:
            least = settings.least if settings.is_long else FRAMES_PER_CLIP
            reason = f"no scene of {least} frames was found in it"
            summary.failures.append(Failure(str(video), reason))
    return done


def _write_septuplets(
    video: Path, root: Path, keys: Iterator[str], settings: CutSettings, encoders: Executor
) -> Iterator[tuple[str, Outcome]]:
    for key, frames in zip(keys, septuplets_of(video, settings), strict=False):
        targets = [frame_path(root / GT_FOLDER, key, number) for number in FRAME_NUMBERS]
        yield key, _write_frames(targets, frames, encoders)


def _write_sequences(
    video: Path, root: Path, keys: Iterator[str], settings: CutSettings, encoders: Executor
) -> Iterator[tuple[str, Outcome]]:
    key, number = "", 0
    for frames in sequences_of(video, settings):
        if len(frames) > 1:
            key, number = next(keys), 0
        folder = root / REDS.gt_folder / key
        targets = [folder / f"{number + n:08d}.png" for n in range(len(frames))]
        number += len(frames)
        yield key, _write_frames(targets, frames, encoders)


def _write_frames(targets: list[Path], frames: Sequence[Frame], encoders: Executor) -> Outcome:
    if all(target.is_file() for target in targets):
        return Outcome(skipped=len(targets))
    targets[0].parent.mkdir(parents=True, exist_ok=True)
    remove_parts(targets[0].parent)
    for target, data in zip(targets, encoders.map(encode_png, frames), strict=True):
        write_file(target, data)
    return Outcome(done=len(targets))


def _usual_crop(frame: Frame) -> FrameSize:
    """As large as the picture is, but for what makes its sides multiples of eight."""
    height, width = (side - side % _SIDES for side in frame.shape[:2])
    if not (height and width):
        raise VideoError(f"its pictures are {frame.shape[1]}x{frame.shape[0]}, too small to be cut")
    return FrameSize(height, width)


def _frames_of(video: Path, scene_threshold: float) -> Iterator[tuple[Frame, bool]]:
    """((H, W, 3) uint8, whether a scene begins with it) for each frame."""
    with VideoPictures(video) as pictures:
        cuts = SceneCuts(scene_threshold)
        for picture in pictures:
            yield pictures.rgb(picture), cuts.begins_with(picture)


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
