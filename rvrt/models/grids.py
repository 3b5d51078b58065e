"""Warping and resizing of planes by a card's own operators.

Positions are on a grid of -1 to 1, the middles of the outermost pixels at its ends, and never go
through a matrix product: targets whose products have short mantissas keep their positions.
"""

# N frames  H height  W width  C channels  P=N*H*W pixels

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops

from rvrt.models.linear import to_planes, to_rows
from rvrt.models.rows import Reals, Shape, as_constant


def plan_step(h: int, w: int) -> Reals:
    """What one pixel to the right and one down are on the grid: (2,) float32."""
    return np.array([2 / max(w - 1, 1), 2 / max(h - 1, 1)], np.float32)


def plan_pixels(h: int, w: int) -> Reals:
    """(x, y) of every pixel on the grid: (1, H*W, 2) float32."""
    y, x = np.mgrid[:h, :w].reshape(2, -1)
    grid: Reals = (np.stack([x, y], 1)[None] * plan_step(h, w) - 1).astype(np.float32)
    return grid


_step = as_constant(plan_step)
_pixels = as_constant(plan_pixels)


def to_grid(flow_NR2: Tensor, h: int, w: int) -> Tensor:
    """Flows (dx, dy) of all pixels, in pixels, to where they lead: (N, H*W, 2)."""
    return ops.addcmul(_pixels(h, w), flow_NR2, _step(h, w))


def sample(x_NCHW: Tensor, grid_NRK2: Tensor, border: bool = False) -> Tensor:
    """Bilinear samples (N, C, R, K); beyond the frame zeros, or with `border` the edge."""
    return ops.grid_sample(x_NCHW, grid_NRK2, "bilinear", "border" if border else "zeros", True)


def warp(x_PC: Tensor, flow_P2: Tensor, shape_NHW: Shape, border: bool = False) -> Tensor:
    """As `flow_warp.warp`."""
    n, h, w = shape_NHW
    grid = to_grid(flow_P2.reshape(n, h * w, 2), h, w).reshape(n, h, w, 2)
    return to_rows(sample(to_planes(x_PC, shape_NHW), grid, border))


def resize(x_NHW: Tensor, h: int, w: int, align_corners: bool = False) -> Tensor:
    """As `flow_warp.resize`."""
    if tuple(x_NHW.shape[1:]) == (h, w):
        return x_NHW
    planes = x_NHW.expand_dims(0)
    planes = ops.interpolate(planes, size=(h, w), mode="bilinear", align_corners=align_corners)
    return planes.reshape(-1, h, w)
