"""Frames in and out: folders of pictures, and video files by way of PyAV (an optional extra)."""

import importlib
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rvrt.errors import RestoreError
from vimeo_tools.running.atomic import whole_file

Frame = NDArray[np.uint8]

_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov")
# x264's scale of loss; 14 keeps what a network added, at some three times the size of the usual 23.
_VIDEO_OPTIONS = {"crf": "14", "preset": "medium"}
_BT709 = 1
_UNSPECIFIED = 2
_HD_HEIGHT = 720


class FrameReader(Protocol):
    """Frames of one size, read in order.

    Attributes:
        names: one for each frame, without a suffix.
        height: of every frame.
        width: of every frame.
        identity: JSON-like value that changes when the input does.
    """

    names: list[str]
    height: int
    width: int
    identity: list[Any]

    def read(self, start: int, stop: int) -> Frame:
        """(stop - start, H, W, 3) uint8 RGB; `start` never falls from call to call.

        Raises:
            RestoreError: a frame is damaged or differs from the first in size.
        """
        ...


def open_frames(path: Path) -> FrameReader:
    """The frames of a folder of pictures or of a video file.

    Raises:
        RestoreError: there is nothing to read, or PyAV is needed and not installed.
    """
    if path.is_dir():
        return FolderReader(path)
    if path.is_file():
        return VideoReader(path)
    raise RestoreError(f"{path}: no such folder or video file")


class FolderReader:
    """Pictures of a folder, in the order of the numbers in their names. See FrameReader."""

    def __init__(self, folder: Path):
        self._paths = sorted(
            (
                path
                for path in folder.iterdir()
                if path.suffix.lower() in _PICTURES and not path.name.startswith(".")
            ),
            key=lambda path: _natural(path.stem),
        )
        if not self._paths:
            raise RestoreError(f"{folder}: no pictures ({', '.join(sorted(_PICTURES))})")
        self.names = [path.stem for path in self._paths]
        twice = [name for name, following in pairwise(self.names) if name == following]
        if twice:
            raise RestoreError(f"{folder}: two pictures are called {twice[0]}; keep one of them")
        self.height, self.width, _ = read_picture(self._paths[0]).shape
        self.identity = [[path.name, path.stat().st_size] for path in self._paths]

    def read(self, start: int, stop: int) -> Frame:
        """See FrameReader."""
        frames = [read_picture(path) for path in self._paths[start:stop]]
        for frame, path in zip(frames, self._paths[start:stop], strict=True):
            if frame.shape[:2] != (self.height, self.width):
                raise RestoreError(
                    f"{path}: {frame.shape[1]}x{frame.shape[0]}, but the first frame is "
                    f"{self.width}x{self.height}; one run takes frames of one size"
                )
        return np.stack(frames)


def _natural(name: str) -> tuple[list[Any], str]:
    """Sorts frame_2 before frame_10."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if part.isdigit() else part for part in parts], name


def read_picture(path: Path) -> Frame:
    """(H, W, 3) uint8 RGB of any 8-bit picture that is opaque.

    Raises:
        RestoreError: damaged, of more than 8 bits, or transparent.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("RGB", "RGBA", "L", "P", "1"):
                raise RestoreError(f"{path}: pixels of kind {image.mode}; save it as 8-bit RGB")
            if image.has_transparency_data and image.convert("RGBA").getextrema()[3] != (255, 255):
                raise RestoreError(f"{path}: is transparent; save it without alpha")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RestoreError(f"{path}: cannot be read as a picture: {error}") from error


