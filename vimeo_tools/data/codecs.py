"""PNGs of 8-bit RGB decoded and encoded in three ways: the pixels are the same, the bytes are not.

`choose_codec` takes the first that can be used: isal (the extra [fast]) with the compiled part,
zlib with the compiled part, Pillow.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, features

from vimeo_tools.errors import FrameError, SettingsError

try:
    import vimeo_tools.data._rows as _rows
except ImportError as error:
    _NOT_BUILT = f"the compiled part is missing ({error}); install with a C compiler at hand"
else:
    _NOT_BUILT = ""
try:
    import isal
    from isal import isal_zlib
except ImportError:
    _ISAL = ""
else:
    _ISAL = isal.__version__

Frame = npt.NDArray[np.uint8]

VARIABLE = "VIMEO_TOOLS_CODEC"
# Level 3 takes a tenth longer than 1 and saves nothing (docs/data.md).
_ISAL_LEVEL = 1
# Left, top, step across, step down: of a plain picture, and of the seven passes.
_PLAIN = ((0, 0, 1, 1),)
_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
)  # fmt: skip
_HEADER_LENGTH = 33
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"


class CheckedPng(NamedTuple):
    """An 8-bit RGB PNG whose chunks are right; what they hold may still be damaged.

    Attributes:
        data: the file.
        height, width: in pixels.
        interlaced: in seven passes.
        chunks: where in ``data`` the picture data lie, chunk by chunk, their frames included.
    """

    data: bytes
    height: int
    width: int
    interlaced: bool
    chunks: tuple[slice, ...]

    def file(self) -> bytes:
        """The PNG without chunks that say nothing of pixels, which decoders read unlike."""
        return b"".join(
            (self.data[:_HEADER_LENGTH], *(self.data[chunk] for chunk in self.chunks), _END)
        )

    def stream(self) -> bytes:
        """The picture data, compressed."""
        return b"".join(self.data[chunk.start + 8 : chunk.stop - 4] for chunk in self.chunks)

    def passes(self) -> Iterator[tuple[slice, slice, int, int]]:
        """Which rows and columns each pass holds, and how many; those of no pixel are left out."""
        for left, top, across, down in _ADAM7 if self.interlaced else _PLAIN:
            rows, columns = slice(top, None, down), slice(left, None, across)
            counts = len(range(top, self.height, down)), len(range(left, self.width, across))
            if all(counts):
                yield rows, columns, *counts


# Raises a FrameError where the picture data are damaged.
Decoder = Callable[[CheckedPng], Frame]


@dataclass(frozen=True)
class Codec:
    """A way to decode and to encode; frames are (H, W, 3) uint8.

    Attributes:
        name: a key of ``CODECS``.
        decoder, encoder: what does it, with all that the encoded bytes depend on.
        decode: of a checked PNG.
        encode: to a PNG.
        lacks: why it cannot be used here; "" where it can.
    """

    name: str
    decoder: str
    encoder: str
    decode: Decoder
    encode: Callable[[Frame], bytes]
    lacks: str = ""

    def __str__(self) -> str:
        return f"decoded by {self.decoder}, encoded by {self.encoder}"


def choose_codec(encoder: str | None = None) -> Codec:
    """The first of ``CODECS`` that can be used; the variable VIMEO_TOOLS_CODEC forces one.

    Args:
        encoder: whose bytes are wanted, a `Codec.encoder`; None for any.

    Raises:
        SettingsError: the variable names none, or one that cannot be used; no such encoder is here.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted and wanted not in CODECS:
        raise SettingsError(f"{VARIABLE}={wanted}: allowed are {', '.join(CODECS)}")
    if wanted and CODECS[wanted].lacks:
        raise SettingsError(
            f"{VARIABLE}={wanted} cannot be used: {CODECS[wanted].lacks}; "
            f"or unset {VARIABLE} to use what there is"
        )
    usable = [CODECS[wanted]] if wanted else [c for c in CODECS.values() if not c.lacks]
    fitting = [codec for codec in usable if encoder in (None, codec.encoder)]
    if not fitting:
        raise SettingsError(
            f"a worker encodes by {usable[0].encoder}, wanted is {encoder}; install the same "
            f"versions for all workers, or set {VARIABLE} to the same for all"
        )
    return fitting[0]


