"""Videos out: pictures encoded, with times, colours, sound and subtitles of their source."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from rvrt.errors import RestoreError
from rvrt.restoration.encoding import Encoder
from rvrt.restoration.film import Converter, Film
from rvrt.restoration.pictures import PictureFolder
from vimeo_tools.data.pictures import AnyFrame, DeepSource
from vimeo_tools.data.video import import_av
from vimeo_tools.data.video_sequence import Timing, VideoSequence
from vimeo_tools.running.atomic import FATAL_ERRNOS, whole_file

_CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".mov": "mov"}


def open_frames(path: Path, stop: Fraction | None = None, cuts: bool = False) -> DeepSource:
    """The frames of a folder of pictures or of a video file.

    Args:
        path: of either.
        stop: of a video, seconds at which to stop looking.
        cuts: find a video's scene cuts.

    Raises:
        RestoreError: there is no such path.
        FrameError: the folder holds no pictures, or its first is damaged.
        VideoError: the file is no video, or PyAV is not installed.
    """
    if path.is_dir():
        return PictureFolder(path)
    if path.is_file():
        return VideoSequence(path, stop, cuts)
    raise RestoreError(f"{path}: no such folder or video file")


def video_comment(path: Path) -> str | None:
    """What `write_video` was given as comment; None for any other file."""
    av = import_av(path)
    try:
        with av.open(str(path)) as container:
            tags = {name.lower(): text for name, text in container.metadata.items()}
    except (av.error.FFmpegError, OSError):
        return None
    return tags.get("comment")


def write_video(
    path: Path,
    frames: Iterable[AnyFrame],
    film: Film,
    encoder: Encoder,
    comment: str | None = None,
) -> None:
    """Encode frames.

    Args:
        path: of the video; its suffix says which container.
        frames: (H, W, 3) uint8 or uint16 RGB each.
        film: what else it is.
        encoder: of `choose_encoder`.
        comment: stands in the file and is not shown; see `video_comment`.

    Raises:
        RestoreError: a frame cannot be encoded, or the container cannot hold sound or subtitles.
        VideoError: PyAV is not installed.
        OutputError: it cannot be written.
    """
    av = import_av(path)
    _hush(encoder)
    with whole_file(path) as part:
        try:
            with av.open(str(part), "w") as out:
                _write(av, out, frames, film, encoder, comment)
        except av.error.FFmpegError as error:
            raise _explained(path, error) from error


def try_encoder(path: Path, height: int, width: int, film: Film, encoder: Encoder) -> None:
    """Encode one black frame into memory, so that a refusal comes before hours of work.

    Raises:
        RestoreError: as `write_video` would.
    """
    av = import_av(path)
    _hush(encoder)
    frame = np.zeros((height, width, 3), np.uint8)
    try:
        with av.open(io.BytesIO(), "w", format=_CONTAINERS[path.suffix.lower()]) as out:
            _write(av, out, [frame], film, encoder, None, header_only=True)
    except av.error.FFmpegError as error:
        raise _explained(path, error) from error


def _hush(encoder: Encoder) -> None:
    """Have SVT-AV1 say errors alone, unless the user has asked it for more."""
    if encoder.name == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")


@contextlib.contextmanager
def _usual_scheduling() -> Iterator[None]:
    """Give the threads of this process the scheduling back that they had.

    SVT-AV1, where root opens it, makes its threads and the one that opens it real-time ones: they
    keep their processors from all others, MindSpore's among them.
    """
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    before = os.sched_getscheduler(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != before:
            for task in Path("/proc/self/task").iterdir():
                with contextlib.suppress(OSError):  # one that has ended
                    os.sched_setscheduler(int(task.name), before, os.sched_param(0))


def _explained(path: Path, error: Any) -> Exception:
    if error.errno in FATAL_ERRNOS:
        return OSError(error.errno, os.strerror(error.errno))  # whole_file says it
    return RestoreError(
        f"{path}: cannot be encoded: {error}. If it is the sound or the subtitles, which are "
        "copied, try .mkv, --no-sound or --no-subtitles"
    )


def _write(
    av: Any,
    out: Any,
    frames: Iterable[AnyFrame],
    film: Film,
    encoder: Encoder,
    comment: str | None,
    header_only: bool = False,
) -> None:
    if comment is not None:
        out.metadata["comment"] = comment
    coming = iter(frames)
    first = next(coming)
    height, width, _ = first.shape
    count = 1 if header_only else len(film.timing.ticks)
    options = encoder.options_for(count, height, width)
    stream = out.add_stream(encoder.name, rate=film.timing.rate, options=options)
    copied = _Copied(av, film, out)
    converter = Converter(av, height, width, film, encoder)
    converter.describe(stream, out.format.name)
    with _usual_scheduling():
        stream.codec_context.open()
    for index, frame in enumerate(chain([first], coming)):
        copied.mux_until(film.timing.seconds(index))
        picture = converter.picture(frame, int(film.timing.ticks[index]))
        _mux(out, stream.encode(picture), film.timing)
    _mux(out, stream.encode(None), film.timing)
    if not header_only:
        copied.mux_until(None)


def _mux(out: Any, packets: list[Any], timing: Timing) -> None:
    """Write packets with how long each is shown, which encoders leave out and containers guess."""
    for packet in packets:
        index = int(np.searchsorted(timing.ticks, packet.pts))
        known = packet.time_base == timing.unit and index < len(timing.ticks)
        if known and timing.ticks[index] == packet.pts:
            packet.duration = timing.duration(index)
        out.mux(packet)


class _Copied:
    """Copies packets of sound and subtitles beside the pictures, in time."""

    def __init__(self, av: Any, film: Film, out: Any) -> None:
        self._out, self._film = out, film
        self._packets: Iterator[Any] = iter(())
        self._waiting: Any = None
        if film.copied is None:
            return
        container = av.open(str(film.copied))
        self._zero = Fraction(container.start_time or 0, av.time_base) + (film.begin or 0)
        wanted = [
            *(container.streams.audio if film.sound else ()),
            *(container.streams.subtitles if film.subtitles else ()),
        ]
        self._streams = {stream.index: self._copy_of(stream) for stream in wanted}
        if wanted:
            self._packets = container.demux(*wanted)

    def _copy_of(self, stream: Any) -> Any:
        try:
            copy = self._out.add_stream_from_template(stream)
        except ValueError as error:  # the container cannot hold it
            option = "--no-sound" if stream.type == "audio" else "--no-subtitles"
            raise RestoreError(
                f"{self._film.copied}: its {stream.type} ({stream.codec_context.name}) cannot be "
                f"copied: {error}; write an .mkv, or leave it out with {option}"
            ) from None
        for name in ("language", "title"):
            if name in stream.metadata:
                copy.metadata[name] = stream.metadata[name]
        return copy

    def mux_until(self, seconds: Fraction | None) -> None:
        """Write packets up to a time from the beginning of the film, or all that are left."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = packet
            if packet is None:
                return
            if packet.dts is not None and packet.size:
                time = packet.dts * packet.time_base - self._zero
                if seconds is not None and time > seconds:
                    return
                if self._is_within(time):
                    self._mux(packet)
            self._waiting = None

    def _is_within(self, time: Fraction) -> bool:
        begin, end = self._film.begin, self._film.end
        return (begin is None or time >= 0) and (end is None or time < end - (begin or 0))

    def _mux(self, packet: Any) -> None:
        shift = round(self._zero / packet.time_base)
        packet.dts -= shift
        packet.pts = packet.dts if packet.pts is None else packet.pts - shift
        packet.stream = self._streams[packet.stream.index]
        self._out.mux(packet)
