"""Maps kept as rows, and the tables that move rows.

A map of N frames of H x W pixels is a matrix (N*H*W, C): channels last, so that a pixel is one
contiguous row. Roll, window partition, neighbourhoods, pixel shuffle and head splitting are then
one gather of rows by a table that depends on the shape alone; the tables are planned in NumPy, by
functions of this package that can be tested by themselves, and cached.

Letters in names and in shapes, for all modules of this folder; what one needs beyond them stands at
its top:

    B batch     T frames of a sequence     N frames, or pairs of them, in all
    H height     W width     P = N*H*W pixels     R rows, of any number of frames
    C channels     I channels in     O channels out     h heads     D channels of a head
    K taps of a kernel     G groups of the deformable attention's keys (half of all groups)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.ops import constexpr
from numpy.typing import NDArray

Shape = tuple[int, int, int]
Table = NDArray[np.int32]  # rows to gather
Places = NDArray[np.int_]  # on the way to one
Reals = NDArray[np.float32]

_CACHED_PLANS = 64


def as_constant(plan: Callable[..., NDArray[Any]]) -> Callable[..., Tensor]:
    """Let a NumPy plan be called inside a network, eager or compiled: a cached constant tensor."""

    @lru_cache(maxsize=_CACHED_PLANS)
    @wraps(plan)
    def cached(*key: Any) -> Tensor:
        return Tensor(np.ascontiguousarray(plan(*key)))

    @constexpr
    def constant(*key: Any) -> Tensor:
        return cached(*key)

    named: Callable[..., Tensor] = constant
    return named


def gather_rows(x_RC: Tensor, table: Tensor) -> Tensor:
    """Rows of `x_RC` in the order of `table` (any shape, int32): (*table.shape, C).

    Let the table have the shape that is wanted: outside compiled code every operator that reads a
    reshaped tensor copies it first.
    """
    return ops.gather(x_RC, table, 0)


def with_zero_row(x_RC: Tensor) -> Tensor:
    """The same rows and one of zeros behind them, which tables point to beyond the border."""
    return ops.cat((x_RC, ops.zeros((1, x_RC.shape[1]), x_RC.dtype)), 0)


def plan_back(table: Table, rows: int) -> Table:
    """Which places of a table, counted flat, take each of the first `rows` rows.

    Returns:
        (rows,) int32, or (rows, most) where one is taken more than once; table.size, which is the
        zero row behind the places, where there are fewer.
    """
    flat = table.reshape(-1)
    places = np.argsort(flat, kind="stable")
    taken = flat[places]
    places, taken = places[taken < rows], taken[taken < rows]
    times = np.bincount(taken, minlength=rows)
    back = np.full((rows, max(1, times.max())), table.size, np.int32)
    back[taken, np.arange(len(taken)) - (np.cumsum(times) - times)[taken]] = places
    return back[:, 0] if back.shape[1] == 1 else back


def as_tables(plan: Callable[..., Table]) -> Callable[..., tuple[Tensor, Tensor]]:
    """The table of a plan and the one back, for a `Move`; called with the number of rows first."""

    def plan_back_of(rows: int, *key: Any) -> Table:
        return plan_back(plan(*key), rows)

    table, back = as_constant(plan), as_constant(plan_back_of)

    def tables(rows: int, *key: Any) -> tuple[Tensor, Tensor]:
        return table(*key), back(rows, *key)

    return tables


def move_back(grad: Tensor, back: Tensor, padded: bool = False) -> Tensor:
    """The sum of the places that took each row: (places, C) to (rows, C); any number of axes C.

    `padded` says that there may be places that took none of the rows.
    """
    if padded or back.size != grad.shape[0]:
        grad = ops.cat((grad, ops.zeros((1, *grad.shape[1:]), grad.dtype)), 0)
    out = ops.gather(grad, back, 0)
    return out if back.ndim == 1 else out.sum(1)


class Move(nn.Cell):
    """A gather of rows whose gradient is a gather as well, by the table back.

    MindSpore adds the gradient of any gather up where its rows came from, place by place: slow on
    cards, and in an order of its own. Where the table is a constant, who took a row is known. A
    part that is computed again needs a Move of its own, as what it computes is told by its cells.
    """

    padded = False

    def construct(self, x_RC: Tensor, table: Tensor, back: Tensor) -> Tensor:
        """As `gather_rows`; the tables are those of `as_tables`, C any number of axes."""
        return gather_rows(x_RC, table)

    def bprop(
        self, x_RC: Tensor, table: Tensor, back: Tensor, out: Tensor, dout: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradient of the rows; the tables have none."""
        grad = move_back(dout.reshape(table.size, *x_RC.shape[1:]), back, self.padded)
        return grad, ops.zeros_like(table), ops.zeros_like(back)


class PaddedMove(Move):
    """The same of rows and a row of zeros behind them, which has no gradient."""

    padded = True

    def construct(self, x_RC: Tensor, table: Tensor, back: Tensor) -> Tensor:
        """As `gather_rows` of `with_zero_row`."""
        return gather_rows(with_zero_row(x_RC), table)


class MoveThree(nn.Cell):
    """Three gathers that together take every row once, with one gather for their gradient."""

    def construct(
        self, x_RC: Tensor, first: Tensor, second: Tensor, third: Tensor, back: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`back` is that of the three tables, one after another."""
        return gather_rows(x_RC, first), gather_rows(x_RC, second), gather_rows(x_RC, third)

    def bprop(
        self,
        x_RC: Tensor,
        first: Tensor,
        second: Tensor,
        third: Tensor,
        back: Tensor,
        out: tuple[Tensor, ...],
        dout: tuple[Tensor, ...],
    ) -> tuple[Tensor, ...]:
        """Gradient of the rows; the tables have none."""
        grad = move_back(ops.cat(dout, 0).reshape(x_RC.shape), back)
        none = (ops.zeros_like(first), ops.zeros_like(second), ops.zeros_like(third))
        return (grad, *none, ops.zeros_like(back))


def plan_neighbours(n: int, h: int, w: int, kernel: tuple[int, int]) -> Table:
    """Rows of the kernel's taps around each pixel, row-major: (N*H*W, K) int32.

    A tap beyond the border is row N*H*W, the zero row.
    """
    kh, kw = kernel
    frame = np.arange(h * w).reshape(h, w)
    padded = np.full((h + kh - 1, w + kw - 1), -1)
    padded[kh // 2 : kh // 2 + h, kw // 2 : kw // 2 + w] = frame
    taps = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw)).reshape(h * w, kh * kw)
    base = (np.arange(n) * h * w)[:, None, None]
    table = np.where(taps < 0, n * h * w, taps + base)
    return table.reshape(n * h * w, kh * kw).astype(np.int32)


neighbours = as_constant(plan_neighbours)


def plan_flip(clips: int) -> Table:
    """Frame order that swaps the two frames of each clip: (2*clips,) int32."""
    return np.arange(2 * clips).reshape(clips, 2)[:, ::-1].reshape(-1).astype(np.int32)


_flip = as_tables(plan_flip)
_swap = Move()


def flip_clips(x_RC: Tensor, clips: int) -> Tensor:
    """Swap the two frames of each of `clips` clips."""
    rows, channels = x_RC.shape
    frames = x_RC.reshape(2 * clips, rows // (2 * clips) * channels)
    return _swap(frames, *_flip(2 * clips, clips)).reshape(rows, channels)
