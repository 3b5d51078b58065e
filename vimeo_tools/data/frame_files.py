"""One stored frame, PNG or JPEG, told by its content: its size, its pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from vimeo_tools.data.codecs import Decoder
from vimeo_tools.data.png import FrameSize, check_png, decode_png, read_file, read_png_size
from vimeo_tools.errors import FrameError

_JPEG = b"\xff\xd8\xff"
_JPEG_SUFFIXES = (".jpg", ".jpeg")
_MOST_PIXELS = 2**26  # as of a PNG


def read_frame_size(path: Path) -> FrameSize:
    """The size of a frame, from the beginning of its file.

    Raises:
        FrameError: it cannot be read, or is neither 8-bit RGB PNG nor colour JPEG.
    """
    if path.suffix.lower() not in _JPEG_SUFFIXES:
        return read_png_size(path)
    return _jpeg_size(read_file(path))


def check_frame(data: bytes) -> FrameSize:
    """The size of a whole frame: a PNG's chunks are checked, a JPEG is decoded.

    Raises:
        FrameError: as `decode_frame`.
    """
    if not data.startswith(_JPEG):
        return check_png(data)
    return FrameSize(*decode_frame(data).shape[:2])


def decode_frame(
    data: bytes, size: FrameSize | None = None, decode: Decoder | None = None
) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB.

    Args:
        data: the file, an 8-bit RGB PNG or a colour JPEG.
        size: what it must be, looked at before anything is decompressed.
        decode: what decompresses a PNG; None for that of `choose_codec`. A JPEG is always Pillow's,
            as decoders differ in its levels.

    Raises:
        FrameError: damaged, of another kind or size.
    """
    if not data.startswith(_JPEG):
        return decode_png(data, size, decode)
    found = _jpeg_size(data)
    if size is not None:
        size.check(found)
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise FrameError(f"the JPEG cannot be decoded: {error}") from None


def _jpeg_size(data: bytes) -> FrameSize:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            size, mode = FrameSize(image.height, image.width), image.mode
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FrameError(f"the JPEG cannot be read: {error}") from None
    if mode != "RGB":
        raise FrameError(f"the JPEG is of mode {mode}, need RGB")
    if size.height * size.width > _MOST_PIXELS:
        raise FrameError(f"the JPEG is {size}; need at most {_MOST_PIXELS:,} pixels")
    return size
