"""RVRT Light's alignment: attention to the 3 x 3 neighbourhood in both frames of the previous clip.

Small tiles of queries share the keys around them: many products with keys that a mask then
excludes are far cheaper than one small product for each pixel.
"""

# Beyond the letters of rows.py: S tiles  Q queries of a tile  N keys of a tile

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops

from rvrt.config.network import Execution, RVRTLightConfig
from rvrt.models.kernels import calls, tensors
from rvrt.models.linear import Linear
from rvrt.models.rows import (
    Move,
    PaddedMove,
    Places,
    Reals,
    Table,
    as_constant,
    as_tables,
    gather_rows,
)
from rvrt.models.rstb import Mlp

_TILE = 4
_MASKED = -1e4  # within float16, and exp(-1e4) is 0


def _tiles(side: int) -> int:
    return -(-side // _TILE)


def plan_queries(frames: int, h: int, w: int, heads: int) -> Table:
    """Rows (pixel, head) of the queries of each tile: (S*h, Q) int32; zero row beyond the frame."""
    ty, tx = _tiles(h), _tiles(w)
    pixel = np.full((frames, ty * _TILE, tx * _TILE), -1)
    pixel[:, :h, :w] = np.arange(frames * h * w).reshape(frames, h, w)
    pixel = pixel.reshape(frames, ty, _TILE, tx, _TILE).transpose(0, 1, 3, 2, 4)
    return _with_heads(pixel.reshape(-1, _TILE * _TILE), frames * h * w, heads)


def plan_keys(frames: int, h: int, w: int, window: tuple[int, int], heads: int) -> Table:
    """Rows (pixel, head) of the keys of each tile, both frames of its clip: (S*h, N) int32."""
    ty, tx = _tiles(h), _tiles(w)
    my, mx = window[0] // 2, window[1] // 2
    pixel = np.full((frames, ty * _TILE + 2 * my, tx * _TILE + 2 * mx), -1)
    pixel[:, my : my + h, mx : mx + w] = np.arange(frames * h * w).reshape(frames, h, w)
    size = (_TILE + 2 * my, _TILE + 2 * mx)
    views: Any = np.lib.stride_tricks.sliding_window_view  # its types know of one axis only
    around = views(pixel, size, (1, 2))[:, ::_TILE, ::_TILE]
    clips = around.reshape(frames // 2, 1, 2, ty * tx, -1).repeat(2, 1)  # each frame reads both
    keys = clips.transpose(0, 1, 3, 2, 4).reshape(frames * ty * tx, -1)
    return _with_heads(keys, frames * h * w, heads)


def _with_heads(pixel_SN: Places, zero_row: int, heads: int) -> Table:
    rows = pixel_SN[:, None, :] * heads + np.arange(heads)[:, None]
    outside = np.broadcast_to(pixel_SN[:, None, :] < 0, rows.shape)
    rows = np.where(outside, zero_row * heads, rows)
    return rows.reshape(-1, pixel_SN.shape[1]).astype(np.int32)


def plan_merge(frames: int, h: int, w: int, heads: int) -> Table:
    """Rows of (tile, head, query) that hold each (pixel, head): (P*h,) int32."""
    rows = plan_queries(frames, h, w, heads).reshape(-1)
    inside = rows < frames * h * w * heads
    merge = np.empty(frames * h * w * heads, np.int32)
    merge[rows[inside]] = np.flatnonzero(inside)
    return merge


def plan_mask(window: tuple[int, int]) -> Reals:
    """0 where a key is in the query's neighbourhood, else _MASKED: (1, Q, N) float32."""
    near = []
    for side in window:
        key, query = np.arange(_TILE + side - 1), np.arange(_TILE)[:, None]
        near.append((key >= query) & (key < query + side))
    both = near[0][:, None, :, None] & near[1][None, :, None, :]
    both = np.repeat(both.reshape(_TILE * _TILE, 1, -1), 2, 1)
    return np.where(both, np.float32(0), np.float32(_MASKED)).reshape(1, _TILE * _TILE, -1)


def plan_same(rows: int) -> Table:
    """Row 0 for each: (rows,) int32."""
    return np.zeros(rows, np.int32)


_queries = as_tables(plan_queries)
_keys = as_tables(plan_keys)
_merge = as_tables(plan_merge)
_mask = as_constant(plan_mask)
_same = as_constant(plan_same)


class ClipAttention(nn.Cell):
    """Align the previous clip's features to this clip: v + mlp(v), v the attended neighbourhood."""

    def __init__(self, config: RVRTLightConfig, execution: Execution) -> None:
        super().__init__()
        self.kernels = execution.kernels
        dim, inner = config.embed_dim, config.attention_dim
        self.heads, self.window = config.attention_heads, config.attention_window
        self.inner, self.scale = inner, (inner // config.attention_heads) ** -0.5
        self.proj_q = nn.SequentialCell(OrderedDict([("1", Linear(dim, inner))]))
        self.proj_k = nn.SequentialCell(OrderedDict([("1", Linear(dim, inner))]))
        self.proj_v = nn.SequentialCell(OrderedDict([("1", Linear(dim, inner))]))
        self.proj = nn.SequentialCell(OrderedDict([("1", Linear(inner, dim))]))
        self.mlp = nn.SequentialCell(OrderedDict([("1", Mlp(dim, config.mlp_ratio, config.gelu))]))
        self.to_tiles, self.from_tiles = PaddedMove(), Move()
        self.scores = ops.BatchMatMul(transpose_b=True)
        self.mix = ops.BatchMatMul()

    def construct(
        self,
        q_PC: Tensor,
        k_PC: Tensor,
        v_PC: Tensor,
        shape_BHW: tuple[int, int, int],
    ) -> Tensor:
        """Align `v` (and `k`), features of the previous clip, to `q`; `shape_BHW` is (B, H, W).

        Both frames of the clip take part for each output frame. Their order does not matter, as
        this attention has no position term.
        """
        if self.kernels and tensors.wanted():
            return self._by_kernels(q_PC, k_PC, v_PC, shape_BHW)
        frames = (2 * shape_BHW[0], shape_BHW[1], shape_BHW[2])
        rows = q_PC.shape[0] * self.heads
        q = self._tiles(self.proj_q(q_PC) * self.scale, _queries(rows, *frames, self.heads))
        keys = _keys(rows, *frames, self.window, self.heads)
        k, v = self._tiles(self.proj_k(k_PC), keys), self._tiles(self.proj_v(v_PC), keys)
        score = ops.cast(self.scores(q, k), self.proj[0].weight.dtype)
        score = score + gather_rows(_mask(self.window), _same(score.shape[0]))
        out = self.mix(ops.cast(ops.softmax(score, -1), q.dtype), v)
        out = out.reshape(-1, out.shape[2])
        out = self.from_tiles(out, *_merge(out.shape[0], *frames, self.heads))
        aligned = self.proj(out.reshape(-1, self.inner))
        return aligned + self.mlp(aligned)

    def _by_kernels(
        self, q_PC: Tensor, k_PC: Tensor, v_PC: Tensor, shape_BHW: tuple[int, int, int]
    ) -> Tensor:
        parts = ((self.proj_q, q_PC), (self.proj_k, k_PC), (self.proj_v, v_PC))
        q, k, v = (proj[0].by_kernels(tensors.array(x)) for proj, x in parts)
        out = calls.neighbours(q, k, v, shape_BHW, self.heads, self.window)
        return tensors.tensor(self.mlp[0].by_kernels(self.proj[0].by_kernels(out)))

    def _tiles(self, x_PC: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
        """Head-sized rows of the tiles: (S*h, Q or N, D)."""
        return self.to_tiles(x_PC.reshape(-1, self.inner // self.heads), *tables)
