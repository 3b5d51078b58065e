"""Stored pictures of any usual format: one, or a folder of them in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from vimeo_tools.data.png import FrameSize
from vimeo_tools.errors import FrameError

Frame = npt.NDArray[np.uint8]
# uint8 or uint16; the largest number is white.
AnyFrame = npt.NDArray[np.unsignedinteger[Any]]

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_GREY = ("1", "L", "LA")
_EIGHT_BIT = (*_GREY, "RGB", "RGBA", "P", "PA")


class DeepSource(Protocol):
    """Frames of one size, read in order, of 8 or 16 bits; all of them are of the same.

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

    def read(self, start: int, stop: int) -> AnyFrame:
        """(stop - start, H, W, 3) uint8 or uint16 RGB; `start` never falls from call to call.

        Raises:
            VimeoToolsError: a frame is damaged or differs from the first in size.
        """
        ...


class FrameSource(DeepSource, Protocol):
    """A `DeepSource` of 8 bits alone."""

    def read(self, start: int, stop: int) -> Frame:
        """(stop - start, H, W, 3) uint8 RGB; see `DeepSource.read`."""
        ...


def decode_picture(path: Path, size: FrameSize | None = None) -> Frame:
    """An 8-bit opaque picture: (H, W, 3) uint8 RGB, or (H, W) where it is grey.

    Args:
        path: of the file.
        size: what it must be, looked at before it is decoded.

    Raises:
        FrameError: no file, damaged, of another size, of more than 8 bits, or transparent; the
            message does not name the path.
    """
    if path.exists() and not path.is_file():
        raise FrameError("not a regular file")
    try:
        with Image.open(path) as image:
            if size is not None:
                size.check(FrameSize(image.height, image.width))
            _check_depth(image)
            if image.has_transparency_data and image.convert("RGBA").getextrema()[3] != (255, 255):
                raise FrameError("the picture is transparent; save it without alpha")
            return np.asarray(image.convert("L" if image.mode in _GREY else "RGB"))
    except FileNotFoundError:
        raise FrameError("the file is missing") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FrameError(f"the picture cannot be decoded: {error}") from None


def is_deep(path: Path) -> bool:
    """Whether a file is a picture of more than 8 bits."""
    try:
        with Image.open(path) as image:
            return _deep_mode(image) is not None or image.mode.startswith("I;16")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # whoever decodes it says why


def _check_depth(image: ImageFile.ImageFile) -> None:
    mode = _deep_mode(image)
    if mode is not None:
        raise FrameError(
            f"the picture is of more than 8 bits ({mode}); save it as 8-bit RGB or grey"
        )
    if image.mode not in _EIGHT_BIT:
        raise FrameError(f"the picture is of mode {image.mode}; save it as 8-bit RGB or grey")


def _deep_mode(image: ImageFile.ImageFile) -> str | None:
    """Pillow opens 16-bit colour as 8-bit and says so only in the decoder's raw mode."""
    for _, _, _, arguments in image.tile:
        for argument in arguments if isinstance(arguments, tuple) else (arguments,):
            if isinstance(argument, str) and re.search(";16[BLN]", argument):
                return argument
    return None


def read_picture(path: Path, size: FrameSize | None = None) -> Frame:
    """(H, W, 3) uint8 RGB of any 8-bit picture that is opaque; grey becomes three equal channels.

    Raises:
        FrameError: as `decode_picture`; names the path.
    """
    try:
        frame = decode_picture(path, size)
    except FrameError as error:
        raise FrameError(f"{path}: {error}") from None
    return frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=2)


def find_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, hidden ones left out, in the order of the numbers in their names:
    frame_2 before frame_10."""
    found = (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    )
    return sorted(found, key=lambda path: (*_natural(path.stem), path.name))


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", name)
    # In every name words and numbers take turns; numbers are compared by length, then by digits.
    numbers = [part.lstrip("0") for part in parts]
    keys = [
        (len(number), number) if at % 2 else (0, part)
        for at, (part, number) in enumerate(zip(parts, numbers, strict=True))
    ]
    return keys, name


class PictureSequence:
    """The pictures of a folder as one sequence. See FrameSource.

    Raises:
        FrameError: there is none, two have the same name, or the first cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = find_pictures(folder)
        self.names = names_of(folder, self._paths)
        self.height, self.width, _ = read_picture(self._paths[0]).shape
        self.identity: list[Any] = [[path.name, path.stat().st_size] for path in self._paths]

    def read(self, start: int, stop: int) -> Frame:
        """See FrameSource."""
        size = FrameSize(self.height, self.width)
        return np.stack([read_picture(path, size) for path in self._paths[start:stop]])


def names_of(folder: Path, pictures: Sequence[Path]) -> list[str]:
    """What the pictures of a folder are called, without their suffixes.

    Raises:
        FrameError: there is none, or two are called the same.
    """
    if not pictures:
        raise FrameError(f"{folder}: no pictures ({', '.join(PICTURE_SUFFIXES)})")
    names = [path.stem for path in pictures]
    for name in _twice(names):
        raise FrameError(f"{folder}: two pictures are called {name}; keep one of them")
    return names


def _twice(names: Sequence[str]) -> Iterator[str]:
    return (name for name, following in pairwise(names) if name == following)


class ArraySequence:
    """(T, H, W, 3) uint8 in memory. See FrameSource."""

    def __init__(self, frames: Frame) -> None:
        self._frames = frames
        count, self.height, self.width, _ = frames.shape
        self.names = [f"{index:08d}" for index in range(count)]
        self.identity: list[Any] = list(frames.shape)

    def read(self, start: int, stop: int) -> Frame:
        """See FrameSource."""
        return self._frames[start:stop]