def save_picture(path: Path, frame: Frame) -> None:
    """Write (H, W, 3) uint8 RGB as PNG, under its name only when whole.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as part:
        Image.fromarray(frame).save(part, format="PNG", compress_level=3)


def require_pyav(path: Path) -> ModuleType:
    """PyAV, for reading or writing a video.

    Raises:
        RestoreError: it is not installed; says how.
    """
    try:
        return importlib.import_module("av")
    except ImportError:
        raise RestoreError(
            f"{path}: video files need PyAV: pip install 'vimeo-tools[video]'; or give a folder "
            "of frames"
        ) from None


class VideoReader:
    """The first video stream of a file, decoded in order. See FrameReader.

    Attributes:
        rate: frames a second, the average where it varies.
    """

    def __init__(self, path: Path):
        self._path = path
        self._av = require_pyav(path)
        count, self.height, self.width, self.rate = self._measure()
        self.names = [f"{index:08d}" for index in range(count)]
        self.identity = [path.name, path.stat().st_size, count]
        self._frames = self._decode()
        self._next = 0
        self._kept: dict[int, Frame] = {}

    def _measure(self) -> tuple[int, int, int, Fraction]:
        # Containers are often wrong about the number of frames, so they are counted.
        count, height, width = 0, 0, 0
        for frame, stream in self._pictures():
            if count == 0:
                height, width = _upright(frame, np.empty((frame.height, frame.width))).shape
                rate = stream.average_rate or Fraction(25)
            count += 1
        if count == 0:
            raise RestoreError(f"{self._path}: no video in it")
        return count, height, width, rate

    def _pictures(self) -> Iterator[tuple[Any, Any]]:
        try:
            with self._av.open(str(self._path)) as container:
                if not container.streams.video:
                    raise RestoreError(f"{self._path}: no video in it")
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                for frame in container.decode(stream):
                    yield frame, stream
        except self._av.error.FFmpegError as error:
            raise RestoreError(f"{self._path}: cannot be read as video: {error}") from error

    def _decode(self) -> Iterator[Frame]:
        for frame, _ in self._pictures():
            # Films without a mark follow their size: BT.709 from HD on, BT.601 below.
            unmarked = frame.colorspace == _UNSPECIFIED and frame.height >= _HD_HEIGHT
            source = "ITU709" if unmarked else None
            yield _upright(
                frame, frame.reformat(format="rgb24", src_colorspace=source).to_ndarray()
            )

    def read(self, start: int, stop: int) -> Frame:
        """See FrameReader."""
        self._kept = {index: frame for index, frame in self._kept.items() if index >= start}
        while self._next < stop:
            frame = next(self._frames, None)
            if frame is None or frame.shape[:2] != (self.height, self.width):
                raise RestoreError(
                    f"{self._path}: frame {self._next} is missing or of another size"
                )
            if self._next >= start:
                self._kept[self._next] = frame
            self._next += 1
        return np.stack([self._kept[index] for index in range(start, stop)])


def _upright(frame: Any, picture: NDArray[Any]) -> NDArray[Any]:
    """Telephones store pictures lying down and note by how much to turn them."""
    return np.rot90(picture, round(frame.rotation / 90))


def write_video(path: Path, frames: Iterable[Frame], rate: Fraction, sound: Path | None) -> None:
    """Encode (H, W, 3) uint8 RGB frames as H.264, with the sound streams of another file.

    Raises:
        RestoreError: PyAV is missing, or the container cannot hold the sound.
        OutputError: it cannot be written.
    """
    av = require_pyav(path)
    try:
        with whole_file(path) as part, av.open(str(part), "w") as out:
            stream = out.add_stream("libx264", rate=rate, options=_VIDEO_OPTIONS)
            copied = _Sound(av, sound, out)
            for index, frame in enumerate(frames):
                if index == 0:
                    _describe(stream, *frame.shape[:2])
                copied.mux_until(index / rate)
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
                out.mux(stream.encode(picture))
            out.mux(stream.encode(None))
            copied.mux_until(None)
    except av.error.FFmpegError as error:
        raise RestoreError(
            f"{path}: cannot be encoded: {error}. If it is the sound, try .mkv or --no-sound"
        ) from error


def _describe(stream: Any, height: int, width: int) -> None:
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = 1


class _Sound:
    """Copies packets of sound beside the pictures, in time."""

    def __init__(self, av: ModuleType, path: Path | None, out: Any):
        self._out = out
        self._packets: Iterator[Any] = iter(())
        self._waiting: Any = None
        if path is not None:
            container = av.open(str(path))
            self._streams = {
                stream.index: out.add_stream_from_template(stream)
                for stream in container.streams.audio
            }
            if self._streams:
                self._packets = container.demux(container.streams.audio)

    def mux_until(self, seconds: Fraction | None) -> None:
        """Write packets up to a time, or all that are left."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = packet
            if packet is None:
                return
            if packet.dts is not None:
                if seconds is not None and packet.dts * packet.time_base > seconds:
                    return
                packet.stream = self._streams[packet.stream.index]
                self._out.mux(packet)
            self._waiting = None
