"""RVRT Light, mindediting's variant without optical flow and deformable attention."""

# B batch  T frames  H height  W width

from __future__ import annotations

from typing import Any

from mindspore import Tensor, nn

from rvrt.config.network import Execution, RVRTLightConfig
from rvrt.models.clip_attention import ClipAttention
from rvrt.models.skeleton import Skeleton


class RVRTLight(Skeleton):
    """Video super-resolution with attention to the neighbourhood between clips.

    Takes any even number of frames of any size.
    """

    def __init__(self, config: RVRTLightConfig, execution: Execution) -> None:
        super().__init__(config, execution, ClipAttention)

    def _flows(self, x: Tensor, _given: None) -> tuple[list[Any], list[Any]]:
        steps = [None] * (x.shape[1] // 2 - 1)
        return steps, steps

    def _align(
        self, cell: nn.Cell, q: Tensor, k: Tensor, v: Tensor, flow: Any, shape: tuple[int, int, int]
    ) -> tuple[Tensor, Any]:
        return cell(q, k, v, shape), flow
