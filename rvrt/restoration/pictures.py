"""Folders of pictures of up to 16 bits in, pictures of 8 and 16 bits out."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from rvrt.errors import RestoreError
from vimeo_tools.data.pictures import (
    AnyFrame,
    find_pictures,
    is_deep,
    names_of,
    read_picture,
)
from vimeo_tools.data.video import VideoPictures, bits_of, is_opaque
from vimeo_tools.errors import FrameError, VideoError
from vimeo_tools.running.atomic import whole_file

_COMPRESSION = 3  # zlib's level: 1 % larger than at the usual 6, in half the time
_UP = 2  # PNG's filter: each row less the one above


class PictureFolder:
    """The pictures of a folder as one sequence, of 16 bits if the first is. See DeepSource.

    Attributes:
        dtype: of frames, uint8 or uint16.

    Raises:
        FrameError: there is none, two have the same name, or the first cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = find_pictures(folder)
        self.names = names_of(folder, self._paths)
        first = read_deep_picture(self._paths[0])
        self.dtype: np.dtype[Any] = first.dtype
        self.height, self.width, _ = first.shape
        self.identity: list[Any] = [[path.name, path.stat().st_size] for path in self._paths]

    def read(self, start: int, stop: int) -> AnyFrame:
        """See DeepSource."""
        return np.stack([self._read(path) for path in self._paths[start:stop]])

    @property
    def bits(self) -> int:
        """Of a sample, 8 or 16."""
        return 8 * self.dtype.itemsize

    def _read(self, path: Path) -> AnyFrame:
        frame = read_deep_picture(path)
        if frame.shape != (self.height, self.width, 3):
            raise FrameError(
                f"{path}: the frame is {frame.shape[1]}x{frame.shape[0]}, "
                f"need {self.width}x{self.height} as the first"
            )
        if self.dtype == np.uint8 and frame.dtype != np.uint8:
            raise FrameError(f"{path}: the frame is of more than 8 bits, the first is not")
        return frame if frame.dtype == self.dtype else frame.astype(np.uint16) * np.uint16(257)


def read_deep_picture(path: Path) -> AnyFrame:
    """(H, W, 3) RGB of an opaque picture: uint16 if it has more than 8 bits, for which PyAV is
    needed, else uint8.

    Raises:
        FrameError: it is missing, damaged or transparent; names the path.
        VideoError: PyAV is not installed.
    """
    if not is_deep(path):
        return read_picture(path)
    try:
        with VideoPictures(path) as pictures:
            for picture in pictures:
                if not is_opaque(picture):
                    raise FrameError(f"{path}: the picture is transparent; save it without alpha")
                if bits_of(picture) > 8:
                    return pictures.deep_rgb(picture)
    except VideoError as error:
        raise FrameError(f"{path}: {error}") from None
    raise FrameError(f"{path}: the picture cannot be decoded in its 16 bits")


def save_picture(path: Path, frame: AnyFrame) -> None:
    """Write (H, W, 3) RGB, uint8 or uint16, as PNG, under its name only when whole.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as part:
        if frame.dtype == np.uint8:
            Image.fromarray(frame).save(part, format="PNG", compress_level=_COMPRESSION)
        else:
            part.write_bytes(_deep_png(frame))


def _deep_png(frame: npt.NDArray[np.uint16]) -> bytes:
    """A PNG of (H, W, 3) uint16, which Pillow does not write."""
    height, width, channels = frame.shape
    if channels != 3:
        raise RestoreError(f"a picture of {channels} channels; need RGB")
    rows = frame.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        (b"IDAT", zlib.compress(filtered.tobytes(), _COMPRESSION)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
