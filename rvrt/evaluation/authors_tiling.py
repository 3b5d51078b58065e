"""Sequences cut as by the authors' test program, for figures that are to be compared with theirs.

`Restorer`'s own tiles differ from theirs by design: they take the optical flow of the whole frame,
and one fades into the next.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rvrt.errors import EvaluationError
from rvrt.restoration.restorer import Cutting, Restorer
from rvrt.restoration.tiling import Picture
from vimeo_tools.data.pictures import ArraySequence, Frame, FrameSource

if TYPE_CHECKING:
    from mindspore import nn

Run = Callable[[Picture], Picture]  # (T, 3, H, W) -> (T, 3, scale*H, scale*W)


@dataclass(frozen=True)
class AuthorsTiles:
    """Their `--tile` and `--tile_overlap`, the defaults of the latter as in their README.

    Attributes:
        frames: of a tile; None for all at once.
        side: of a tile in LQ pixels, a multiple of the attention's window; None for whole frames.
        time_overlap: frames that neighbours share.
        overlap: LQ pixels that neighbours share.
    """

    frames: int | None = None
    side: int | None = None
    time_overlap: int = 2
    overlap: int = 20

    def __post_init__(self) -> None:
        for size, overlap, what in (
            (self.frames, self.time_overlap, "frames"),
            (self.side, self.overlap, "pixels"),
        ):
            if size is not None and size <= overlap:
                raise EvaluationError(f"tiles of {size} {what} overlap by {overlap}; give more")


class AuthorsRestorer(Restorer):
    """Restores a sequence as the authors' test program does, all of it in memory.

    Without tiles, frames grow to multiples of the attention's window by flipping. Tiles are given
    to the network as they are, each with an optical flow of its own. Where they overlap, the mean
    of those counts whose outermost `overlap // 2` restored pixels do not reach there; in time, the
    mean of all.
    """

    def __init__(self, network: nn.Cell, tiles: AuthorsTiles) -> None:
        super().__init__(network, Cutting(padding="authors"))
        self.tiles = tiles

    def restore(
        self,
        frames: FrameSource | Frame,
        wanted: Collection[int] | None = None,
        on_tile: Callable[[], object] = lambda: None,
    ) -> Iterator[tuple[int, Picture]]:
        """See `Restorer.restore`.

        Raises:
            EvaluationError: tiles of an odd number of frames, which the network cannot take.
        """
        source = ArraySequence(frames) if isinstance(frames, np.ndarray) else frames
        clip = source.read(0, len(source.names)).transpose(0, 3, 1, 2).astype(np.float32)

        def run(tile: Picture) -> Picture:
            restored = self._timed(tile, (0, tile.shape[2]), (0, tile.shape[3]))
            on_tile()
            return restored

        restored = restore_in_tiles(
            clip / np.float32(255), self.tiles, run, self.scale, self.config.multiples
        )
        for index in range(len(restored)) if wanted is None else wanted:
            yield index, restored[index]


def restore_in_tiles(
    clip: Picture, tiles: AuthorsTiles, run: Run, scale: int, multiples: tuple[int, int, int]
) -> Picture:
    """A clip restored tile by tile.

    Args:
        clip: (T, 3, H, W).
        tiles: how it is cut.
        run: the network.
        scale: of the network.
        multiples: of frames, rows and columns, to which whole clips grow.

    Returns:
        (T, 3, scale*H, scale*W).

    Raises:
        EvaluationError: tiles would hold a number of frames that is no multiple.
    """
    count, _, height, width = clip.shape
    if tiles.frames is None:
        grown = _grown(clip, (multiples[0], 1, 1))
        return _in_space(grown, tiles, run, scale, multiples)[:count]
    frames = min(tiles.frames, count)
    if frames % multiples[0]:
        raise EvaluationError(
            f"tiles of {frames} frames: the network takes multiples of {multiples[0]}"
        )
    total = np.zeros((count, 3, scale * height, scale * width), np.float32)
    times = np.zeros((count, 1, 1, 1), np.float32)
    for start in _starts(count, tiles.frames, tiles.time_overlap):
        span = slice(start, start + frames)
        total[span] += _in_space(clip[span], tiles, run, scale, multiples)
        times[span] += 1
    return total / times


def _in_space(
    clip: Picture, tiles: AuthorsTiles, run: Run, scale: int, multiples: tuple[int, int, int]
) -> Picture:
    height, width = clip.shape[2:]
    if tiles.side is None:
        return run(_grown(clip, (1, *multiples[1:])))[:, :, : scale * height, : scale * width]
    side, cut = tiles.side, tiles.overlap // 2
    total = np.zeros((len(clip), 3, scale * height, scale * width), np.float32)
    times = np.zeros((scale * height, scale * width), np.float32)
    rows, columns = (_starts(length, side, tiles.overlap) for length in (height, width))
    for top, left in itertools.product(rows, columns):
        restored = run(clip[:, :, top : top + side, left : left + side])
        here, there = (top, rows), (left, columns)
        inner_rows, inner_columns = (
            slice(
                cut if start > starts[0] else 0,
                restored.shape[axis] - (cut if start < starts[-1] else 0),
            )
            for (start, starts), axis in ((here, 2), (there, 3))
        )
        place_rows, place_columns = (
            slice(scale * start + inner.start, scale * start + inner.stop)
            for start, inner in ((top, inner_rows), (left, inner_columns))
        )
        total[:, :, place_rows, place_columns] += restored[:, :, inner_rows, inner_columns]
        times[place_rows, place_columns] += 1
    return total / times


def _starts(length: int, size: int, overlap: int) -> list[int]:
    """Where tiles begin; the last ends at the end."""
    return [*range(0, length - size, size - overlap), max(0, length - size)]


def _grown(clip: Picture, multiples: tuple[int, ...]) -> Picture:
    """Frames, rows and columns flipped out to multiples."""
    sides = clip.shape[0], *clip.shape[2:]
    after = [-side % multiple for side, multiple in zip(sides, multiples, strict=True)]
    return np.pad(clip, [(0, n) for n in (after[0], 0, *after[1:])], mode="symmetric")