def inflate(png: CheckedPng, by: Any) -> bytes:
    """The rows of all passes, each with its filter before it.

    Args:
        png: whose picture data to decompress; rows beyond the last are left out.
        by: a module like zlib.

    Raises:
        FrameError: they are damaged, or hold fewer rows.
    """
    wanted = sum(rows * (1 + 3 * columns) for _, _, rows, columns in png.passes())
    stream = by.decompressobj()
    try:
        found: bytes = stream.decompress(png.stream(), wanted + 1)
    except by.error as error:
        raise FrameError(f"the PNG cannot be decoded: {error}") from None
    if len(found) < wanted or (len(found) == wanted and not stream.eof):
        raise FrameError("the PNG cannot be decoded: its picture data end too early")
    return found[:wanted]


def _decode_with_isal(png: CheckedPng) -> Frame:
    return _from_rows(png, inflate(png, isal_zlib))


def _decode_with_zlib(png: CheckedPng) -> Frame:
    return _from_rows(png, inflate(png, zlib))


def _from_rows(png: CheckedPng, filtered: bytes) -> Frame:
    start = 0
    whole = np.empty((png.height, png.width, 3), np.uint8)
    for rows, columns, height, width in png.passes():
        part = np.empty((height, width, 3), np.uint8) if png.interlaced else whole
        if not _rows.from_rows(filtered, start, part.ctypes.data, height, 3 * width):
            raise FrameError("the PNG cannot be decoded: a row has an unknown filter")
        if png.interlaced:
            whole[rows, columns] = part
        start += height * (1 + 3 * width)
    return whole


def decode_with_pillow(png: CheckedPng) -> Frame:
    """The `Decoder` that is always there."""
    try:
        with Image.open(io.BytesIO(png.file()), formats=["PNG"]) as image:
            frame: Frame = np.asarray(image)
    except (OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError) as error:
        raise FrameError(f"the PNG cannot be decoded: {error}") from None
    if png.interlaced or not frame[-1].any():  # it leaves rows black that are not in the data
        inflate(png, zlib)
    return frame


def _encode_with_isal(frame: Frame) -> bytes:
    height, width, _ = frame.shape
    samples = np.ascontiguousarray(frame)
    rows = _rows.to_rows(samples.ctypes.data, height, 3 * width)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    data = isal_zlib.compress(rows, _ISAL_LEVEL)
    return b"".join((b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR" + header), _chunk(b"IDAT" + data), _END))


def _chunk(content: bytes) -> bytes:
    length, checksum = len(content) - 4, zlib.crc32(content)
    return length.to_bytes(4, "big") + content + checksum.to_bytes(4, "big")


def encode_with_pillow(frame: Frame) -> bytes:
    """At Pillow's own level."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG")
    return buffer.getvalue()


def _codecs() -> Iterator[Codec]:
    isal_name = f"isal {_ISAL}"
    pillow_name = f"Pillow {PIL.__version__}"
    ng = features.version("zlib_ng") if "zlib_ng" in features.features else None
    zlib_name = f"zlib-ng {ng}" if ng else f"zlib {features.version('zlib')}"
    by_pillow = f"{pillow_name}, {zlib_name}, default level"
    yield Codec(
        "isal",
        isal_name,
        f"{isal_name}, Paeth, level {_ISAL_LEVEL}",
        _decode_with_isal,
        _encode_with_isal,
        _NOT_BUILT or ("" if _ISAL else "isal is not installed: pip install 'vimeo-tools[fast]'"),
    )
    yield Codec(
        "zlib",
        f"zlib {zlib.ZLIB_RUNTIME_VERSION}",
        by_pillow,
        _decode_with_zlib,
        encode_with_pillow,
        _NOT_BUILT,
    )
    yield Codec("pillow", pillow_name, by_pillow, decode_with_pillow, encode_with_pillow)


# In order of preference.
CODECS = {codec.name: codec for codec in _codecs()}
