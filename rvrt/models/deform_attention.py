"""Guided deformable attention: Liang et al. 2022, section 3.3.

Each pixel of a clip attends to samples of the previous clip's two frames around where the flows
point.
"""

# Beyond the letters of rows.py: S=2*K samples of a query  Q pixels of a chunk

from __future__ import annotations

from collections import OrderedDict

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from rvrt.config.network import Execution, RVRTConfig
from rvrt.models.flow_warp import bordered, split_position
from rvrt.models.linear import Conv, Linear, linear
from rvrt.models.rows import Reals, Table, as_constant, gather_rows
from rvrt.models.rstb import Mlp
from rvrt.models.sampled_attention import SampledAttention

_SLOTS = 2
OFFSET_CONVS = 6
_EXACT_INDEX = 2**24  # whole numbers up to here are exact in float32


def plan_offset_rows(groups: int, taps: int) -> Table:
    """Outputs of the offset convolution, parted: (half, yx, G*S) int32, half 0 for k and 1 for v.

    The official order is (slot, half, group, tap, yx).
    """
    order = np.arange(_SLOTS * groups * taps * 2).reshape(_SLOTS, 2, groups // 2, taps, 2)
    return order.transpose(1, 4, 2, 0, 3).reshape(2, 2, -1).astype(np.int32)


def plan_mean(groups: int, taps: int) -> Reals:
    """Mean over groups and taps for each slot: (G*S, 2)."""
    matrix = np.zeros((groups, _SLOTS, taps, _SLOTS), np.float32)
    for slot in range(_SLOTS):
        matrix[:, slot, :, slot] = 1 / (groups * taps)
    return matrix.reshape(-1, _SLOTS)


def plan_spread(groups: int, window: tuple[int, int], axis: int) -> Reals:
    """(flow to slot 0, flow to slot 1, pixel, 1) to base positions (group, slot, tap): (4, G*S)."""
    kh, kw = window
    tap = np.mgrid[:kh, :kw].reshape(2, -1)[axis] - (kh // 2, kw // 2)[axis]
    spread = np.zeros((4, groups, _SLOTS, kh * kw), np.float32)
    spread[0, :, 0] = spread[1, :, 1] = spread[2] = 1
    spread[3] = tap
    return spread.reshape(4, -1)


def plan_pixel(batch: int, h: int, w: int, axis: int) -> Reals:
    """(pixel coordinate, 1) of every pixel of B clips: (P, 2) float32; axis 0 is y."""
    grid = np.tile(np.mgrid[:h, :w][axis].reshape(-1), 2 * batch)
    pixels: Reals = np.stack([grid, np.ones_like(grid)], 1).astype(np.float32)
    return pixels


def plan_first_row(batch: int, h: int, w: int, groups: int, taps: int) -> Reals:
    """Row of the first pixel, in frames as `bordered` has them, of the frame each sample reads.

    Slot n of output frame j reads frame (n + j) mod 2: (P, G*S) float32.
    """
    frame = np.arange(2 * batch)
    read = frame[:, None] // 2 * 2 + (frame[:, None] + np.arange(_SLOTS)) % 2
    first = (read * (h + 2) * (w + 2) + (w + 3))[:, None, :] * groups
    rows = first + np.arange(groups)[:, None]
    rows = np.repeat(np.repeat(rows, h * w, 0), taps, 2)
    return rows.reshape(2 * batch * h * w, -1).astype(np.float32)


_offset_rows = as_constant(plan_offset_rows)
_mean = as_constant(plan_mean)
_spread_matrix = as_constant(plan_spread)
_pixel = as_constant(plan_pixel)
_first_row = as_constant(plan_first_row)


class DeformableAttention(nn.Cell):
    """The layers of guided deformable attention, however its samples are taken."""

    def __init__(self, config: RVRTConfig, execution: Execution) -> None:
        super().__init__()
        dim, inner = config.embed_dim, config.attention_dim
        self.groups, self.window = config.deformable_groups, config.attention_window
        self.taps = self.window[0] * self.window[1]
        self.max_offset, self.chunk_mb = config.max_offset, execution.chunk_mb
        self.inner, self.heads = inner, config.attention_heads
        self.proj_q = nn.SequentialCell(OrderedDict([("1", Linear(dim, inner))]))
        self.proj_k = nn.SequentialCell(OrderedDict([("1", Linear(dim, inner))]))
        self.proj_v = nn.SequentialCell(OrderedDict([("1", Linear(dim, inner))]))
        mlp = Mlp(dim, config.mlp_ratio, config.gelu, execution.native)
        self.mlp = nn.SequentialCell(OrderedDict([("1", mlp)]))
        self.conv_offset = self._offset_convs(3 * dim + 4, config.offset_dim, execution)
        self.proj = nn.SequentialCell(OrderedDict([("1", Linear(inner, dim))]))

    def _offset_convs(self, inputs: int, dim: int, how: Execution) -> nn.SequentialCell:
        outputs = _SLOTS * self.groups * self.taps * 2
        convs = [Conv(inputs, dim, 1, slope=0.1, how=how)]
        convs += [self._between(dim, how) for _ in range(OFFSET_CONVS - 2)]
        last = Conv(dim, outputs, 1, zero=True)
        last.in_float32 = True
        convs += [last]
        # even numbers: the authors count the activations between
        return nn.SequentialCell(OrderedDict((str(2 * n), c) for n, c in enumerate(convs)))

    def _between(self, dim: int, how: Execution) -> nn.Cell:
        """An offset convolution that is neither the first nor the last."""
        return Conv(dim, dim, 3, slope=0.1, how=how)


class GuidedDeformableAttention(DeformableAttention):
    """Align the previous clip's features to this clip: v + mlp(v), v the attended samples."""

    def __init__(self, config: RVRTConfig, execution: Execution) -> None:
        super().__init__(config, execution)
        samples = _SLOTS * self.taps
        self.attend = SampledAttention(self.inner, self.heads, self.groups // 2, samples)

    def recompute(self) -> None:
        """Compute it again in the backward pass, and the attention within once more by chunks."""
        super().recompute()
        self.attend.recompute()

    def construct(
        self,
        q_PC: Tensor,
        k_PC: Tensor,
        v_PC: Tensor,
        warped_1_PC: Tensor,
        warped_2_PC: Tensor,
        flow_1_P2: Tensor,
        flow_2_P2: Tensor,
        shape_BHW: tuple[int, int, int],
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Align `v` (and `k`), features of the previous clip, to this clip, whose features are `q`.

        `flow_1` leads from each frame to the same frame of the previous clip, `flow_2` to the other
        one, in pixels as (dx, dy); `warped_1` and `warped_2` are `v` warped by them. `shape_BHW` is
        (B, H, W). Returns the aligned features and the two flows with the mean offset added.
        """
        batch, h, w = shape_BHW
        frames = (2 * batch, h, w)
        guide = (q_PC, warped_1_PC, warped_2_PC, flow_1_P2, flow_2_P2)
        hidden = self._hidden(guide, frames)
        q = self.proj_q(q_PC)
        k = bordered(self.proj_k(k_PC), frames, self.groups // 2)
        v = bordered(self.proj_v(v_PC), frames, self.groups // 2)
        flow_x = ops.cat((flow_1_P2[:, 0:1], flow_2_P2[:, 0:1]), 1)
        flow_y = ops.cat((flow_1_P2[:, 1:2], flow_2_P2[:, 1:2]), 1)
        base = (
            ops.cat((flow_y, _pixel(*shape_BHW, 0)), 1),
            ops.cat((flow_x, _pixel(*shape_BHW, 1)), 1),
        )
        first = _first_row(batch, h, w, self.groups // 2, self.taps)
        rows = q.shape[0]
        step = min(rows, max(1, self.chunk_mb * 2**18 // (8 * self.taps * q.shape[1])))
        out, mean_y, mean_x = [], [], []
        for start in range(0, rows, step):
            stop = min(rows, start + step)
            offsets = self._offsets(hidden[start:stop])
            base_y = self.spread(base[0][start:stop], 0)
            base_x = self.spread(base[1][start:stop], 1)
            places = [
                self.place(y + base_y, x + base_x, first[start:stop], h, w) for y, x in offsets
            ]
            out += [self.attend(q[start:stop], k, v, w, *places[0], *places[1])]
            mean_y += [self._mean_offset(offsets[0][0], offsets[1][0])]
            mean_x += [self._mean_offset(offsets[0][1], offsets[1][1])]
        aligned = self.proj(join(out))
        flows = _by_slot(flow_x + join(mean_x), flow_y + join(mean_y))
        return aligned + self.mlp(aligned), flows

    def _hidden(self, guide: tuple[Tensor, ...], frames: tuple[int, int, int]) -> Tensor:
        """What the offsets are read from, in the flows' float32: (P, offset_dim)."""
        hidden = ops.cat(tuple(ops.cast(x, guide[0].dtype) for x in guide), 1)
        for i in range(OFFSET_CONVS - 1):  # a slice of the sequence would rename its parameters
            hidden = self.conv_offset[i](hidden, frames)
        return ops.cast(hidden, guide[-1].dtype)

    def _offsets(self, hidden: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Offsets around the flow for k and v, each (y, x) of (Q, G*S)."""
        last = self.conv_offset[OFFSET_CONVS - 1]
        order = _offset_rows(self.groups, self.taps)
        weight = last.weight.reshape(last.weight.shape[0], -1)

        def pair(half: int) -> tuple[Tensor, Tensor]:
            y, x = (self._offset(hidden, weight, last.bias, order[half, axis]) for axis in (0, 1))
            return y, x

        return pair(0), pair(1)

    def _offset(self, hidden: Tensor, weight: Tensor, bias: Tensor, order: Tensor) -> Tensor:
        raw = linear(hidden, gather_rows(weight, order), ops.gather(bias, order, 0))
        return tanh(raw) * self.max_offset

    def spread(self, base: Tensor, axis: int) -> Tensor:
        """Where each tap lies before its offset is added, along one axis: (Q, G*S)."""
        return ops.MatMul()(base, _spread_matrix(self.groups // 2, self.window, axis))

    def place(
        self, y: Tensor, x: Tensor, first: Tensor, h: int, w: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Where each sample is read: its first row, int32, and how far beyond, in y and x."""
        y0, fy = split_position(y, h)
        x0, fx = split_position(x, w)
        groups = self.groups // 2
        row = y0 * float((w + 2) * groups) + x0 * float(groups) + first
        return ops.cast(row, ms.int32), fy, fx

    def _mean_offset(self, k_offset: Tensor, v_offset: Tensor) -> Tensor:
        """Mean over both halves, groups and taps for each slot: (Q, 2)."""
        mean = _mean(self.groups // 2, self.taps)
        return ops.MatMul()((k_offset + v_offset) * 0.5, mean)


def _by_slot(x_P2: Tensor, y_P2: Tensor) -> tuple[Tensor, Tensor]:
    """Flows to the two slots, each (P, 2) of (dx, dy)."""
    return (
        ops.cat((x_P2[:, 0:1], y_P2[:, 0:1]), 1),
        ops.cat((x_P2[:, 1:2], y_P2[:, 1:2]), 1),
    )


def tanh(x: Tensor) -> Tensor:
    """tanh by its double angle: MindSpore's own is off by 1e-4 near 5 on a CPU, exact below 2.5."""
    half = ops.tanh(x * 0.5)
    return half * 2.0 * ops.reciprocal(half * half + 1.0)


def join(parts: list[Tensor]) -> Tensor:
    """Rows of all parts, one after the other."""
    return parts[0] if len(parts) == 1 else ops.cat(tuple(parts), 0)


def check_size(batch: int, h: int, w: int, groups: int) -> None:
    """Raise ValueError where the sample table has more rows than float32 can count."""
    rows = 2 * batch * (h + 2) * (w + 2) * (groups // 2)
    if rows >= _EXACT_INDEX:
        raise ValueError(
            f"a batch of {batch} with frames of {h}x{w} gives the deformable attention {rows} rows "
            f"to choose from; it counts up to {_EXACT_INDEX}: use a smaller batch or tiles"
        )
