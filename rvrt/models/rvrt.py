"""RVRT: Liang et al. 2022, "Recurrent Video Restoration Transformer with Guided Deformable
Attention"."""

# B batch  T frames  H height  W width

from __future__ import annotations

from typing import Any

from mindspore import Tensor, nn, ops

from rvrt.config.network import Execution, RVRTConfig
from rvrt.models.deform_attention import GuidedDeformableAttention, check_size
from rvrt.models.flow_warp import warp_clip
from rvrt.models.propagation import compose_flows
from rvrt.models.skeleton import Skeleton
from rvrt.models.spynet import SpyNet


class RVRT(Skeleton):
    """Video super-resolution with flow-guided deformable attention between clips.

    Takes any even number of frames, any size from 33x33 on.
    """

    def __init__(self, config: RVRTConfig, execution: Execution) -> None:
        super().__init__(config, execution, GuidedDeformableAttention)
        self.spynet = SpyNet(execution.chunk_mb)

    def _flows(self, x: Tensor, given: Any) -> tuple[list[Any], list[Any]]:
        """Composed flows of the forward and of the backward branches."""
        batch, frames, _, h, w = x.shape
        check_size(batch, h, w, self.config.deformable_groups)
        forward, backward = self.optical_flows(x) if given is None else given
        shape = (batch, frames, h, w)
        return compose_flows(forward, shape, False), compose_flows(backward, shape, True)

    def optical_flows(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Flow from each frame but the first to the one before, and from each but the last to the
        next: rows (B*(T-1)*H*W, 2) of (dx, dy), twice.
        """
        batch, frames, _, h, w = x.shape
        earlier, later = (part.reshape(-1, 3, h, w) for part in (x[:, :-1], x[:, 1:]))
        backward = self.spynet(earlier, later)
        if self._mirrored(x):
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
        self, cell: nn.Cell, q: Tensor, k: Tensor, v: Tensor, flow: Any, shape: tuple[int, int, int]
    ) -> tuple[Tensor, Any]:
        warped = warp_clip(v, *flow, (2 * shape[0], *shape[1:]))
        return cell(q, k, v, *warped, *flow, shape)
