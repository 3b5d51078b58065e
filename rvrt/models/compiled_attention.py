"""Guided deformable attention by the compiled part: the twin of `deform_attention`.

Samples are never written down: each is taken, scored and summed where it is.
"""

from __future__ import annotations

from mindspore import Tensor

from rvrt.models.deform_attention import OFFSET_CONVS, GuidedDeformableAttention
from rvrt.models.flow_warp import warp_clip
from rvrt.models.kernels import calls, tensors
from rvrt.models.rows import Shape


class CompiledDeformableAttention(GuidedDeformableAttention):
    """Align the previous clip's features to this clip; by MindSpore where gradients are wanted."""

    def construct(  # type: ignore[override]
        self,
        q_PC: Tensor,
        k_PC: Tensor,
        v_PC: Tensor,
        flow_1_P2: Tensor,
        flow_2_P2: Tensor,
        shape_BHW: Shape,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """As `GuidedDeformableAttention.construct`, but warping by itself."""
        if not tensors.wanted():
            frames = (2 * shape_BHW[0], shape_BHW[1], shape_BHW[2])
            warped = warp_clip(v_PC, flow_1_P2, flow_2_P2, frames)
            return super().construct(q_PC, k_PC, v_PC, *warped, flow_1_P2, flow_2_P2, shape_BHW)
        q, k, v, flow_1, flow_2 = map(tensors.array, (q_PC, k_PC, v_PC, flow_1_P2, flow_2_P2))
        flows = (flow_1, flow_2)
        last = self.conv_offset[OFFSET_CONVS - 1]
        weight = tensors.array(last.weight).reshape(last.outputs, last.inputs)
        offsets = (self._guided(q, v, flows, shape_BHW), weight, tensors.array(last.bias))
        out, improved = calls.samples(
            self.proj_q[0].by_kernels(q),
            self.proj_k[0].by_kernels(k),
            self.proj_v[0].by_kernels(v),
            offsets,
            flows,
            shape_BHW,
            calls.Sampling(self.heads, self.groups // 2, self.window, self.max_offset),
        )
        aligned = self.mlp[0].by_kernels(self.proj[0].by_kernels(out))
        return tensors.tensor(aligned), (tensors.tensor(improved[0]), tensors.tensor(improved[1]))

    def _guided(
        self, q: calls.Array, v: calls.Array, flows: tuple[calls.Array, calls.Array], shape: Shape
    ) -> calls.Array:
        """What the offsets are read from: (P, offset_dim)."""
        frames = (2 * shape[0], shape[1], shape[2])
        same = range(frames[0])
        other = [frame ^ 1 for frame in same]
        maps = [q, calls.warp(v, flows[0], same, frames), calls.warp(v, flows[1], other, frames)]
        maps += flows
        for i in range(OFFSET_CONVS - 1):
            maps = [self.conv_offset[i].by_kernels(maps, frames)]
        return maps[0]
