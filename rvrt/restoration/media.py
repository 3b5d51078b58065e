"""Restored frames written: single pictures, and H.264 with the sound of another file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from rvrt.errors import RestoreError
from vimeo_tools.data.pictures import Frame, FrameSource, PictureSequence
from vimeo_tools.data.video import VideoSequence, import_av
from vimeo_tools.running.atomic import whole_file

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov")
# x264's scale of loss; 14 keeps what a network added, at some three times the size of the usual 23.
# Chroma, coded coarser by default, drifts by a tenth of a level on smooth pictures.
_VIDEO_OPTIONS = {"crf": "14", "preset": "medium", "x264-params": "chroma-qp-offset=-6"}
# Rounded to nearest, without which all is half a level darker; chroma lies where H.264 has it when
# nothing else is said, on the left of its two columns and between its two rows.
_TO_YUV = (
    "out_color_matrix=bt709:out_range=tv:out_h_chr_pos=0:out_v_chr_pos=128:"
    "flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp"
)
_BT709 = 1
_LIMITED = 1
_TICKS = 90_000  # a second, where frames do not follow a rate


def open_frames(path: Path) -> FrameSource:
    """The frames of a folder of pictures or of a video file.

    Raises:
        RestoreError: there is no such path.
        FrameError: the folder holds no pictures, or its first is damaged.
        VideoError: the file is no video, or PyAV is not installed.
    """
    if path.is_dir():
        return PictureSequence(path)
    if path.is_file():
        return VideoSequence(path)
    raise RestoreError(f"{path}: no such folder or video file")


def save_picture(path: Path, frame: Frame) -> None:
    """Write (H, W, 3) uint8 RGB as PNG, under its name only when whole.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as part:
        Image.fromarray(frame).save(part, format="PNG", compress_level=3)


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
    frames: Iterable[Frame],
    rate: Fraction,
    sound: Path | None = None,
    times: Sequence[Fraction] | None = None,
    comment: str | None = None,
) -> None:
    """Encode frames as H.264 of BT.709 in the limited range, with the sound of another file.

    Args:
        path: of the video; its suffix says which container.
        frames: (H, W, 3) uint8 RGB each, of even sides.
        rate: frames a second.
        sound: a file whose sound streams are copied.
        times: seconds at which frames are shown, where they do not follow the rate.
        comment: stands in the file and is not shown; see `video_comment`.

    Raises:
        RestoreError: the container cannot hold the sound, or a frame cannot be encoded.
        VideoError: PyAV is not installed.
        OutputError: it cannot be written.
    """
    av = import_av(path)
    tick = 1 / rate if times is None else Fraction(1, _TICKS)
    try:
        with whole_file(path) as part, av.open(str(part), "w") as out:
            if comment is not None:
                out.metadata["comment"] = comment
            stream = out.add_stream("libx264", rate=rate, options=_VIDEO_OPTIONS)
            stream.codec_context.time_base = tick
            copied = _Sound(av, sound, out)
            for index, frame in enumerate(frames):
                if index == 0:
                    height, width, _ = frame.shape
                    _describe(stream, height, width)
                    converter = _Converter(av, height, width, tick)
                seconds = index / rate if times is None else times[index]
                copied.mux_until(seconds)
                out.mux(stream.encode(converter.yuv(frame, round(seconds / tick))))
            out.mux(stream.encode(None))
            copied.mux_until(None)
    except av.error.FFmpegError as error:
        raise RestoreError(
            f"{path}: cannot be encoded: {error}. If it is the sound, try .mkv or --no-sound"
        ) from error


class _Converter:
    """RGB frames of one size to YUV 4:2:0."""

    def __init__(self, av: Any, height: int, width: int, tick: Fraction) -> None:
        self._av, self._tick = av, tick
        self._graph = av.filter.Graph()
        chain = [
            self._graph.add_buffer(
                width=width, height=height, format=av.VideoFormat("rgb24"), time_base=tick
            ),
            self._graph.add("scale", _TO_YUV),
            self._graph.add("format", "yuv420p"),
            self._graph.add("buffersink"),
        ]
        self._graph.link_nodes(*chain).configure()

    def yuv(self, frame: Frame, ticks: int) -> Any:
        picture = self._av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts, picture.time_base = ticks, self._tick
        self._graph.push(picture)
        return self._graph.pull()


def _describe(stream: Any, height: int, width: int) -> None:
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED


class _Sound:
    """Copies packets of sound beside the pictures, in time."""

    def __init__(self, av: Any, path: Path | None, out: Any) -> None:
        self._out = out
        self._packets: Iterator[Any] = iter(())
        self._waiting: Any = None
        if path is not None:
            container = av.open(str(path))
            self._begin = Fraction(container.start_time or 0, av.time_base)
            self._streams = {
                stream.index: out.add_stream_from_template(stream)
                for stream in container.streams.audio
            }
            if self._streams:
                self._packets = container.demux(container.streams.audio)

    def mux_until(self, seconds: Fraction | None) -> None:
        """Write packets up to a time from the beginning of the file, or all that are left."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = packet
            if packet is None:
                return
            if packet.dts is not None:
                if seconds is not None and packet.dts * packet.time_base - self._begin > seconds:
                    return
                shift = round(self._begin / packet.time_base)
                packet.dts -= shift
                packet.pts = packet.dts if packet.pts is None else packet.pts - shift
                packet.stream = self._streams[packet.stream.index]
                self._out.mux(packet)
            self._waiting = None
