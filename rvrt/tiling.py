"""A long or large video cut into tiles that overlap, and their results blended without a seam.

Plan first, then apply: `plan_tiles` is arithmetic on sizes, the rest is arrays in, arrays out.
Sizes are in LQ pixels and frames. Tiles start on a grid of `step` pixels, so that the network's
windows, and the halvings of the optical flow, fall where they fall in the whole frame.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import MemoryLimitError

Span = tuple[int, int]

# Frames of a clip stay together; a clip has two.
TIME_STEP = 2
TIME_OVERLAP = 4
# The authors trained on 14 and 30 frames: fewer lose quality, more delay what a kill keeps.
_FEW_FRAMES = 14
_MANY_FRAMES = 30


@dataclass(frozen=True)
class TilePlan:
    """Spans `(start, stop)` along each axis; every tile is one of each."""

    times: tuple[Span, ...]
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def tiles_at_once(self) -> int:
        """How many tiles one span of time has."""
        return len(self.rows) * len(self.columns)

    @property
    def volume(self) -> int:
        """Pixels of all tiles, each counted as often as it is computed."""
        return math.prod(
            sum(stop - start for start, stop in spans)
            for spans in (self.times, self.rows, self.columns)
        )

    @property
    def largest(self) -> tuple[int, int, int]:
        """Frames, height and width of the largest tile."""
        times, rows, columns = (
            max(stop - start for start, stop in spans)
            for spans in (self.times, self.rows, self.columns)
        )
        return times, rows, columns


def split_axis(length: int, size: int, overlap: int, step: int) -> tuple[Span, ...]:
    """Cut `length` into spans of at most `size` that overlap by at least `overlap`.

    Starts are multiples of `step`; `size` and `overlap` are rounded to it, down and up. Spans are
    as few as possible, then as short as possible. The last ends at `length`.

    Raises:
        ValueError: `size` is not larger than `overlap`, in steps.
    """
    if size >= length:
        return ((0, length),)
    steps, largest, common = math.ceil(length / step), size // step, math.ceil(overlap / step)
    if largest <= common:
        raise ValueError(f"spans of {size} cannot overlap by {overlap} in steps of {step}")
    count = math.ceil((steps - common) / (largest - common))
    width = math.ceil((steps + (count - 1) * common) / count)
    starts = [index * (steps - width) // max(count - 1, 1) * step for index in range(count)]
    return tuple((start, min(start + width * step, length)) for start in starts)


def blend_weights(spans: tuple[Span, ...]) -> tuple[NDArray[np.float32], ...]:
    """One array of weights for each span; over the whole length they add up to 1.

    Where two spans overlap, the outer quarter of each, which saw least of its surroundings, counts
    nothing, and between the quarters one fades linearly into the other.
    """
    length = spans[-1][1]
    raw = np.zeros((len(spans), length))
    for index, (start, stop) in enumerate(spans):
        middle = np.arange(start, stop) + 0.5
        weight = np.ones(stop - start)
        if index > 0:
            shared = spans[index - 1][1] - start
            weight = np.minimum(weight, (middle - start - shared / 4) / (shared / 2))
        if index + 1 < len(spans):
            shared = stop - spans[index + 1][0]
            weight = np.minimum(weight, (stop - middle - shared / 4) / (shared / 2))
        raw[index, start:stop] = np.clip(weight, 0, 1)
    raw /= raw.sum(axis=0)
    return tuple(
        raw[index, start:stop].astype(np.float32) for index, (start, stop) in enumerate(spans)
    )


def plan_tiles(
    frames: int,
    height: int,
    width: int,
    step: int,
    memory: Callable[[int, int, int], float],
    limit: float,
) -> TilePlan:
    """The plan that computes least, of those whose largest tile stays under `limit`.

    Args:
        frames: even.
        height: of the whole frame.
        width: of the whole frame.
        step: the grid of tiles in space; neighbours overlap by one step.
        memory: bytes that a tile of (frames, height, width) needs.
        limit: bytes allowed.

    Raises:
        MemoryLimitError: not even the smallest tile fits; says what it needs.
    """
    candidates = [
        plan for plan in _candidates(frames, height, width, step) if memory(*plan.largest) <= limit
    ]
    if not candidates:
        needed = memory(min(frames, _shortest(frames)), min(height, 2 * step), min(width, 2 * step))
        raise MemoryLimitError(
            f"--max-memory {limit / 2**30:.2f} GiB: the smallest tile needs about "
            f"{needed / 2**30:.2f} GiB"
        )
    # Long enough spans of time come first, then the least work, then the longer span.
    return min(
        candidates,
        key=lambda plan: (
            plan.largest[0] < min(frames, _FEW_FRAMES),
            plan.volume,
            -plan.largest[0],
        ),
    )


def _shortest(frames: int) -> int:
    return min(frames, TIME_OVERLAP + TIME_STEP)


def _candidates(frames: int, height: int, width: int, step: int) -> Iterator[TilePlan]:
    lengths = range(_shortest(frames), min(frames, _MANY_FRAMES) + 1, TIME_STEP)
    heights, widths = (
        {min(side, count * step) for count in range(2, math.ceil(side / step) + 1)} | {side}
        for side in (height, width)
    )
    for length, tile_height, tile_width in itertools.product(lengths, heights, widths):
        # A tile narrower than half its height, or lower than half its width, is mostly overlap.
        if 2 * tile_height < min(tile_width, height) or 2 * tile_width < min(tile_height, width):
            continue
        if (tile_height < height and tile_height <= step) or (
            tile_width < width and tile_width <= step
        ):
            continue
        yield TilePlan(
            split_axis(frames, length, TIME_OVERLAP, TIME_STEP),
            split_axis(height, tile_height, step, step),
            split_axis(width, tile_width, step, step),
        )
