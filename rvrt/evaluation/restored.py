"""Frames that another program has restored, measured in place of a network's. No MindSpore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rvrt.errors import EvaluationError
from rvrt.evaluation.sequences import Sequence
from rvrt.restoration.tiling import Picture
from vimeo_tools.data.pictures import PICTURE_SUFFIXES, read_picture


class RestoredFrames:
    """A folder of restored frames: ``FOLDER/sequence/frame.png``, by the names of the true ones.

    Of septuplets ``FOLDER/00001/0266/im4.png`` or ``FOLDER/00001_0266/im4.png``; any of
    `PICTURE_SUFFIXES`, 8 bits.

    Raises:
        EvaluationError: there is no such folder.
    """

    told = ""  # of tiles, as a `Restorer` tells

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise EvaluationError(f"{folder}: no such folder of restored frames")
        self.folder = folder

    def read(self, sequence: Sequence) -> Iterator[Picture]:
        """The measured frames of a sequence: (3, H, W) float32, 0..1.

        Raises:
            EvaluationError: a frame is missing, or not as large as the true one.
            FrameError: a frame cannot be read.
        """
        size = sequence.gt.height, sequence.gt.width
        for name in sequence.names:
            path = self._find(sequence.key, name)
            frame = read_picture(path)
            if frame.shape[:2] != size:
                raise EvaluationError(
                    f"{path}: is {frame.shape[1]}x{frame.shape[0]}, the true frame "
                    f"{size[1]}x{size[0]}"
                )
            yield frame.transpose(2, 0, 1) / np.float32(255)

    def _find(self, key: str, name: str) -> Path:
        """The file of a frame, of those that may hold it."""
        homes = dict.fromkeys((self.folder / key, self.folder / key.replace("/", "_")))
        found = [
            home / f"{name}{suffix}"
            for home in homes
            for suffix in PICTURE_SUFFIXES
            if (home / f"{name}{suffix}").is_file()
        ]
        if len(found) != 1:
            what = f"{found[0]} and {found[1]} are there." if found else "is not there."
            raise EvaluationError(
                f"{self.folder}: frame {name} of sequence {key}: {what} Restored frames are looked "
                f"for by the names of the true ones, as {next(iter(homes)) / name}.png"
            )
        return found[0]
