"""What training makes small. A loss takes what the network gave and GT, and gives a scalar."""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms
from mindspore import Tensor, ops

from rvrt.errors import ConfigError

Loss = Callable[[Tensor, Tensor], Tensor]


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
    difference = _difference(restored, gt)
    return ops.sqrt(difference * difference + eps).mean()


def l1(restored: Tensor, gt: Tensor) -> Tensor:
    """mean(abs(restored - gt)) over everything, in float32; any two equal shapes to a scalar."""
    return ops.abs(_difference(restored, gt)).mean()


def mse(restored: Tensor, gt: Tensor) -> Tensor:
    """mean((restored - gt)^2) over everything, in float32; any two equal shapes to a scalar."""
    difference = _difference(restored, gt)
    return (difference * difference).mean()


# By the name that train.loss gives. Add your own: LOSSES["mine"] = my_loss.
LOSSES: dict[str, Loss] = {"charbonnier": charbonnier, "l1": l1, "mse": mse}


def loss_named(name: str) -> Loss:
    """The loss of this name; raise ConfigError where there is none."""
    if name not in LOSSES:
        raise ConfigError(f"train.loss={name!r}: expected one of {', '.join(LOSSES)}")
    return LOSSES[name]


def _difference(restored: Tensor, gt: Tensor) -> Tensor:
    return ops.cast(restored, ms.float32) - ops.cast(gt, ms.float32)
