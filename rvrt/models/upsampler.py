"""From features to frames: convolutions and pixel shuffles on rows."""

# Beyond the letters of rows.py: r factor of one shuffle (2)

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from mindspore import Tensor, nn

from rvrt.config.network import Execution
from rvrt.models.kernels import calls, tensors
from rvrt.models.linear import Conv
from rvrt.models.rows import Move, Shape, Table, as_tables


def plan_shuffle_channels(channels: int) -> Table:
    """Channels of a 2x pixel shuffle, officially (c, r1, r2), in the order (r1, r2, c)."""
    order = np.arange(4 * channels).reshape(channels, 2, 2)
    return order.transpose(1, 2, 0).reshape(-1).astype(np.int32)


def plan_shuffle_rows(n: int, h: int, w: int) -> Table:
    """Half rows (n, y, x, r1) in the order (n, y, r1, x): (N*H*2*W,) int32."""
    order = np.arange(n * h * w * 2).reshape(n, h, w, 2)
    return order.transpose(0, 1, 3, 2).reshape(-1).astype(np.int32)


_channels = as_tables(plan_shuffle_channels)
_half_rows = as_tables(plan_shuffle_rows)


class ShuffleConv(Conv):
    """A 3x3 convolution to 4C channels, LeakyReLU, pixel shuffle by 2.

    The weight's rows are put in an order that leaves the shuffle one gather of half rows.
    """

    def __init__(self, dim: int, how: Execution) -> None:
        super().__init__(dim, 4 * dim, 3, slope=0.1, how=how)
        self.dim = dim
        self.move = Move()

    def construct(self, x_RC: Tensor, shape_NHW: Shape) -> Tensor:
        """(N*H*W, C) -> (N*2H*2W, C)."""
        if self.kernels and tensors.wanted():
            return tensors.tensor(self._by_kernels(tensors.array(x_RC), shape_NHW))
        order = _channels(self.outputs, self.dim)
        weight = self.move(self.weight.reshape(self.outputs, -1), *order)
        out = self.convolve(x_RC, weight, self.move(self.bias, *order), shape_NHW)
        halves = out.reshape(-1, 2 * self.dim)
        return self.move(halves, *_half_rows(halves.shape[0], *shape_NHW)).reshape(-1, self.dim)

    def _by_kernels(self, x_RC: calls.Array, shape_NHW: Shape) -> calls.Array:
        order = plan_shuffle_channels(self.dim)
        weight = tensors.array(self.weight).reshape(self.outputs, self.inputs, *self.kernel)
        after = calls.After(calls.LEAKY, self.slope or 0.0, shuffled=True)
        bias = tensors.array(self.bias)[order]
        return calls.product([x_RC], weight[order], bias, shape_NHW, after)


class Upsampler(nn.SequentialCell):
    """Features (N*H*W, C) to (N*sH*sW, C), s a power of two."""

    def __init__(self, dim: int, scale: int, how: Execution) -> None:
        doublings = scale.bit_length() - 1
        layers = [(str(5 * i), ShuffleConv(dim, how)) for i in range(doublings)]
        # fives: the authors count two transposes, the shuffle and the activation
        layers += [(str(5 * doublings), Conv(dim, dim, 3, how=how))]
        super().__init__(OrderedDict(layers))

    def construct(self, x_RC: Tensor, shape_NHW: Shape) -> Tensor:
        """(N*H*W, C) -> (N*sH*sW, C)."""
        n, h, w = shape_NHW
        for layer in self:
            x_RC = layer(x_RC, (n, h, w))
            h, w = 2 * h, 2 * w
        return x_RC
