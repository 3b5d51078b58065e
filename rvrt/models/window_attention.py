"""Attention within (shifted) windows of frames: Liang et al. 2022, section 3.2; Liu et al. 2021.

Window partition, cyclic shift, padding and head splitting are one gather of head-sized rows, their
inverse another; position bias and mask are added from a table with one entry for each kind of
window, not for each window.
"""

# Beyond the letters of rows.py: S windows  N tokens of a window  M kinds of mask

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from rvrt.models import fused_attention
from rvrt.models.linear import Linear, linear
from rvrt.models.rows import (
    Move,
    MoveThree,
    Places,
    Reals,
    Table,
    as_constant,
    as_tables,
    gather_rows,
    plan_back,
)

Window = tuple[int, int, int]
VideoShape = tuple[int, int, int, int]

_MASKED = -100.0


@dataclass(frozen=True)
class WindowPlan:
    """Where the windows of one clip lie.

    tokens_SN: the pixel (t*H*W + y*W + x) at each place of each window, -1 where the map is padded.
    kind_S, masks_MNN: which mask each window takes; all zeros where no mask is needed.
    """

    tokens_SN: Places
    kind_S: Places
    masks_MNN: Reals


def fit_window(size: Window, window: Window) -> Window:
    """A window is never larger than the map it moves over."""
    t, h, w = (min(s, most) for s, most in zip(size, window, strict=True))
    return t, h, w


def _stripes(length: int, window: int, shift: int) -> Places:
    """Which stripe of the shifted axis each place belongs to: tokens of two stripes never mix."""
    stripes = np.zeros(length, int)
    if shift:
        stripes[length - window :] = 1
        stripes[length - shift :] = 2
    return stripes


