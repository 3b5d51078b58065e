"""RVRT Light, mindediting's variant without optical flow and deformable attention."""

from __future__ import annotations

from mindspore import Tensor, nn

from rvrt.config.network import Execution, RVRTLightConfig
from rvrt.models.clip_attention import ClipAttention
from rvrt.models.propagation import Flow
from rvrt.models.rows import Shape
from rvrt.models.skeleton import Flows, Skeleton


class RVRTLight(Skeleton):
    """Video super-resolution with attention to the neighbourhood between clips.

    Takes any even number of frames of any size.
    """

    def __init__(self, config: RVRTLightConfig, execution: Execution) -> None:
        super().__init__(config, execution, ClipAttention)

    def _flows(
        self,
        x_BTCHW: Tensor,
        given: Flows | None,
        mirrored: bool | None,
    ) -> tuple[list[Flow], list[Flow]]:
        steps: list[Flow] = [()] * (x_BTCHW.shape[1] // 2 - 1)
        return steps, steps

    def _align(
        self,
        cell: nn.Cell,
        q_RC: Tensor,
        k_RC: Tensor,
        v_RC: Tensor,
        flow: Flow,
        shape_BHW: Shape,
    ) -> tuple[Tensor, Flow]:
        return cell(q_RC, k_RC, v_RC, shape_BHW), flow
