"""Bilinear sampling of rows, warping by optical flow, and resizing as matrix products."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from rvrt.models.kernels import calls, tensors
from rvrt.models.rows import Reals, Shape, Table, as_constant, gather_rows, with_zero_row


def plan_border(n: int, h: int, w: int, groups: int) -> Table:
    """Rows (frame, y, x, group) of frames with a border of one pixel.

    Returns:
        (N*(H+2)*(W+2)*groups,) int32; N*H*W*groups, the zero row, on the border.
    """
    pixel = np.full((n, h + 2, w + 2, 1), -1)
    pixel[:, 1:-1, 1:-1, 0] = np.arange(n * h * w).reshape(n, h, w)
    rows = np.where(pixel < 0, n * h * w * groups, pixel * groups + np.arange(groups))
    return rows.reshape(-1).astype(np.int32)


_border = as_constant(plan_border)


def bordered(x_PC: Tensor, shape_NHW: Shape, groups: int = 1) -> Tensor:
    """Frames (P, groups*C) with a border of zeros, as rows (N*(H+2)*(W+2)*groups, C).

    A sample beyond the frame then needs no test: its four pixels are rows like any others.
    """
    rows = x_PC.reshape(-1, x_PC.shape[1] // groups)
    return gather_rows(with_zero_row(rows), _border(*shape_NHW, groups))


def gather_corners(x_RC: Tensor, first: Tensor, w: int, groups: int = 1) -> Tensor:
    """The four pixels around each sample.

    Args:
        x_RC: frames as `bordered` has them.
        first: (N, S) int32, the row of each sample's upper left pixel.
        w: width of the frames without their border.
        groups: as given to `bordered`.

    Returns:
        (N, 4*S, C): the upper left pixels of all samples, upper right, lower left, lower right.
    """
    below = first + (w + 2) * groups
    rows = ops.cat((first, first + groups, below, below + groups), 1)
    return gather_rows(x_RC, rows)


class _Clamp(nn.Cell):
    """min(max(x, low), high) whose gradient is 0 on the limits too, where samples turn to zeros."""

    def construct(self, x: Tensor, low: float, high: float) -> Tensor:
        """Any shape; float32."""
        return ops.minimum(ops.maximum(x, low), high)

    def bprop(
        self, x: Tensor, low: float, high: float, out: Tensor, dout: Tensor
    ) -> tuple[Tensor, float, float]:
        """Gradient of x; the limits have none."""
        inside = ops.logical_and(ops.greater(x, low), ops.less(x, high))
        return dout * ops.cast(inside, dout.dtype), 0.0, 0.0


_clamp = _Clamp()


def split_position(position: Tensor, length: int, border: bool = False) -> tuple[Tensor, Tensor]:
    """Cell start (-1 .. length-1, whole, without gradient) and fraction of positions along an axis.

    Positions beyond the frame count as zero: they are moved to where both pixels of the cell weigh
    nothing. With `border` they take the value of the edge instead.
    """
    low, high = (0.0, length - 1.0) if border else (-1.0, float(length))
    position = _clamp(position, low, high)
    start = ops.stop_gradient(ops.minimum(ops.floor(position), length - 1.0))
    return start, position - start


def _plan_pixels(n: int, h: int, w: int) -> Reals:
    """Coordinates of every pixel of N frames: (2, P, 1) float32, x then y."""
    y, x = np.mgrid[:h, :w].astype(np.float32)
    pixels: Reals = np.stack([np.tile(x.reshape(-1), n), np.tile(y.reshape(-1), n)])
    return pixels[:, :, None]


def _plan_first_pixel(frames: tuple[int, ...], h: int, w: int) -> Reals:
    """Row of the first pixel of the frame that each pixel reads: (P, 1) float32."""
    first = np.array(frames, np.float32) * (h + 2) * (w + 2) + (w + 3)
    return np.repeat(first, h * w)[:, None]


_pixels = as_constant(_plan_pixels)
_first_pixel = as_constant(_plan_first_pixel)


def sample(
    bordered_RC: Tensor,
    flow_P2: Tensor,
    frames: tuple[int, ...],
    h: int,
    w: int,
    border: bool = False,
) -> Tensor:
    """Read each pixel at its place plus its flow (dx, dy), bilinearly: (P, C).

    `frames` names, for each frame of the flow, which of the `bordered` frames it reads.
    """
    pixels = _pixels(len(frames), h, w)
    x0, fx = split_position(flow_P2[:, 0:1] + pixels[0], w, border)
    y0, fy = split_position(flow_P2[:, 1:2] + pixels[1], h, border)
    first = ops.cast(y0 * (w + 2.0) + x0 + _first_pixel(frames, h, w), ms.int32)
    corners = gather_corners(bordered_RC, first, w)
    gx, gy = 1.0 - fx, 1.0 - fy
    weight = ops.cat((gy * gx, gy * fx, fy * gx, fy * fx), 1).expand_dims(1)
    out = ops.BatchMatMul()(ops.cast(weight, corners.dtype), corners)
    return out.reshape(out.shape[0], out.shape[2])


def warp(x_PC: Tensor, flow_P2: Tensor, shape_NHW: Shape, border: bool = False) -> Tensor:
    """Each frame sampled at (x + flow_x, y + flow_y), in pixels; zeros or the edge outside.

    Equal to grid sampling with aligned corners.
    """
    n, h, w = shape_NHW
    return sample(bordered(x_PC, shape_NHW), flow_P2, tuple(range(n)), h, w, border)


def compiled_warp(x_PC: Tensor, flow_P2: Tensor, shape_NHW: Shape, border: bool = False) -> Tensor:
    """As `warp`, by the compiled part where no gradients are wanted."""
    if not tensors.wanted():
        return warp(x_PC, flow_P2, shape_NHW, border)
    x, flow = tensors.array(x_PC), tensors.array(flow_P2)
    return tensors.tensor(calls.warp(x, flow, range(shape_NHW[0]), shape_NHW, border))


def warp_clip(
    x_PC: Tensor,
    flow_1_P2: Tensor,
    flow_2_P2: Tensor,
    shape_NHW: Shape,
) -> tuple[Tensor, Tensor]:
    """Frames of clips warped by `flow_1`, and by `flow_2` with the two frames of each clip swapped.

    `shape_NHW` is (2*B, H, W).
    """
    n, h, w = shape_NHW
    pixels = bordered(x_PC, shape_NHW)
    same, other = tuple(range(n)), tuple(frame ^ 1 for frame in range(n))
    return sample(pixels, flow_1_P2, same, h, w), sample(pixels, flow_2_P2, other, h, w)


def plan_resize(length: int, target: int, align_corners: bool) -> Reals:
    """Bilinear interpolation along one axis as a matrix (target, length) float32."""
    if align_corners:
        position = np.arange(target) * ((length - 1) / max(target - 1, 1))
    else:
        position = np.maximum((np.arange(target) + 0.5) * (length / target) - 0.5, 0)
    start = np.minimum(position.astype(int), length - 1)
    fraction = position - start
    matrix = np.zeros((target, length))
    np.add.at(matrix, (np.arange(target), start), 1 - fraction)
    np.add.at(matrix, (np.arange(target), np.minimum(start + 1, length - 1)), fraction)
    return matrix.astype(np.float32)


_resize_matrix = as_constant(plan_resize)


def resize(x_NHW: Tensor, h: int, w: int, align_corners: bool = False) -> Tensor:
    """Bilinear resize of planes (N, H, W) to (N, h, w): two matrix products."""
    n, height, width = x_NHW.shape
    rows = x_NHW.reshape(n * height, width)
    x = ops.MatMul(transpose_b=True)(rows, _resize_matrix(width, w, align_corners))
    vertical = _resize_matrix(height, h, align_corners)
    vertical = ops.broadcast_to(vertical.expand_dims(0), (n, h, height))
    return ops.BatchMatMul()(vertical, x.reshape(n, height, w))
