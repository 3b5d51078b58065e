"""8-bit RGB PNG: checked without decoding, decoded, encoded.

Pillow reads a 16-bit RGB picture as an 8-bit one and does not check the sums of picture data, so
header and chunks are read here.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.data.codecs import CheckedPng, Decoder, choose_codec, encode_with_pillow
from vimeo_tools.data.files import read_regular
from vimeo_tools.errors import FrameError, SettingsError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_LENGTH = 33
_RGB = 2
# A frame of 8192x8192; Pillow warns from 89 million pixels on.
_MOST_PIXELS = 2**26
_MOST_BYTES = 2**28
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_ONCE = {b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sBIT", b"sRGB", b"iCCP", b"bKGD", b"pHYs"}
_BEFORE_DATA = _ONCE - {b"IHDR"}
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
            SettingsError: any other form, a zero, or more than 2**26 pixels.
        """
        match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
        if not match:
            raise SettingsError(f"size {text!r}: give WIDTHxHEIGHT in pixels, as in 448x256")
        size = cls(height=int(match[2]), width=int(match[1]))
        if size.height * size.width > _MOST_PIXELS:
            raise SettingsError(f"size {size}: need at most {_MOST_PIXELS:,} pixels")
        return size

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
        FrameError: not a PNG, cut short, damaged, of another kind or of more than 2**26 pixels.
    """
    if not data:
        raise FrameError("the file is empty")
    if data[:8] != _SIGNATURE:
        raise FrameError("not a PNG file (its first bytes are not PNG's signature)")
    if len(data) < _HEADER_LENGTH:
        raise FrameError("the PNG is truncated: it ends within its header")
    length, kind = struct.unpack(">I4s", data[8:16])
    if kind != b"IHDR" or length != _HEADER_LENGTH - 20:
        raise FrameError(f"the PNG is damaged: it begins with chunk {kind!r}, not with a header")
    _check_sum(data, 8, _HEADER_LENGTH)
    width, height, bit_depth, colour_type, *rest = struct.unpack(">IIBBBBB", data[16:29])
    if bit_depth != 8 or colour_type != _RGB:
        colour = _COLOUR_TYPES.get(colour_type, f"colour type {colour_type}")
        raise FrameError(f"the PNG is {bit_depth}-bit {colour}, need 8-bit RGB")
    if rest not in ([0, 0, 0], [0, 0, 1]):
        raise FrameError(f"the PNG is of an unknown compression, filter or interlace: {rest}")
    size = FrameSize(height, width)
    if not 0 < height * width <= _MOST_PIXELS:
        raise FrameError(f"the PNG is {size}; need 1 to {_MOST_PIXELS:,} pixels")
    return size


def read_png_size(path: Path) -> FrameSize:
    """`parse_header` of a file, of which only the first bytes are read.

    Raises:
        FrameError: as `parse_header`, or the file cannot be read.
    """
    return parse_header(_read(path, _HEADER_LENGTH))


def check_png(data: bytes) -> FrameSize:
    """The size of a whole, undamaged 8-bit RGB PNG; decodes nothing.

    Raises:
        FrameError: as `parse_header`; or a chunk is cut short, of a wrong checksum, unknown,
            doubled or out of order.
    """
    png = _checked(data)
    return FrameSize(png.height, png.width)


def _checked(data: bytes) -> CheckedPng:
    size = parse_header(data)
    position = _HEADER_LENGTH
    before = b"IHDR"
    seen = {before}
    chunks: list[slice] = []
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        _check_sum(data, position, end)
        _check_place(kind, before, seen)
        if kind == b"IEND":
            if length:
                raise FrameError("the PNG is damaged: its last chunk is not empty")
            interlaced = bool(data[_HEADER_LENGTH - 5])
            return CheckedPng(data, size.height, size.width, interlaced, tuple(chunks))
        if kind == b"IDAT":
            chunks.append(slice(position, end))
        seen.add(kind)
        before, position = kind, end
    raise FrameError(f"the PNG is truncated after {len(data)} bytes")


def _check_sum(data: bytes, start: int, end: int) -> None:
    (checksum,) = struct.unpack_from(">I", data, end - 4)
    if zlib.crc32(memoryview(data)[start + 4 : end - 4]) != checksum:
        kind = data[start + 4 : start + 8]
        raise FrameError(f"the PNG is damaged: wrong checksum in chunk {kind!r}")


def _check_place(kind: bytes, before: bytes, seen: set[bytes]) -> None:
    """Whether a chunk may stand after those seen; ``before`` is the last of them."""
    if kind in _ANIMATION:
        raise FrameError("the PNG is an animation, need a single picture")
    if not kind.isalpha() or (kind[:1].isupper() and kind not in _CRITICAL):
        raise FrameError(f"the PNG has an unknown chunk {kind!r}")
    if kind == b"IDAT":
        wrong = b"IDAT" in seen and before != b"IDAT"
    elif kind == b"IEND":
        wrong = b"IDAT" not in seen
    else:
        wrong = (kind in _ONCE and kind in seen) or (kind in _BEFORE_DATA and b"IDAT" in seen)
    if wrong:
        raise FrameError(f"the PNG is damaged: chunk {kind!r} is doubled or out of order")


def read_file(path: Path) -> bytes:
    """The bytes of a picture's file.

    Raises:
        FrameError: it cannot be read, is no regular file, or is larger than any frame; says why.
    """
    return _read(path)


def _read(path: Path, first: int | None = None) -> bytes:
    try:
        return read_regular(path, _MOST_BYTES, first)
    except FileNotFoundError:
        raise FrameError("the file is missing") from None
    except OSError as error:
        raise FrameError(f"the file cannot be read: {error.strerror}") from None


def decode_png(
    data: bytes, size: FrameSize | None = None, decode: Decoder | None = None
) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 of an 8-bit RGB PNG.

    Args:
        data: the file.
        size: what it must be; checked before anything is decompressed.
        decode: what decompresses it, once it has been checked; None for that of `choose_codec`.

    Raises:
        FrameError: as `check_png`, of another size, or the picture data cannot be decompressed.
    """
    png = _checked(data)
    found = FrameSize(png.height, png.width)
    if size is not None:
        size.check(found)
    frame = (decode or choose_codec().decode)(png)
    if frame.shape != (found.height, found.width, 3) or frame.dtype != np.uint8:
        raise FrameError(f"the PNG was decoded to {frame.shape} of {frame.dtype}, need {found} RGB")
    return frame


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """A PNG of (H, W, 3) uint8, at Pillow's default compression whatever `choose_codec` says."""
    return encode_with_pillow(image)
