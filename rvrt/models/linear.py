"""Linear maps of rows: fully connected layers and convolutions.

Parameters keep the official names and shapes (a video convolution's weight is O, I, 1, kh, kw).
Weights follow the dtype of the rows, so that float16 rows compute in float16.
"""

from __future__ import annotations

import math

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import HeUniform, TruncatedNormal, Uniform, initializer

from rvrt.config.network import Execution
from rvrt.models.kernels import calls, tensors
from rvrt.models.rows import Reals, Shape, as_constant, gather_rows, neighbours, with_zero_row


def linear(x_RI: Tensor, weight_OI: Tensor, bias_O: Tensor) -> Tensor:
    """x W^T + b, in the dtype of x."""
    out = ops.MatMul(transpose_b=True)(x_RI, ops.cast(weight_OI, x_RI.dtype))
    return out + ops.cast(bias_O, x_RI.dtype)


class Linear(nn.Cell):
    """A fully connected layer on rows (R, I) -> (R, O)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = Parameter(initializer(TruncatedNormal(0.02), (outputs, inputs)))
        self.bias = Parameter(initializer("zeros", (outputs,)))

    def construct(self, x_RI: Tensor) -> Tensor:
        """(R, I) -> (R, O)."""
        return linear(x_RI, self.weight, self.bias)

    def by_kernels(self, x_RI: calls.Array, after: calls.After | None = None) -> calls.Array:
        """The layer and what follows it, by the compiled part."""
        weight, bias = tensors.array(self.weight), tensors.array(self.bias)
        return calls.product([x_RI], weight, bias, after=after or calls.After())


class _Correlate(nn.Cell):
    """A stride-1 convolution with zero border: one gather of taps, one matrix product.

    The backward pass is written out: it gathers again instead of remembering the taps, which are K
    times the input, and it gathers where automatic differentiation would scatter.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.taps = kernel[0] * kernel[1]
        self.product = ops.MatMul()
        self.weight_grad = ops.MatMul(transpose_a=True)

    def construct(self, x_RI: Tensor, weight_OIK: Tensor, table: Tensor) -> Tensor:
        """Rows and weight (O, I, K) to rows, by the table of `neighbours`."""
        weight = ops.transpose(weight_OIK, (2, 1, 0)).reshape(-1, self.outputs)
        return self.product(self._unfold(x_RI, table), weight)

    def _unfold(self, x: Tensor, table: Tensor) -> Tensor:
        return gather_rows(with_zero_row(x), table).reshape(x.shape[0], self.taps * x.shape[1])

    def bprop(
        self, x: Tensor, weight: Tensor, table: Tensor, out: Tensor, dout: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of the rows and the weight; the table has none."""
        grad = self.weight_grad(dout, self._unfold(x, table))
        grad = grad.reshape(self.outputs, self.taps, self.inputs)
        # the gradient of a correlation is the correlation with the taps in reverse order
        back = ops.transpose(ops.flip(weight, (2,)), (2, 0, 1)).reshape(-1, self.inputs)
        rows = self.product(self._unfold(dout, table), back)
        return rows, ops.transpose(grad, (0, 2, 1)), ops.zeros_like(table)


class _CompiledCorrelate(nn.Cell):
    """The same by the compiled part, which needs no table and remembers no taps."""

    def construct(self, x_RI: Tensor, weight_OIyx: Tensor, h: int, w: int) -> Tensor:
        """Maps of H x W pixels: rows and weight (O, I, kh, kw) to rows."""
        x, weight = tensors.array(x_RI), tensors.array(weight_OIyx)
        none = np.zeros(len(weight), np.float32)
        return tensors.tensor(calls.product([x], weight, none, (len(x) // (h * w), h, w)))

    def bprop(
        self, x_RI: Tensor, weight_OIyx: Tensor, h: int, w: int, out: Tensor, dout: Tensor
    ) -> tuple[Tensor, Tensor, int, int]:
        """Gradients of the rows and the weight; the sizes have none."""
        x, weight, grad = (tensors.array(a) for a in (x_RI, weight_OIyx, dout))
        rows, taps = calls.convolution_gradients(x, weight, grad, (len(x) // (h * w), h, w))
        return tensors.tensor(rows), tensors.tensor(taps), 0, 0


class ConvWeights(nn.Cell):
    """A stride-1 convolution, zeros beyond the border, odd kernel: see `Conv` and `PlanesConv`.

    `video` gives the weight the official shape (O, I, 1, kh, kw) instead of (O, I, kh, kw).
    `slope` applies a LeakyReLU of that negative slope (0 for ReLU); None applies nothing.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        video: bool = True,
        slope: float | None = None,
        zero: bool = False,
        how: Execution = Execution(),  # noqa: B008  frozen
    ) -> None:
        super().__init__()
        shape = (outputs, inputs, 1, kernel, kernel) if video else (outputs, inputs, kernel, kernel)
        bound = 1 / math.sqrt(inputs * kernel * kernel)
        # Video convolutions keep the variance of their input, so that a fresh network learns at
        # once; the optical flow begins small, as PyTorch's default has it.
        fresh = HeUniform(0 if video else math.sqrt(5))
        self.weight = Parameter(initializer("zeros" if zero else fresh, shape))
        self.bias = Parameter(initializer("zeros" if zero else Uniform(bound), (outputs,)))
        self.inputs, self.outputs, self.slope = inputs, outputs, slope
        self.kernel, self.taps = (kernel, kernel), kernel * kernel
        self.correlate = _Correlate(inputs, outputs, (kernel, kernel))
        self.chunk_floats = how.chunk_mb * 2**18
        self.native, self.kernels = how.native, how.kernels
        self.compiled_correlate = _CompiledCorrelate()
        self.planes = ops.Conv2D(outputs, kernel, pad_mode="pad", pad=kernel // 2)

    def on_planes(self, x_NIHW: Tensor, weight: Tensor) -> Tensor:
        """The target's own convolution, without bias: (N, I, H, W) -> (N, O, H, W)."""
        return self.planes(x_NIHW, weight.reshape(self.outputs, self.inputs, *self.kernel))

    def _activated(self, x: Tensor) -> Tensor:
        return x if self.slope is None else leaky_relu(x, self.slope, self.native)


class Conv(ConvWeights):
    """A convolution of frames kept as rows."""

    def construct(self, x_RI: Tensor, shape_NHW: Shape) -> Tensor:
        """(N*H*W, I) -> (N*H*W, O)."""
        if self.kernels and tensors.wanted():
            return tensors.tensor(self.by_kernels([tensors.array(x_RI)], shape_NHW))
        return self.convolve(x_RI, self.weight, self.bias, shape_NHW)

    def by_kernels(
        self,
        maps: list[calls.Array],
        shape_NHW: Shape,
        norm: tuple[calls.Array, calls.Array, float] | None = None,
    ) -> calls.Array:
        """The layer on maps (R, I) side by side, and what follows it, by the compiled part."""
        weight = tensors.array(self.weight).reshape(self.outputs, self.inputs, *self.kernel)
        kind = calls.NOTHING if self.slope is None else calls.LEAKY
        after = calls.After(kind, self.slope or 0.0, norm)
        return calls.product(maps, weight, tensors.array(self.bias), shape_NHW, after)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor, shape_NHW: Shape) -> Tensor:
        """The layer with another order of weights."""
        weight = ops.cast(weight, x.dtype)
        if self.taps == 1:
            out = ops.MatMul(transpose_b=True)(x, weight.reshape(self.outputs, self.inputs))
        elif self.native:
            out = to_rows(self.on_planes(to_planes(x, shape_NHW), weight))
        elif self.kernels:
            taps = weight.reshape(self.outputs, self.inputs, *self.kernel)
            out = self.compiled_correlate(x, taps, *shape_NHW[1:])
        else:
            out = self._frames(x, weight.reshape(self.outputs, self.inputs, self.taps), shape_NHW)
        return self._activated(out + ops.cast(bias, x.dtype))

    def _frames(self, x: Tensor, weight: Tensor, shape_NHW: Shape) -> Tensor:
        """A few frames at a time, so that the gathered taps stay within the bound."""
        n, h, w = shape_NHW
        step = max(1, self.chunk_floats // (h * w * self.taps * self.inputs))
        if step >= n:
            return self.correlate(x, weight, neighbours(n, h, w, self.kernel))
        out = []
        for start in range(0, n, step):
            stop = min(n, start + step)
            part = x[start * h * w : stop * h * w]
            table = neighbours(stop - start, h, w, self.kernel)
            out.append(self.correlate(part, weight, table))
        return ops.cat(tuple(out), 0)


class PlanesConv(ConvWeights):
    """A native convolution of planes, for a stack of them that never sees rows."""

    def construct(self, x_NIHW: Tensor) -> Tensor:
        """(N, I, H, W) -> (N, O, H, W)."""
        out = self.on_planes(x_NIHW, ops.cast(self.weight, x_NIHW.dtype))
        bias = ops.cast(self.bias, x_NIHW.dtype).reshape(1, -1, 1, 1)
        return self._activated(out + bias)


def to_rows(x_NCHW: Tensor) -> Tensor:
    """Planes (N, C, H, W) to rows (N*H*W, C)."""
    return ops.transpose(x_NCHW, (0, 2, 3, 1)).reshape(-1, x_NCHW.shape[1])


def to_planes(x_PC: Tensor, shape_NHW: Shape) -> Tensor:
    """Rows (N*H*W, C) to planes (N, C, H, W)."""
    return ops.transpose(x_PC.reshape(*shape_NHW, -1), (0, 3, 1, 2))


def _plan_slope(slope: float) -> Reals:
    return np.array([slope], np.float32)


_slope = as_constant(_plan_slope)


def leaky_relu(x: Tensor, slope: float, native: bool = False) -> Tensor:
    """max(x, slope * x), for slopes below 1."""
    if slope == 0:
        return ops.relu(x)
    if native:
        return ops.prelu(x, ops.cast(_slope(slope), x.dtype))
    return ops.maximum(x, x * slope)
