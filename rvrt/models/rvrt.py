"""RVRT: Liang et al. 2022, "Recurrent Video Restoration Transformer with Guided Deformable
Attention"."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from rvrt.config.network import Execution, RVRTConfig
from rvrt.models.compiled_attention import CompiledDeformableAttention
from rvrt.models.deform_attention import GuidedDeformableAttention, check_size
from rvrt.models.flow_warp import warp_clip
from rvrt.models.grid_attention import GridDeformableAttention
from rvrt.models.propagation import Flow, compose_flows
from rvrt.models.rows import Shape
from rvrt.models.skeleton import Flows, Skeleton
from rvrt.models.spynet import SpyNet


class RVRT(Skeleton):
    """Video super-resolution with flow-guided deformable attention between clips.

    Takes any even number of frames, any size from 33x33 on.
    """

    def __init__(self, config: RVRTConfig, execution: Execution) -> None:
        align = GuidedDeformableAttention
        if execution.native:
            align = GridDeformableAttention
        elif execution.kernels:
            align = CompiledDeformableAttention
        super().__init__(config, execution, align)
        self.groups = config.deformable_groups
        self.spynet = SpyNet(execution)

    def _flows(
        self,
        x_BTCHW: Tensor,
        given: Flows | None,
        mirrored: bool | None,
    ) -> tuple[list[Flow], list[Flow]]:
        batch, frames, _, h, w = x_BTCHW.shape
        check_size(batch, h, w, self.groups)
        forward, backward = self.optical_flows(x_BTCHW, mirrored) if given is None else given
        shape = (batch, frames, h, w)
        return (
            compose_flows(forward, shape, False, self.spynet.warp),
            compose_flows(backward, shape, True, self.spynet.warp),
        )

    def optical_flows(self, x: Tensor, mirrored: bool | None = None) -> Flows:
        """Flow from each frame but the first to the one before, and from each but the last to the
        next: rows (B*(T-1)*H*W, 2) of (dx, dy), twice. `mirrored` is as `construct` takes it.
        """
        batch, frames, _, h, w = x.shape
        earlier, later = (part.reshape(-1, 3, h, w) for part in (x[:, :-1], x[:, 1:]))
        backward = self.spynet(earlier, later)
        if self._mirrored(x) if mirrored is None else mirrored:
            maps = backward.reshape(batch, frames - 1, -1)
            forward = ops.flip(maps, (1,)).reshape(-1, 2)
        else:
            forward = self.spynet(later, earlier)
        return forward, backward

    def _mirrored(self, x: Tensor) -> bool:
        """Whether frame i equals frame T-1-i throughout, which gives half the flows for nothing.

        A compiled whole graph cannot ask, and computes them all.
        """
        if self.execution.whole_graph:
            return False
        return bool(ops.equal(x, ops.flip(x, (1,))).all())

    def _align(
        self,
        cell: nn.Cell,
        q_RC: Tensor,
        k_RC: Tensor,
        v_RC: Tensor,
        flow: Flow,
        shape_BHW: Shape,
    ) -> tuple[Tensor, Flow]:
        batch, h, w = shape_BHW
        same, other = flow
        if self.execution.native or self.execution.kernels:
            aligned, improved = cell(q_RC, k_RC, v_RC, same, other, shape_BHW)
        else:
            warped = warp_clip(v_RC, same, other, (2 * batch, h, w))
            aligned, improved = cell(q_RC, k_RC, v_RC, *warped, same, other, shape_BHW)
        return aligned, improved
