"""Optical flow by a spatial pyramid: Ranjan and Black 2017, as RVRT uses it."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import numpy as np
from mindspore import Tensor, nn, ops

from rvrt.config.network import Execution
from rvrt.models import grids
from rvrt.models.flow_warp import compiled_warp, resize, warp
from rvrt.models.linear import Conv, to_planes, to_rows
from rvrt.models.rows import Reals, as_constant

LEVELS = 6

_MULTIPLE = 2 ** (LEVELS - 1)
_CHANNELS = (8, 32, 64, 32, 16, 2)


def _plan_mean() -> Reals:
    return np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)


def _plan_std() -> Reals:
    return np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)


_mean = as_constant(_plan_mean)
_std = as_constant(_plan_std)


class FlowUpdate(nn.Cell):
    """Five 7x7 convolutions of (reference, warped frame, flow) to a change of flow."""

    def __init__(self, how: Execution) -> None:
        super().__init__()
        last = len(_CHANNELS) - 2
        convs = [
            Conv(i, o, 7, video=False, slope=None if n == last else 0.0, how=how)
            for n, (i, o) in enumerate(pairwise(_CHANNELS))
        ]
        # even numbers: the authors count the ReLUs between
        self.basic_module = nn.SequentialCell(
            OrderedDict((str(2 * n), conv) for n, conv in enumerate(convs))
        )

    def construct(self, x_P8: Tensor, shape_NHW: tuple[int, int, int]) -> Tensor:
        """(P, 8) -> (P, 2)."""
        for conv in self.basic_module:
            x_P8 = conv(x_P8, shape_NHW)
        return x_P8


class SpyNet(nn.Cell):
    """Flow from `ref` to `supp`: supp sampled at (x + u, y + v) looks like ref."""

    def __init__(self, how: Execution = Execution()) -> None:  # noqa: B008  frozen
        super().__init__()
        self.in_float32 = True
        self.warp, self.resize = (grids.warp, grids.resize) if how.native else (warp, resize)
        if how.kernels:
            self.warp = compiled_warp
        self.basic_module = nn.CellList([FlowUpdate(how) for _ in range(LEVELS)])
        self.halve = nn.AvgPool2d(2, 2)

    def construct(self, ref_N3HW: Tensor, supp_N3HW: Tensor) -> Tensor:
        """(N, 3, H, W) in 0..1, twice, H and W at least 33 -> rows (N*H*W, 2) of (u, v)."""
        h, w = ref_N3HW.shape[2:]
        h32, w32 = (-(-side // _MULTIPLE) * _MULTIPLE for side in (h, w))
        ref, supp = self._pyramid(ref_N3HW, h32, w32), self._pyramid(supp_N3HW, h32, w32)
        flow = self._levels(ref, supp)[-1]
        flow = self._resize_planes(flow, h, w, False)
        u, v = flow[:, 0].reshape(-1, 1), flow[:, 1].reshape(-1, 1)
        return ops.cat((u * (w / w32), v * (h / h32)), 1)

    def _pyramid(self, x: Tensor, h: int, w: int) -> list[Tensor]:
        """Normalised frames from the coarsest level to the finest."""
        levels = [(self._resize_planes(x, h, w, False) - _mean()) / _std()]
        for _ in range(LEVELS - 1):
            levels = [self.halve(levels[0]), *levels]
        return levels

    def _resize_planes(self, x_NCHW: Tensor, h: int, w: int, align_corners: bool) -> Tensor:
        n, c, height, width = x_NCHW.shape
        out = self.resize(x_NCHW.reshape(n * c, height, width), h, w, align_corners)
        return out.reshape(n, c, h, w)

    def _levels(self, ref: list[Tensor], supp: list[Tensor]) -> list[Tensor]:
        """Flow (N, 2, h, w) after each level, coarsest first."""
        flows: list[Tensor] = []
        for level in range(LEVELS):
            n, _, h, w = ref[level].shape
            if level == 0:
                flow = ops.zeros((n, 2, h, w), ref[0].dtype)
            else:
                flow = self._resize_planes(flows[-1], h, w, True) * 2.0
            rows = to_rows(flow)
            warped = self.warp(to_rows(supp[level]), rows, (n, h, w), border=True)
            inputs = ops.cat((to_rows(ref[level]), warped, rows), 1)
            rows = rows + self.basic_module[level](inputs, (n, h, w))
            flows = [*flows, to_planes(rows, (n, h, w))]
        return flows
