"""The learning rate, a function of the step alone: nothing to save, nothing to restore."""

from __future__ import annotations

import math


def cosine(step: int, steps: int, lr: float, min_lr: float) -> float:
    """The rate of one step, along half a cosine that ends at its minimum.

    `min_lr + (lr - min_lr) * (1 + cos(pi * (step + 1) / steps)) / 2`, set before the step; the
    last step has `min_lr` itself, and so would every one after it (Loshchilov and Hutter 2017,
    without restarts).

    Args:
        step: from 0 to steps - 1.
        steps: of the whole training.
        lr: what the curve starts from.
        min_lr: what it ends at.
    """
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * min(1.0, (step + 1) / steps))) / 2
