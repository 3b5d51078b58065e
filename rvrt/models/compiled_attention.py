"""Guided deformable attention by the compiled part: the twin of `deform_attention`.

Samples are never written down: each is taken, scored and summed where it is.
"""

from __future__ import annotations

from typing import Any

from mindspore import Tensor, nn, ops

from rvrt.config.network import Execution, RVRTConfig
from rvrt.models.deform_attention import OFFSET_CONVS, DeformableAttention
from rvrt.models.flow_warp import warp_clip
from rvrt.models.kernels import calls, sampling, tensors
from rvrt.models.rows import Shape


class _CompiledSamples(nn.Cell):
    """The attention between its projections, with its gradients."""

    def __init__(self, how: sampling.Sampling) -> None:
        super().__init__()
        self.how = how

    def construct(self, *given: Tensor | int) -> tuple[Tensor, ...]:
        """q, k, v, hidden, weight, bias, both flows, B, H, W -> what `sampling.samples` returns."""
        return tuple(map(tensors.tensor, sampling.samples(self._read(*given), self.how)))

    def bprop(self, *given: Any) -> tuple[Any, ...]:
        """Gradients of all that is given."""
        *inputs, _, dout = given
        grads = tuple(tensors.array(x) for x in dout)
        found = sampling.samples_gradients(
            self._read(*inputs), self.how, (grads[0], grads[1], grads[2])
        )
        return (*map(tensors.tensor, found), 0, 0, 0)

    @staticmethod
    def _read(*given: Any) -> sampling.Attended:
        q, k, v, hidden, weight, bias, flow_1, flow_2 = map(tensors.array, given[:8])
        shape: Any = given[8:]
        return sampling.Attended(q, k, v, hidden, weight, bias, (flow_1, flow_2), shape)


class CompiledDeformableAttention(DeformableAttention):
    """Align the previous clip's features to this clip: v + mlp(v), v the attended samples."""

    def __init__(self, config: RVRTConfig, execution: Execution) -> None:
        super().__init__(config, execution)
        self.how = sampling.Sampling(self.heads, self.groups // 2, self.window, self.max_offset)
        self.attend = _CompiledSamples(self.how)

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
        flows = (flow_1_P2, flow_2_P2)
        if tensors.wanted():
            return self._by_kernels(q_PC, k_PC, v_PC, flows, shape_BHW)
        frames = (2 * shape_BHW[0], shape_BHW[1], shape_BHW[2])
        hidden = ops.cat((q_PC, *warp_clip(v_PC, *flows, frames), *flows), 1)
        for i in range(OFFSET_CONVS - 1):
            hidden = self.conv_offset[i](hidden, frames)
        last = self.conv_offset[OFFSET_CONVS - 1]
        weight = last.weight.reshape(last.outputs, last.inputs)
        out, *improved = self.attend(
            self.proj_q(q_PC),
            self.proj_k(k_PC),
            self.proj_v(v_PC),
            *(hidden, weight, last.bias, *flows, *shape_BHW),
        )
        aligned = self.proj(out)
        return aligned + self.mlp(aligned), (improved[0], improved[1])

    def _by_kernels(
        self, q_PC: Tensor, k_PC: Tensor, v_PC: Tensor, flows: tuple[Tensor, Tensor], shape: Shape
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        q, k, v, flow_1, flow_2 = map(tensors.array, (q_PC, k_PC, v_PC, *flows))
        last = self.conv_offset[OFFSET_CONVS - 1]
        attended = sampling.Attended(
            self.proj_q[0].by_kernels(q),
            self.proj_k[0].by_kernels(k),
            self.proj_v[0].by_kernels(v),
            self._guided(q, v, (flow_1, flow_2), shape),
            tensors.array(last.weight).reshape(last.outputs, last.inputs),
            tensors.array(last.bias),
            (flow_1, flow_2),
            shape,
        )
        out, *improved = sampling.samples(attended, self.how)
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
