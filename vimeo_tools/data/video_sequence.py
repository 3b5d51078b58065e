"""A video file as one sequence of frames, with what is to be known about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vimeo_tools.data.pictures import AnyFrame
from vimeo_tools.data.scenes import SceneCuts
from vimeo_tools.data.video import VideoPictures, bits_of, is_opaque, upright
from vimeo_tools.errors import VideoError
from vimeo_tools.running.progress import progress

_DEFAULT_RATE = Fraction(25)
# A file that says it is longer than this beyond its last picture has lost its end.
_LOST = Fraction(1, 2)


@dataclass(frozen=True)
class Timing:
    """When frames are shown.

    Attributes:
        unit: seconds that a tick lasts.
        ticks: of each frame, rising.
        rate: frames a second, on average.
    """

    unit: Fraction
    ticks: npt.NDArray[np.int64]
    rate: Fraction

    @classmethod
    def even(cls, rate: Fraction, count: int) -> Timing:
        """Of frames that follow a rate."""
        return cls(1 / rate, np.arange(count), rate)

    def seconds(self, index: int) -> Fraction:
        """When a frame is shown, from the beginning."""
        return int(self.ticks[index]) * self.unit

    def duration(self, index: int) -> int:
        """Ticks for which a frame is shown; the last one as the rate says."""
        if index + 1 < len(self.ticks):
            return int(self.ticks[index + 1] - self.ticks[index])
        return max(round(1 / self.rate / self.unit), 1)

    def part(self, start: int, stop: int) -> Timing:
        """Of the frames from start to stop, the first of them at 0."""
        ticks = self.ticks[start:stop]
        return Timing(self.unit, ticks - ticks[0], self.rate)


class VideoSequence:
    """The pictures of a video as one sequence, decoded as they are read. See DeepSource.

    Args:
        path: of the file.
        stop: seconds at which to stop looking; what comes then is neither counted nor checked.
        cuts: find scene cuts.

    Attributes:
        dtype: of frames: uint16, 0..65535, where the video has more than 8 bits, else uint8.
        timing: when they are shown, from the file's beginning; as the rate says where the file has
            no usable times.
        colours: what its numbers mean.
        pixel_aspect: width of a pixel over its height, of frames as they are read.
        interlaced: the first picture is of two halves, taken one after the other.
        cuts: the frames, after the first, with which a scene begins; empty if not looked for.

    Raises:
        VideoError: PyAV is missing; the file cannot be read, ends too early, is transparent, HDR or
            of unknown colours; names the path.
    """

    def __init__(self, path: Path, stop: Fraction | None = None, cuts: bool = False) -> None:
        self._path = path
        self._pictures = VideoPictures(path)
        self._found: list[int | None] = []
        self.cuts: list[int] = []
        try:
            self._measure(stop, SceneCuts() if cuts else None)
        except VideoError as error:
            raise VideoError(f"{path}: {error}") from None
        count = len(self._found)
        self.timing = _timing(self._found, self._unit, self._begin, self._rate)
        self.names = [f"{index:08d}" for index in range(count)]
        self.identity: list[Any] = [path.name, path.stat().st_size, count]
        self._frames = self._decode()
        self._next = 0
        self._kept: dict[int, AnyFrame] = {}

    def _measure(self, stop: Fraction | None, cuts: SceneCuts | None) -> None:
        # Containers are often wrong about the number of frames, so they are counted.
        with self._pictures as pictures, progress(None, "frame", "looking at the video") as bar:
            self._begin, self._unit = pictures.begin, Fraction(pictures.stream.time_base)
            self._rate = pictures.stream.average_rate or _DEFAULT_RATE
            coming = iter(pictures)
            while True:
                try:
                    picture = next(coming, None)
                except VideoError as error:
                    self._refuse_what_is_lost(stop, str(error))
                    return
                if picture is None:
                    break
                if stop is not None and self._time(picture.pts, len(self._found)) >= stop:
                    return
                self._look_at(picture, cuts)
                bar.update()
            if not self._found:
                raise VideoError("the file holds no frames")
            declared = _declared_end(pictures.stream)
            if declared is not None and declared - self._end() > _LOST:
                self._refuse_what_is_lost(stop, f"it says that it lasts {float(declared):.2f} s")

    def _look_at(self, picture: Any, cuts: SceneCuts | None) -> None:
        index = len(self._found)
        if not index:
            self._describe(picture)
        elif (picture.height, picture.width) != self._stored:
            raise VideoError(f"frame {index} is of another size than the first")
        if not is_opaque(picture):
            raise VideoError(f"frame {index} is transparent; put it on a background first")
        if cuts is not None and cuts.begins_with(picture) and index:
            self.cuts.append(index)
        self._found.append(picture.pts)

    def _describe(self, picture: Any) -> None:
        self._stored = picture.height, picture.width
        self.height, self.width = upright(picture, np.empty(self._stored, np.uint8)).shape
        self.colours = self._pictures.colours(picture)
        self.colours.check()
        if picture.format.name.startswith(("xyz", "bayer")):
            raise VideoError(f"its pixels are {picture.format.name}; convert them to RGB or YUV")
        self.dtype = np.dtype(np.uint16 if bits_of(picture) > 8 else np.uint8)
        stream = self._pictures.stream
        aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1
        turned = (self.height, self.width) != self._stored or round(picture.rotation / 90) % 2
        self.pixel_aspect = 1 / Fraction(aspect) if turned else Fraction(aspect)
        self.interlaced = bool(picture.interlaced_frame)

    def _time(self, ticks: int | None, index: int) -> Fraction:
        return index / self._rate if ticks is None else ticks * self._unit - self._begin

    def _end(self) -> Fraction:
        return self._time(self._found[-1], len(self._found) - 1) + 1 / self._rate

    def _refuse_what_is_lost(self, stop: Fraction | None, why: str) -> None:
        """The file cannot be read to its end, which does not matter if that is not wanted."""
        if not self._found:
            raise VideoError(why)
        end = self._end()
        if stop is None or stop > end:
            raise VideoError(
                f"{why}; {len(self._found)} frames, {float(end):.2f} s, can be read before that: "
                f"the file is damaged or cut off. --end {float(end):.2f} restores what is there"
            )

    def _decode(self) -> Iterator[Any]:
        try:
            with self._pictures as pictures:
                yield from pictures
        except VideoError as error:
            raise VideoError(f"{self._path}: {error}") from None

    def read(self, start: int, stop: int) -> AnyFrame:
        """See DeepSource."""
        self._kept = {index: frame for index, frame in self._kept.items() if index >= start}
        convert = self._pictures.rgb if self.dtype == np.uint8 else self._pictures.deep_rgb
        while self._next < stop:
            picture = next(self._frames, None)
            if picture is None or (picture.height, picture.width) != self._stored:
                raise VideoError(f"{self._path}: frame {self._next} is missing or of another size")
            if self._next >= start:
                self._kept[self._next] = convert(picture)
            self._next += 1
        return np.stack([self._kept[index] for index in range(start, stop)])


def _declared_end(stream: Any) -> Fraction | None:
    """How long a file says that its pictures last, in seconds; None where it says nothing."""
    if stream.duration:
        return Fraction(stream.duration * stream.time_base)
    parts = stream.metadata.get("DURATION", "").split(":")  # of Matroska
    try:
        hours, minutes, seconds = map(Fraction, parts)
    except ValueError:
        return None
    return (hours * 60 + minutes) * 60 + seconds


def _timing(found: list[int | None], unit: Fraction, begin: Fraction, rate: Fraction) -> Timing:
    times = [ticks for ticks in found if ticks is not None]
    if len(times) < len(found) or any(b <= a for a, b in pairwise(times)):
        return Timing.even(rate, len(found))  # times that cannot be used
    return Timing(unit, np.array(times, np.int64) - round(begin / unit), rate)
