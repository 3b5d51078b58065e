"""8-bit RGB PNG: checked without decoding, decoded, encoded.

Pillow reads a 16-bit RGB picture as an 8-bit one and does not check the sums of picture data, so
header and chunks are read here.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from vimeo_tools.errors import FrameError, SettingsError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_LENGTH = 33
_RGB = 2
_COLOUR_TYPES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


@dataclass(frozen=True)
class FrameSize:
    """Height and width in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @classmethod
    def parse(cls, text: str) -> FrameSize:
        """From ``WIDTHxHEIGHT`` as in ``448x256``.

        Raises:
            SettingsError: any other form, or a zero.
        """
        match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
        if not match:
            raise SettingsError(f"size {text!r}: give WIDTHxHEIGHT in pixels, as in 448x256")
        return cls(height=int(match[2]), width=int(match[1]))

    def divided_by(self, scale: int) -> FrameSize:
        """The size of the LQ frame.

        Raises:
            SettingsError: a side is no multiple of ``scale``, so LQ and GT would not align.
        """
        if self.height % scale or self.width % scale:
            raise SettingsError(
                f"frames of {self} at scale {scale}: both sides must be multiples of {scale}, "
                "else the GT is not the LQ size times the scale and trainers refuse the pair"
            )
        return FrameSize(self.height // scale, self.width // scale)

    def check(self, found: FrameSize) -> None:
        """Raise a FrameError unless ``found`` is this size."""
        if found != self:
            raise FrameError(f"the frame is {found}, need {self}")


# From a checked PNG to (H, W, 3) uint8; raises a FrameError.
Decoder = Callable[[bytes], npt.NDArray[np.uint8]]


class Box(NamedTuple):
    """A rectangle of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def times(self, scale: int) -> Box:
        """The same rectangle of the frame ``scale`` times as large."""
        return Box(*(scale * number for number in self))

    def of(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A view of that part of (H, W, C)."""
        return frame[self.top : self.top + self.height, self.left : self.left + self.width]


def parse_header(data: bytes) -> FrameSize:
    """The size of an 8-bit RGB PNG, from its first 33 bytes.

    Raises:
        FrameError: not a PNG, cut short, or of another kind.
    """
    if not data:
        raise FrameError("the file is empty")
    if data[:8] != _SIGNATURE:
        raise FrameError("not a PNG file (its first bytes are not PNG's signature)")
    if len(data) < _HEADER_LENGTH or data[12:16] != b"IHDR":
        raise FrameError("the PNG is truncated: it ends within its header")
    width, height, bit_depth, colour_type = struct.unpack(">IIBB", data[16:26])
    if bit_depth != 8 or colour_type != _RGB:
        kind = _COLOUR_TYPES.get(colour_type, f"colour type {colour_type}")
        raise FrameError(f"the PNG is {bit_depth}-bit {kind}, need 8-bit RGB")
    return FrameSize(height, width)


def read_png_size(path: Path) -> FrameSize:
    """`parse_header` of a file, of which only the first bytes are read.

    Raises:
        FrameError: as `parse_header`, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return parse_header(file.read(_HEADER_LENGTH))
    except OSError as error:
        raise FrameError(_reading_problem(error)) from None


def check_png(data: bytes) -> FrameSize:
    """The size of a whole, undamaged 8-bit RGB PNG; decodes nothing.

    Raises:
        FrameError: as `parse_header`, or a chunk is cut short or its checksum is wrong.
    """
    size = parse_header(data)
    position = 8
    view = memoryview(data)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        kind = bytes(view[position + 4 : position + 8])
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[position + 4 : end - 4]) != checksum:
            raise FrameError(f"the PNG is damaged: wrong checksum in chunk {kind!r}")
        if kind == b"IEND":
            return size
        position = end
    raise FrameError(f"the PNG is truncated after {len(data)} bytes")


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        FrameError: it cannot be read; says why.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise FrameError(_reading_problem(error)) from None


def decode_with_pillow(data: bytes) -> npt.NDArray[np.uint8]:
    """The usual `Decoder`."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        raise FrameError(f"the PNG cannot be decoded: {error}") from None


def decode_png(
    data: bytes, size: FrameSize | None = None, decode: Decoder = decode_with_pillow
) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 of an 8-bit RGB PNG.

    Args:
        data: the file.
        size: what it must be; checked before anything is decompressed.
        decode: what decompresses it, once it has been checked.

    Raises:
        FrameError: as `check_png`, of another size, or the picture data cannot be decompressed.
    """
    found = check_png(data)
    if size is not None:
        size.check(found)
    return decode(data)


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """A PNG of (H, W, 3) uint8, at Pillow's default compression."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def _reading_problem(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    return f"the file cannot be read: {error.strerror}"
