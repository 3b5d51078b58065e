"""Pictures of a video file as RGB: upright, in its own colours. FFmpeg's work, through PyAV.

PyAV is the extra ``[video]``; it is imported when a video is opened.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vimeo_tools.data.colours import (
    HD_HEIGHT,
    RGB,
    UNSPECIFIED,
    Colours,
    rgb_from_yuv,
)
from vimeo_tools.data.pictures import AnyFrame, Frame
from vimeo_tools.errors import VideoError

_FULL = 2  # FFmpeg's number of the full range
_OPAQUE = 255
_ATTACHED_PICTURE = 0x400  # of FFmpeg's dispositions
# swscale rounds colours to nearest; without these flags it darkens by a level. By number, as PyAV
# has their names from 18 on: bilinear, accurate_rnd, full_chroma_int, full_chroma_inp.
_EXACT = 0x2 | 0x40000 | 0x2000 | 0x4000


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
        films = [film for film in self._container.streams.video if not _is_cover(film)]
        if not films:
            self._container.close()
            raise VideoError("the file holds no video stream")
        self.stream = films[0]
        self.stream.thread_type = "AUTO"
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._container.decode(self.stream)
        except (self.av.error.FFmpegError, OSError) as error:
            raise VideoError(f"cannot be read as a video: {error}") from None

    @property
    def begin(self) -> Fraction:
        """Where the file begins, in seconds of its own clock; exact where the pictures begin it."""
        stream, file = self.stream, Fraction(self._container.start_time or 0, self.av.time_base)
        first = Fraction((stream.start_time or 0) * stream.time_base)
        return first if abs(first - file) < Fraction(1, self.av.time_base) else file

    def colours(self, picture: Any) -> Colours:
        """What the numbers of a picture mean, as it says or as its size lets guess."""
        if picture.format.is_rgb or picture.format.has_palette:
            return Colours(RGB, picture.color_primaries, picture.color_trc, full_range=True)
        full = picture.color_range == _FULL or picture.format.name.startswith("yuvj")
        says = Colours(picture.colorspace, picture.color_primaries, picture.color_trc, full)
        return says.named(picture.height)

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
            interpolation=_EXACT,
        )
        return upright(picture, converted.to_ndarray())

    def deep_rgb(self, picture: Any) -> npt.NDArray[np.uint16]:
        """(H, W, 3) uint16 RGB in 0..65535, turned upright, of a picture of more than 8 bits."""
        layout, bits = picture.format, bits_of(picture)
        if layout.is_rgb:
            pixels = picture.reformat(format="rgb48le", interpolation=_EXACT).to_ndarray()
            return upright(picture, pixels)
        if len(layout.components) < 3:  # grey
            y = _plane(picture.reformat(format=f"gray{bits}le"), 0)
            middle = np.full_like(y, 2 ** (bits - 1))
            grey = Colours(full_range=self.colours(picture).full_range)
            return upright(picture, rgb_from_yuv((y, middle, middle), bits, grey))
        whole = picture.reformat(
            format=f"yuv444p{bits}le", interpolation=_EXACT, **_same_range(picture)
        )
        planes = _plane(whole, 0), _plane(whole, 1), _plane(whole, 2)
        return upright(picture, rgb_from_yuv(planes, bits, self.colours(picture)))


def bits_of(picture: Any) -> int:
    """Of a sample."""
    return int(max(component.bits for component in picture.format.components))


def luma_of(picture: Any) -> tuple[AnyFrame, int]:
    """Y, a copy, and its bits; of what is stored otherwise (H, W, 3) RGB of 8 bits."""
    if picture.format.name.startswith(("yuv", "gray", "nv12", "nv21")):
        bits = bits_of(picture)
        return _plane(picture, 0, np.uint8 if bits == 8 else np.uint16).copy(), bits
    return picture.reformat(format="rgb24").to_ndarray(), 8


def is_opaque(picture: Any) -> bool:
    """Whether no pixel shines through."""
    layout = picture.format
    if not (layout.has_palette or any(component.is_alpha for component in layout.components)):
        return True
    return bool(picture.reformat(format="rgba").to_ndarray()[..., 3].min() == _OPAQUE)


def upright(picture: Any, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Telephones store pictures lying down and note by how much to turn them."""
    return np.rot90(pixels, round(picture.rotation / 90))


def _plane(picture: Any, number: int, dtype: type[Any] = np.uint16) -> npt.NDArray[Any]:
    plane = picture.planes[number]
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]


def _same_range(picture: Any) -> dict[str, Any]:
    return {"src_color_range": picture.color_range, "dst_color_range": picture.color_range}


def _is_cover(stream: Any) -> bool:
    """A picture of the disc's cover, which some files of music and films hold as a video."""
    return bool(stream.disposition.value & _ATTACHED_PICTURE)
