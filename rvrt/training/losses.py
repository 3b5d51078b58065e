"""What training makes small."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, ops


def charbonnier(restored: Tensor, gt: Tensor, eps: float = 1e-9) -> Tensor:
    """mean(sqrt((restored - gt)^2 + eps)) over everything, in float32 whatever comes in.

    Charbonnier et al. 1994; eps as in RVRT's training.

    Args:
        restored: any shape.
        gt: of the same shape.
        eps: added under the root.

    Returns:
        A scalar.
    """
    difference = ops.cast(restored, ms.float32) - ops.cast(gt, ms.float32)
    return ops.sqrt(difference * difference + eps).mean()
