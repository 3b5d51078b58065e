"""Pictures of a video file as RGB: upright, in its own colours. FFmpeg's work, through PyAV.

PyAV is the extra ``[video]``; it is imported when a video is opened.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vimeo_tools.data.pictures import Frame
from vimeo_tools.errors import VideoError

UNSPECIFIED = 2
HD_HEIGHT = 720
_DEFAULT_RATE = Fraction(25)
# Times that are so near to an even beat are one: containers round them to a thousandth.
_UNEVEN = Fraction(1, 500)


def import_av(purpose: object = "videos") -> Any:
    """PyAV.

    Raises:
        VideoError: it is not installed; says how.
    """
    try:
        importlib.import_module("av.filter")
        return importlib.import_module("av")
    except ImportError:
        raise VideoError(
            f"{purpose}: video files need PyAV: pip install 'vimeo-tools[video]'"
        ) from None


def exact(av: Any) -> Any:
    """Flags with which swscale rounds colours to nearest; without them it darkens by a level."""
    flags = av.video.reformatter.Interpolation
    return flags.BILINEAR | flags.ACCURATE_RND | flags.FULL_CHR_H_INT | flags.FULL_CHR_H_INP


class VideoPictures:
    """The first video stream of a file, decoded once from its beginning.

    A context manager, iterated over: decoded pictures of PyAV, in the order they are shown.

    Attributes:
        av: PyAV.
        stream: PyAV's stream.

    Raises:
        VideoError: on entering or while iterating: there is no video, or it is damaged; the message
            does not name the path.
    """

    def __init__(self, path: Path) -> None:
        self.av = import_av()
        self._path = path

    def __enter__(self) -> VideoPictures:
        try:
            self._container = self.av.open(str(self._path))
        except (self.av.error.FFmpegError, OSError) as error:
            raise VideoError(f"cannot be read as a video: {error}") from None
        if not self._container.streams.video:
            self._container.close()
            raise VideoError("the file holds no video")
        self.stream = self._container.streams.video[0]
        self.stream.thread_type = "AUTO"
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._container.decode(self.stream)
        except (self.av.error.FFmpegError, OSError) as error:
            raise VideoError(f"cannot be read as a video: {error}") from None

    def seconds(self, picture: Any) -> Fraction | None:
        """When a picture is shown, from the beginning of the file; None if it is not said."""
        if picture.pts is None:
            return None
        begin = Fraction(self._container.start_time or 0, self.av.time_base)
        return Fraction(picture.pts * picture.time_base) - begin

    def rgb(self, picture: Any) -> Frame:
        """(H, W, 3) uint8 RGB, turned upright.

        The colour matrix and range are those that the file names. Without a name the matrix follows
        the size: BT.709 from HD on, BT.601 below; the range is then the limited one.
        """
        unnamed = picture.colorspace == UNSPECIFIED and picture.height >= HD_HEIGHT
        converted = picture.reformat(
            format="rgb24",
            src_colorspace="ITU709" if unnamed else None,
            src_color_range=picture.color_range,
            dst_color_range="JPEG",
            interpolation=exact(self.av),
        )
        return upright(picture, converted.to_ndarray())


def upright(picture: Any, pixels: Frame) -> Frame:
    """Telephones store pictures lying down and note by how much to turn them."""
    return np.rot90(pixels, round(picture.rotation / 90))


class VideoSequence:
    """The pictures of a video as one sequence, decoded as they are read. See FrameSource.

    Attributes:
        rate: frames a second, the average where it varies.
        times: seconds from the file's beginning at which frames are shown, where these do not
            follow the rate; else None.

    Raises:
        VideoError: PyAV is missing, or the file cannot be read; names the path.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pictures = VideoPictures(path)
        self.rate = _DEFAULT_RATE
        seconds = self._measure()
        count = len(seconds)
        self.times = _uneven(seconds, self.rate)
        self.names = [f"{index:08d}" for index in range(count)]
        self.identity: list[Any] = [path.name, path.stat().st_size, count]
        self._frames = self._decode()
        self._next = 0
        self._kept: dict[int, Frame] = {}

    def _measure(self) -> list[Fraction | None]:
        # Containers are often wrong about the number of frames, so they are counted.
        seconds: list[Fraction | None] = []
        try:
            with self._pictures as pictures:
                self.rate = pictures.stream.average_rate or self.rate
                for picture in pictures:
                    if not seconds:
                        flat = np.empty((picture.height, picture.width), np.uint8)
                        self.height, self.width = upright(picture, flat).shape
                    seconds.append(pictures.seconds(picture))
        except VideoError as error:
            raise VideoError(f"{self._path}: {error}") from None
        if not seconds:
            raise VideoError(f"{self._path}: the file holds no video")
        return seconds

    def _decode(self) -> Iterator[Frame]:
        try:
            with self._pictures as pictures:
                for picture in pictures:
                    yield pictures.rgb(picture)
        except VideoError as error:
            raise VideoError(f"{self._path}: {error}") from None

    def read(self, start: int, stop: int) -> Frame:
        """See FrameSource."""
        self._kept = {index: frame for index, frame in self._kept.items() if index >= start}
        while self._next < stop:
            frame = next(self._frames, None)
            if frame is None or frame.shape[:2] != (self.height, self.width):
                raise VideoError(f"{self._path}: frame {self._next} is missing or of another size")
            if self._next >= start:
                self._kept[self._next] = frame
            self._next += 1
        return np.stack([self._kept[index] for index in range(start, stop)])


def _uneven(seconds: list[Fraction | None], rate: Fraction) -> list[Fraction] | None:
    times = [time for time in seconds if time is not None]
    if len(times) < len(seconds) or any(b <= a for a, b in pairwise(times)):
        return None  # times that cannot be used
    even = all(abs(time - index / rate) < _UNEVEN for index, time in enumerate(times))
    return None if even else times
