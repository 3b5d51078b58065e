"""Guided deformable attention by a card's own operators: the twin of `deform_attention`.

Samples are formed by grid sampling, scores and mixtures are products and sums of planes. All of
it is float32, whatever the dtype of the rows: a place on the grid has 10 bits in float16, 1/32 of a
pixel at the edge of 128.
"""

# B clips  F=2*B frames  H height  W width  R=H*W pixels of a frame  P=F*R pixels  C channels
# T=2*F targets (slot, frame): each frame reads two  G groups of the keys  K taps  h heads

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from rvrt.config.network import Execution, RVRTConfig
from rvrt.models.deform_attention import DeformableAttention
from rvrt.models.grids import plan_step, sample, to_grid
from rvrt.models.linear import Conv, PlanesConv
from rvrt.models.rows import Reals, Shape, Table, as_constant, gather_rows

_SLOTS = 2
_HALVES = 2  # of the groups: the first for the keys, the second for the values


def plan_read_frames(frames: int) -> Table:
    """The frame that each target reads: (T,) int32; slot 0 its own, slot 1 the clip's other."""
    own = np.arange(frames)
    frames_read: Table = np.concatenate([own, own ^ 1]).astype(np.int32)
    return frames_read


def plan_first(h: int, w: int, window: tuple[int, int], max_offset: float) -> Reals:
    """Each tap with the smallest offset, from where the flow leads, on the grid: (K*2,) float32."""
    y, x = np.mgrid[: window[0], : window[1]].reshape(2, -1)
    taps = np.stack([x - window[1] // 2, y - window[0] // 2], 1) - max_offset
    first: Reals = (taps * plan_step(h, w)).reshape(-1).astype(np.float32)
    return first


def plan_reach(h: int, w: int, taps: int, max_offset: float) -> Reals:
    """From the smallest offset to the largest, for each tap: (K*2,) float32."""
    return np.tile(plan_step(h, w) * 2 * max_offset, taps).astype(np.float32)


_read_frames = as_constant(plan_read_frames)
_first = as_constant(plan_first)
_reach = as_constant(plan_reach)


class GridDeformableAttention(DeformableAttention):
    """Align the previous clip's features to this clip: v + mlp(v), v the attended samples."""

    def __init__(self, config: RVRTConfig, execution: Execution) -> None:
        super().__init__(config, execution)
        self.per_half = self.groups // _HALVES
        self.scale = (self.inner // self.heads) ** -0.5
        self.offsets_of = ops.Conv2D(_SLOTS * self.groups * self.taps * 2, 1)

    def _between(self, dim: int, how: Execution) -> nn.Cell:
        return PlanesConv(dim, dim, 3, slope=0.1, how=how)

    def construct(
        self,
        q_PC: Tensor,
        k_PC: Tensor,
        v_PC: Tensor,
        flow_1_P2: Tensor,
        flow_2_P2: Tensor,
        shape_BHW: Shape,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """As `GuidedDeformableAttention.construct`, but warping by itself."""
        batch, h, w = shape_BHW
        targets, pixels = 2 * _SLOTS * batch, h * w
        flow = ops.stack((flow_1_P2, flow_2_P2)).reshape(targets, pixels, 2)
        centre = to_grid(flow, h, w)
        share = self._shares(q_PC, v_PC, flow, centre, shape_BHW)
        mean = share.reshape(_HALVES, targets, self.per_half, pixels, self.taps, 2).mean((0, 2, 4))
        flows = (flow + (mean - 0.5) * (2 * self.max_offset)).reshape(2, -1, 2)
        first = ops.tile(centre, (1, 1, self.taps)) + _first(h, w, self.window, self.max_offset)
        first = first.reshape(1, targets, 1, pixels, 2 * self.taps)
        grid = ops.addcmul(first, share, _reach(h, w, self.taps, self.max_offset))
        aligned = self._attended(q_PC, k_PC, v_PC, grid, shape_BHW)
        aligned = self.proj(_to_rows(ops.cast(aligned, q_PC.dtype)))
        return aligned + self.mlp(aligned), (flows[0], flows[1])

    def _shares(
        self, q: Tensor, v: Tensor, flow: Tensor, centre: Tensor, shape_BHW: Shape
    ) -> Tensor:
        """Offsets as shares of the way from the smallest to the largest: (half, T, G, R, K*2).

        That is (1 + tanh(x)) / 2 = sigmoid(2x) of what the convolutions give, float32.
        """
        batch, h, w = shape_BHW
        frames, pixels = 2 * batch, h * w
        exact = ops.cast(v, flow.dtype)
        grid = centre.reshape(-1, h, w, 2)
        warped = ops.cast(sample(self._read(exact, frames, v.shape[1], h, w), grid), q.dtype)
        warped = _to_rows(warped.reshape(-1, v.shape[1], pixels)).reshape(_SLOTS, q.shape[0], -1)
        slots = ops.cast(flow, q.dtype).reshape(_SLOTS, -1, 2)
        hidden = ops.cat((q, warped[0], warped[1], slots[0], slots[1]), 1)
        hidden = _to_planes(self.conv_offset[0](hidden, (frames, h, w)), frames)
        hidden = hidden.reshape(frames, -1, h, w)
        for i in range(1, len(self.conv_offset) - 1):
            hidden = self.conv_offset[i](hidden)
        raw = self._last(ops.cast(hidden, flow.dtype))
        raw = raw.reshape(frames, _HALVES * _SLOTS, self.per_half, 2 * self.taps, pixels)
        raw = ops.transpose(raw, (1, 0, 2, 4, 3))
        return ops.sigmoid(raw * 2.0).reshape(
            _HALVES, _SLOTS * frames, self.per_half, pixels, 2 * self.taps
        )

    def _last(self, hidden_FDHW: Tensor) -> Tensor:
        """The last offset convolution, its outputs in the order of `_ordered`."""
        last: Conv = self.conv_offset[len(self.conv_offset) - 1]
        weight = self._ordered(last.weight, last.inputs).reshape(last.outputs, -1, 1, 1)
        bias = self._ordered(last.bias, 1).reshape(1, -1, 1, 1)
        return self.offsets_of(hidden_FDHW, weight) + bias

    def _ordered(self, x: Tensor, inputs: int) -> Tensor:
        """Outputs as (half, slot, G, K, xy); the official order is (slot, half, G, K, yx)."""
        x = x.reshape(_SLOTS, _HALVES, self.per_half * self.taps, 2, inputs)
        return ops.flip(ops.transpose(x, (1, 0, 2, 3, 4)), (3,))

    def _read(self, x_PC: Tensor, frames: int, channels: int, h: int, w: int) -> Tensor:
        """The frames that the targets read, `channels` at a time: (T*n, channels, H, W).

        Slot 0 reads each frame itself, slot 1 the clip's other. A gather needs no tables of
        addresses, as joining does, but its gradient would scatter.
        """
        x = _to_planes(x_PC, frames).reshape(frames // 2, 2, -1)
        if not self.training:
            table = _read_frames(frames)
            return gather_rows(x.reshape(frames, -1), table).reshape(-1, channels, h, w)
        return ops.cat((x, ops.flip(x, (1,))), 0).reshape(-1, channels, h, w)

    def _attended(self, q: Tensor, k: Tensor, v: Tensor, grid: Tensor, shape_BHW: Shape) -> Tensor:
        """Mixture of the values' samples by one softmax over slots and taps: (F, C', R)."""
        batch, h, w = shape_BHW
        frames, pixels, inner = 2 * batch, h * w, self.inner
        group = inner // self.per_half
        k, v, q = (
            ops.cast(x, grid.dtype) for x in (self.proj_k(k), self.proj_v(v), self.proj_q(q))
        )
        keys = self._read(k, frames, group, h, w)
        values = self._read(v, frames, group, h, w)
        queries = _to_planes(q * self.scale, frames)
        queries = queries.reshape(1, frames, inner, pixels, 1)
        grid = grid.reshape(_HALVES, -1, pixels, self.taps, 2)
        step = max(1, self.chunk_mb * 2**18 // (_SLOTS * frames * inner * self.taps))
        out = []
        for start in range(0, pixels, step):
            part = slice(start, min(pixels, start + step))
            weight = self._weights(queries[:, :, :, part], sample(keys, grid[0, :, part]))
            value = sample(values, grid[1, :, part]).reshape(weight.shape[0], -1, weight.shape[2])
            mixed = (value * weight).reshape(_SLOTS, frames * inner, -1, self.taps).sum((0, 3))
            out += [mixed.reshape(frames, inner, -1)]
        return out[0] if len(out) == 1 else ops.cat(tuple(out), 2)

    def _weights(self, query: Tensor, key: Tensor) -> Tensor:
        """Softmax weights (slot*F*h, 1, r*K) of queries (1, F, C', r, 1) and their samples."""
        _, frames, inner, pixels, _ = query.shape
        heads = frames * self.heads
        product = key.reshape(_SLOTS, frames, inner, pixels, self.taps) * query
        score = product.reshape(_SLOTS * heads, -1, pixels * self.taps).sum(1)
        score = ops.transpose(score.reshape(_SLOTS, heads, pixels, self.taps), (1, 2, 0, 3))
        weight = ops.softmax(score.reshape(-1, _SLOTS * self.taps), -1)
        weight = ops.transpose(weight.reshape(heads, pixels, _SLOTS, self.taps), (2, 0, 1, 3))
        return weight.reshape(_SLOTS * heads, 1, -1)


def _to_planes(x_PC: Tensor, frames: int) -> Tensor:
    """Rows of F frames as planes: (F, C, R)."""
    return ops.transpose(x_PC.reshape(frames, -1, x_PC.shape[1]), (0, 2, 1))


def _to_rows(x_NCR: Tensor) -> Tensor:
    """Planes (N, C, R) as rows (N*R, C)."""
    return ops.transpose(x_NCR, (0, 2, 1)).reshape(-1, x_NCR.shape[1])
