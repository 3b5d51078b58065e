"""A long or large video cut into tiles that overlap, and their results blended without a seam.

Plan first, then apply: `plan_tiles` is arithmetic on sizes, the rest is arrays in, arrays out.
Sizes are in LQ pixels and frames. Tiles start on a grid of `step` pixels, so that the network's
windows, and the halvings of the optical flow, fall where they fall in the whole frame. The last of
a row ends with the frame, whose sides are multiples of the window: windows still fall there.
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import MemoryLimitError

Span = tuple[int, int]
Picture = NDArray[np.float32]
# A clip (T, 3, H, W) and a window's rows and columns -> (T, 3, scale*h, scale*w) of that window.
Run = Callable[[Picture, Span, Span], Picture]

# Tiles start on multiples of this at least, and neighbours share as many LQ pixels.
GRID = 32
# Frames of a clip stay together; a clip has two.
TIME_STEP = 2
TIME_OVERLAP = 4
# The authors trained on 14 and 30 frames: fewer lose quality, more delay what a kill keeps.
_FEW_FRAMES = 14
MANY_FRAMES = 30


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

    Spans are as few as possible, then as short as possible, and equally long, so that a card
    compiles for one shape. Starts are multiples of `step`, `size` and `overlap` are rounded to it,
    down and up; but the last span ends at `length`, wherever it then starts.

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
    starts = [index * (steps - width) // (count - 1) * step for index in range(count - 1)]
    return tuple((start, start + width * step) for start in [*starts, length - width * step])


def blend_weights(spans: tuple[Span, ...]) -> tuple[NDArray[np.float32], ...]:
    """One array of weights for each span; over the whole length they add up to 1.

    Where two spans overlap, the outer quarter of each, which saw least of its surroundings, counts
    nothing, and between the quarters one fades linearly into the other.
    """
    weights, total = [], np.zeros(spans[-1][1])
    for index, (start, stop) in enumerate(spans):
        middle = np.arange(start, stop) + 0.5
        weight = np.ones(stop - start)
        if index > 0:
            shared = spans[index - 1][1] - start
            weight = np.minimum(weight, (middle - start - shared / 4) / (shared / 2))
        if index + 1 < len(spans):
            shared = stop - spans[index + 1][0]
            weight = np.minimum(weight, (stop - middle - shared / 4) / (shared / 2))
        weights.append(np.clip(weight, 0, 1))
        total[start:stop] += weights[-1]
    return tuple(
        (weight / total[start:stop]).astype(np.float32)
        for weight, (start, stop) in zip(weights, spans, strict=True)
    )


def plan_tiles(
    frames: int,
    height: int,
    width: int,
    step: int,
    memory: Callable[[int, int, int], float],
    limit: float,
    most_frames: int = MANY_FRAMES,
    side: int | None = None,
) -> TilePlan:
    """The plan that computes least, of those whose largest tile stays below `limit`.

    Args:
        frames: even.
        height: of the whole frame.
        width: of the whole frame.
        step: the grid of tiles in space; neighbours overlap by one step.
        memory: bytes that a tile of (frames, height, width) needs.
        limit: bytes allowed.
        most_frames: of a tile.
        side: of tiles in space, where it is not to be chosen.

    Raises:
        MemoryLimitError: that side is too small for the overlap, or not even the smallest tile
            fits; says what it needs.
    """
    candidates = [
        plan
        for plan in _candidates(frames, height, width, step, most_frames, side)
        if memory(*plan.largest) < limit
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


def _candidates(
    frames: int, height: int, width: int, step: int, most_frames: int, side: int | None
) -> Iterator[TilePlan]:
    lengths = range(_shortest(frames), min(frames, most_frames) + 1, TIME_STEP)
    heights, widths = (_sides(length, step, side) for length in (height, width))
    for length, tile_height, tile_width in itertools.product(lengths, heights, widths):
        # A tile narrower than half its height, or lower than half its width, is mostly overlap.
        flat = 2 * tile_height < min(tile_width, height)
        if side is None and (flat or 2 * tile_width < min(tile_height, width)):
            continue
        yield TilePlan(
            split_axis(frames, length, TIME_OVERLAP, TIME_STEP),
            split_axis(height, tile_height, step, step),
            split_axis(width, tile_width, step, step),
        )


def _sides(length: int, step: int, side: int | None) -> set[int]:
    """Sides of tiles along an axis that are worth a try: larger than their overlap."""
    if side is None:
        tried = {min(length, count * step) for count in range(2, math.ceil(length / step) + 1)}
        return {one for one in tried | {length} if one == length or one > step}
    if side < min(length, 2 * step):
        raise MemoryLimitError(f"--tile {side}: tiles overlap by {step}; need at least {2 * step}")
    return {min(length, side)}


def blend_tiles(
    run: Run,
    clip: Picture,
    plan: TilePlan,
    scale: int,
    total: Picture,
    on_tile: Callable[[], object],
) -> None:
    """Run every tile of one span of time and add the blended results into `total`.

    Args:
        run: the network.
        clip: (T, 3, H, W) float32.
        plan: of H x W; its spans of time are not used.
        scale: of the network.
        total: (T, 3, scale*H, scale*W) float32 zeros, filled in place.
        on_tile: called after each tile.
    """
    rows, columns = (
        list(zip(spans, blend_weights(_scaled(spans, scale)), strict=True))
        for spans in (plan.rows, plan.columns)
    )
    for (row_span, vertical), (column_span, horizontal) in itertools.product(rows, columns):
        restored = run(clip, row_span, column_span)
        (top, bottom), (left, right) = _scaled((row_span, column_span), scale)
        target = total[:, :, top:bottom, left:right]
        weight = vertical[:, None] * horizontal
        for frame in range(len(clip)):  # one at a time, so that no second clip is in memory
            target[frame] += weight * restored[frame]
        on_tile()


def _scaled(spans: tuple[Span, ...], scale: int) -> tuple[Span, ...]:
    return tuple((scale * start, scale * stop) for start, stop in spans)


def restored_frames(
    run: Run,
    read: Callable[[int, int], Picture],
    plan: TilePlan,
    scale: int,
    wanted: Collection[int],
    zeros: Callable[[tuple[int, ...]], Picture],
    on_tile: Callable[[], object],
) -> Iterator[tuple[int, Picture]]:
    """Restore the wanted frames, in order, in no more memory than one span of time takes.

    Args:
        run: as in `blend_tiles`.
        read: frames from start to stop as (stop - start, 3, H, W) float32.
        plan: of the whole video.
        scale: of the network.
        wanted: indices of frames; spans of time that bear on none of them are left out.
        zeros: makes an array of a shape, for sums.
        on_tile: called after each tile.

    Yields:
        The index and the (3, scale*H, scale*W) float32 picture of each wanted frame.
    """
    weights = blend_weights(plan.times)
    needed = spans_for(plan.times, wanted)
    last = {index: span for span in sorted(needed) for index in needed[span]}
    begun: dict[int, Picture] = {}
    for span in sorted(needed):
        start, stop = plan.times[span]
        clip = read(start, stop)
        total = zeros((len(clip), 3, scale * clip.shape[2], scale * clip.shape[3]))
        blend_tiles(run, clip, plan, scale, total, on_tile)
        for index in needed[span]:
            picture = weights[span][index - start] * total[index - start] + begun.pop(index, 0)
            if span == last[index]:
                yield index, picture
            else:
                begun[index] = picture


def spans_for(spans: tuple[Span, ...], wanted: Collection[int]) -> dict[int, list[int]]:
    """Which spans have a say in any wanted frame, and in which of them, in order."""
    bearing = {}
    for span, ((start, stop), weight) in enumerate(zip(spans, blend_weights(spans), strict=True)):
        frames = [
            index for index in range(start, stop) if index in wanted and weight[index - start]
        ]
        if frames:
            bearing[span] = frames
    return bearing