@lru_cache(maxsize=64)
def plan_windows(size: Window, window: Window, shifted: bool) -> WindowPlan:
    """Windows over a clip of `size` (T, H, W), moved by half a window in space when `shifted`."""
    fitted = fit_window(size, window)
    shift = [w // 2 if shifted and s > w else 0 for s, w in zip(size, window, strict=True)]
    shift[0] = 0  # never in time
    padded = [-(-s // w) * w for s, w in zip(size, fitted, strict=True)]
    tokens = np.full(padded, -1)
    tokens[: size[0], : size[1], : size[2]] = np.arange(np.prod(size)).reshape(size)
    tokens = np.roll(tokens, [-s for s in shift], (0, 1, 2))
    stripes = [_stripes(*axis) for axis in zip(padded, fitted, shift, strict=True)]
    regions = stripes[0][:, None, None] * 9 + stripes[1][:, None] * 3 + stripes[2]
    regions_SN = _partition(regions, fitted)
    kinds, kind_S = np.unique(regions_SN, axis=0, return_inverse=True)
    differ = kinds[:, :, None] != kinds[:, None, :]
    masks = np.where(differ, np.float32(_MASKED), np.float32(0))
    return WindowPlan(_partition(tokens, fitted), kind_S.reshape(-1), masks)


def _partition(x_THW: Places, window: Window) -> Places:
    t, h, w = (s // n for s, n in zip(x_THW.shape, window, strict=True))
    x: Places = x_THW.reshape(t, window[0], h, window[1], w, window[2])
    return x.transpose(0, 2, 4, 1, 3, 5).reshape(t * h * w, -1)


def plan_position_index(window: Window) -> Places:
    """Entry of the bias table for each pair of tokens of a full window: (N, N) int."""
    grid = np.stack(np.meshgrid(*map(np.arange, window), indexing="ij")).reshape(3, -1)
    offset = grid[:, :, None] - grid[:, None, :] + (np.array(window) - 1)[:, None, None]
    index: Places = (offset[0] * (2 * window[1] - 1) + offset[1]) * (2 * window[2] - 1) + offset[2]
    return index


def _batched_tokens(shape_BTHW: VideoShape, window: Window, shifted: bool) -> Places:
    """The row at each place of each window (B*S, N); each padded place has one from R on."""
    batch, size = shape_BTHW[0], shape_BTHW[1:]
    tokens = plan_windows(size, window, shifted).tokens_SN
    base = np.arange(batch)[:, None, None] * np.prod(size)
    rows: Places = np.where(tokens < 0, -1, tokens + base).reshape(-1, tokens.shape[1])
    rows[rows < 0] = np.prod(shape_BTHW) + np.arange((rows < 0).sum())
    return rows


def plan_split(
    shape_BTHW: VideoShape, window: Window, shifted: bool, heads: int, part: int
) -> Table:
    """From rows of (q, k, v) x heads to windows: (B*S*h, N) int32 for part 0, 1 or 2.

    Padding points to rows from R on, one each, which hold what a zero token projects to.
    """
    tokens = _batched_tokens(shape_BTHW, window, shifted)[:, None, :]
    rows = (tokens * 3 + part) * heads + np.arange(heads)[:, None]
    return rows.reshape(-1, tokens.shape[2]).astype(np.int32)


def plan_split_back(shape_BTHW: VideoShape, window: Window, shifted: bool, heads: int) -> Table:
    """From windows of q, of k and of v, one after another, to the rows that `plan_split` parts."""
    parts = [plan_split(shape_BTHW, window, shifted, heads, part) for part in range(3)]
    return plan_back(np.stack(parts), 3 * parts[0].size)


def plan_merge(shape_BTHW: VideoShape, window: Window, shifted: bool, heads: int) -> Table:
    """From windows (B*S, h, N) back to rows: (R, h) int32; padding is left behind."""
    tokens = _batched_tokens(shape_BTHW, window, shifted)
    windows, n = tokens.shape
    place = np.arange(windows)[:, None] * heads * n + np.arange(n)
    rows = np.empty(tokens.size, int)
    rows[tokens] = place
    table: Places = rows[: np.prod(shape_BTHW), None] + np.arange(heads) * n
    return table.astype(np.int32)


def plan_kinds(shape_BTHW: VideoShape, window: Window, shifted: bool, heads: int) -> Table:
    """Row of the (mask, head) table for each window and head: (B*S*h,) int32."""
    kind = plan_windows(shape_BTHW[1:], window, shifted).kind_S
    table = kind[:, None] * heads + np.arange(heads)
    return np.tile(table.reshape(-1), shape_BTHW[0]).astype(np.int32)


def plan_masks(size: Window, window: Window, shifted: bool) -> Reals:
    """Masks of the kinds of window: (M, 1, N, N) float32."""
    return plan_windows(size, window, shifted).masks_MNN[:, None]


def plan_bias_index(window: Window, size: Window) -> Table:
    """Bias table entries for the window that fits a map, (N, N): the first N rows and columns.

    (As the authors have it: the index of the full window, cut, not that of the smaller window.)
    """
    n = int(np.prod(fit_window(size, window)))
    return plan_position_index(window)[:n, :n].astype(np.int32)


def is_padded(size: Window, window: Window) -> bool:
    """Whether windows reach beyond a map of `size`."""
    return any(s % w for s, w in zip(size, fit_window(size, window), strict=True))


def plan_query_scale(dim: int, scale: float) -> Reals:
    """`scale` for the outputs that are q, 1 for those that are k and v: (3*dim,) float32."""
    return np.repeat(np.array([scale, 1, 1], np.float32), dim)


_query_scale = as_constant(plan_query_scale)
_split, _split_back = as_constant(plan_split), as_constant(plan_split_back)
_merge = as_tables(plan_merge)
_kinds = as_constant(plan_kinds)
_masks = as_constant(plan_masks)
_bias_index = as_tables(plan_bias_index)


class _SpreadBiases(nn.Cell):
    """Position bias and mask of each window.

    The gradient of the bias is the sum over windows, whatever their masks.
    """

    def construct(self, bias_hNN: Tensor, masks_M1NN: Tensor, kinds: Tensor) -> Tensor:
        """Of a bias for each pair, masks and kinds as planned: (B*S*h, N, N)."""
        biases = bias_hNN.expand_dims(0) + masks_M1NN
        return gather_rows(biases.reshape(-1, *biases.shape[2:]), kinds)

    def bprop(
        self, bias_hNN: Tensor, masks_M1NN: Tensor, kinds: Tensor, out: Tensor, dout: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradient of the bias; masks and kinds have none."""
        bias = dout.reshape(-1, *bias_hNN.shape).sum(0)
        return bias, ops.zeros_like(masks_M1NN), ops.zeros_like(kinds)


class WindowAttention(nn.Cell):
    """Multi-head self-attention in windows of rows (R, C) of a (B, T, H, W) video."""

    def __init__(
        self,
        dim: int,
        window: Window,
        heads: int,
        shifted: bool,
        relative_position: bool,
        native: bool = False,
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.native, self.fused = native, fused
        self.dim, self.window, self.heads, self.shifted = dim, window, heads, shifted
        self.scale = (dim // heads) ** -0.5
        self.relative_position = relative_position
        if relative_position:
            entries = (2 * window[0] - 1) * (2 * window[1] - 1) * (2 * window[2] - 1)
            self.relative_position_bias_table = Parameter(
                initializer(TruncatedNormal(0.02), (entries, heads))
            )
        self.split, self.merge, self.look_up = MoveThree(), Move(), Move()
        self.spread = _SpreadBiases()
        self.qkv_self = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)
        self.scores = ops.BatchMatMul(transpose_b=True)
        self.mix = ops.BatchMatMul()

    def construct(self, x_RC: Tensor, shape_BTHW: VideoShape) -> Tensor:
        """(R, C) -> (R, C)."""
        key = (shape_BTHW, self.window, self.shifted, self.heads)
        qkv, padding = self._project(x_RC)
        if is_padded(shape_BTHW[1:], self.window):
            rows = _split(*key, 0).size // self.heads - x_RC.shape[0]
            qkv = ops.cat((qkv, ops.broadcast_to(padding, (rows, 3 * self.dim))), 0)
        heads_RD = qkv.reshape(-1, self.dim // self.heads)
        if self.fused:
            heads_RD = fused_attention.pad_channels(heads_RD)
        tables = (_split(*key, 0), _split(*key, 1), _split(*key, 2))
        q, k, v = self.split(heads_RD, *tables, _split_back(*key))
        out = self._fused(q, k, v, shape_BTHW) if self.fused else self._plain(q, k, v, shape_BTHW)
        out = out.reshape(-1, heads_RD.shape[1])
        rows = self.merge(out, *_merge(out.shape[0], *key))
        if self.fused:
            rows = rows[:, :, : self.dim // self.heads]
        return self.proj(rows.reshape(-1, self.dim))

    def _plain(self, q: Tensor, k: Tensor, v: Tensor, shape_BTHW: VideoShape) -> Tensor:
        weight = ops.softmax(self._scores(q, k, shape_BTHW), -1)
        return self.mix(ops.cast(weight, v.dtype), v)

    def _fused(self, q: Tensor, k: Tensor, v: Tensor, shape_BTHW: VideoShape) -> Tensor:
        n = q.shape[1]
        q, k, v = (x.reshape(-1, self.heads, n, x.shape[2]) for x in (q, k, v))
        bias = None
        if _masks(shape_BTHW[1:], self.window, self.shifted).shape[0] > 1:
            bias = self._biases(shape_BTHW)
        elif self.relative_position:  # a single mask is all zeros
            bias = self._positions(shape_BTHW[1:])
        if bias is not None:
            bias = ops.cast(bias, q.dtype).reshape(-1, self.heads, n, n)
        return fused_attention.attend(q, k, v, bias)

    def _project(self, x_RC: Tensor) -> tuple[Tensor, Tensor]:
        """q, k, v of rows, side by side: (R, 3*C), and of a row of zeros: (3*C,).

        q is scaled by now where one operator scales and adds: before the products with k, which
        float16 might not hold.
        """
        weight, bias = self.qkv_self.weight, ops.cast(self.qkv_self.bias, x_RC.dtype)
        if not self.native:
            return linear(x_RC, weight, self.qkv_self.bias), bias
        scale = ops.cast(_query_scale(self.dim, self.scale), x_RC.dtype)
        product = ops.MatMul(transpose_b=True)(x_RC, ops.cast(weight, x_RC.dtype))
        return ops.addcmul(bias * scale, product, scale), bias * scale

    def _scores(self, q: Tensor, k: Tensor, shape_BTHW: VideoShape) -> Tensor:
        """Scaled products with position bias and mask added: (B*S*h, N, N), as the weights."""
        scaled = q if self.native else q * self.scale
        score = ops.cast(self.scores(scaled, k), self.qkv_self.weight.dtype)
        if not (self.relative_position or self.shifted):
            return score
        return score + self._biases(shape_BTHW)

    def _biases(self, shape_BTHW: VideoShape) -> Tensor:
        """Position bias and mask of every window: (B*S*h, N, N), as the weights."""
        kinds = _kinds(shape_BTHW, self.window, self.shifted, self.heads)
        masks = _masks(shape_BTHW[1:], self.window, self.shifted)
        masks = ops.cast(masks, self.qkv_self.weight.dtype)
        if not self.relative_position:
            masks = ops.tile(masks, (1, self.heads, 1, 1))
            return gather_rows(masks.reshape(-1, *masks.shape[2:]), kinds)
        return self.spread(self._positions(shape_BTHW[1:]), masks, kinds)

    def _positions(self, size: Window) -> Tensor:
        """Position bias of all pairs: (h, N, N)."""
        table = self.relative_position_bias_table
        index = _bias_index(table.shape[0], self.window, size)
        return ops.transpose(self.look_up(table, *index), (2, 0, 1))
