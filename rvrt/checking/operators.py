"""Single operators, each in the dtypes that the networks use it in, against NumPy in float64.

Which ones is read from the networks' graphs (`GRAPH_OPERATORS`); how each is called stands here.
Operators of the backward pass are called by differentiating the one that they belong to, and
compared with differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from rvrt.checking.graph_operators import GRAPH_OPERATORS
from rvrt.checking.lines import Line, tried
from rvrt.models.fused_attention import ALLOWED, largest_difference

_Array = NDArray[Any]
_STEP = 1e-5  # of differences, in float64
_ALLOWED = {"float32": 2e-5, "float16": 2e-2}


@dataclass(frozen=True)
class _Case:
    """An operator on arrays of these shapes, and the same in NumPy."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    run: Callable[..., Tensor]
    expected: Callable[..., _Array]
    other: bool = False  # gives the other of the two dtypes


def _softmax(x: _Array) -> _Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    result: _Array = e / e.sum(-1, keepdims=True)
    return result


def _layer_norm(x: _Array, gamma: _Array, beta: _Array) -> _Array:
    centred = x - x.mean(-1, keepdims=True)
    result: _Array = centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * gamma + beta
    return result


def _convolved(x: _Array, weight: _Array) -> _Array:
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))  # type: ignore[call-overload]
    result: _Array = np.einsum("nihwkl,oikl->nohw", views, weight)
    return result


def _sampled(x: _Array, grid: _Array) -> _Array:
    """Bilinear, aligned corners, zeros outside: (N, C, H, W) at (N, h, w, 2)."""
    n, _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    px = np.clip((grid[..., 0] + 1) / 2 * (width - 1), -1.5, width + 0.5) + 2
    py = np.clip((grid[..., 1] + 1) / 2 * (height - 1), -1.5, height + 0.5) + 2
    left, top = np.floor(px).astype(int), np.floor(py).astype(int)
    fx, fy = px - left, py - top
    frame = np.arange(n)[:, None, None]
    out = np.zeros((*grid.shape[:3], x.shape[1]))
    for dy, wy in ((0, 1 - fy), (1, fy)):
        for dx, wx in ((0, 1 - fx), (1, fx)):
            out += padded[frame, :, top + dy, left + dx] * (wy * wx)[..., None]
    return out.transpose(0, 3, 1, 2)


def _bilinear(x: _Array) -> _Array:
    """8 columns to 15, corners aligned: every second one lies between two."""
    between = np.stack([x[..., :-1], (x[..., :-1] + x[..., 1:]) / 2], -1)
    result: _Array = np.concatenate([between.reshape(*x.shape[:-1], 14), x[..., -1:]], -1)
    return result


def _adam(value: Tensor, gradient: Tensor) -> Tensor:
    """The first step, at a rate of 0.1."""
    weight, *moments = (
        Parameter(Tensor(x), name=name)
        for name, x in (
            ("w", value.asnumpy()),
            ("m", np.zeros(value.shape, np.float32)),
            ("v", np.zeros(value.shape, np.float32)),
        )
    )
    numbers = (Tensor(x, ms.float32) for x in (0.9, 0.99, 0.1, 0.9, 0.99, 0.1))
    ops.Adam()(weight, *moments, *numbers, gradient)
    return weight


def _adam_expected(value: _Array, gradient: _Array) -> _Array:
    rate = 0.1 * math.sqrt(1 - 0.99) / (1 - 0.9)
    result: _Array = value - rate * 0.1 * gradient / (np.sqrt(0.01 * gradient**2) + 0.1)
    return result


def _assigned(x: Tensor) -> Tensor:
    held = Parameter(ops.zeros_like(x), name="held")
    ops.assign(held, x)
    return held


_TABLE = Tensor(np.arange(7, -1, -1), ms.int32)
_FORWARD = (
    _Case("Adam", ((8, 5),) * 2, _adam, _adam_expected),
    _Case("Add", ((8, 5),) * 2, ops.add, np.add),
    _Case("AddN", ((8, 5),) * 3, lambda *x: ops.addn(x), lambda a, b, c: a + b + c),
    _Case("Addcmul", ((8, 5),) * 3, ops.addcmul, lambda a, b, c: a + b * c),
    _Case("Assign", ((8, 5),), _assigned, lambda x: x),
    _Case(
        "AvgPool",
        ((2, 3, 4, 6),),
        lambda x: nn.AvgPool2d(2, 2)(x),
        lambda x: x.reshape(2, 3, 2, 2, 3, 2).mean((3, 5)),
    ),
    _Case(
        "BatchMatMul",
        ((6, 32, 24), (6, 32, 24)),
        ops.BatchMatMul(transpose_b=True),
        lambda a, b: a @ b.transpose(0, 2, 1),
    ),
    _Case(
        "BroadcastTo",
        ((8, 1),),
        lambda x: ops.broadcast_to(x, (8, 5)),
        lambda x: np.broadcast_to(x, (8, 5)),
    ),
    _Case("Cast", ((8, 5),), lambda x: ops.cast(x, _other(x.dtype)), lambda x: x, other=True),
    _Case("Concat", ((3, 4), (5, 4)), lambda a, b: ops.cat((a, b), 0), lambda a, b: np.r_[a, b]),
    _Case(
        "Conv2D",
        ((1, 2, 4, 5), (4, 2, 3, 3)),
        ops.Conv2D(4, 3, pad_mode="pad", pad=1),
        _convolved,
    ),
    _Case("Div", ((8, 5),) * 2, lambda a, b: ops.div(a, b + 3.0), lambda a, b: a / (b + 3)),
    _Case("Erf", ((8, 5),), ops.erf, np.vectorize(math.erf)),
    _Case("Exp", ((8, 5),), ops.exp, np.exp),
    _Case("ExpandDims", ((8, 5),), lambda x: x.expand_dims(1), lambda x: x[:, None]),
    _Case("Gather", ((8, 5),), lambda x: ops.gather(x, _TABLE, 0), lambda x: x[::-1]),
    _Case(
        "GridSampler2D",
        ((1, 2, 4, 5), (1, 3, 2, 2)),
        lambda x, grid: ops.grid_sample(x, grid, "bilinear", "zeros", True),
        _sampled,
    ),
    _Case(
        "LayerNorm",
        ((6, 24), (24,), (24,)),
        lambda x, g, b: ops.LayerNorm(1, 1, 1e-5)(x, g, b)[0],
        _layer_norm,
    ),
    _Case("MatMul", ((64, 24), (48, 24)), ops.MatMul(transpose_b=True), lambda a, b: a @ b.T),
    _Case("Mul", ((8, 5),) * 2, ops.mul, np.multiply),
    _Case("Muls", ((8, 5),), lambda x: x * 0.5, lambda x: x * 0.5),
    _Case("Neg", ((8, 5),), ops.neg, np.negative),
    _Case(
        "PReLU",
        ((2, 3, 4, 4),),
        lambda x: ops.prelu(x, ops.cast(Tensor([0.1], ms.float32), x.dtype)),
        lambda x: np.maximum(x, 0.1 * x),
    ),
    _Case("PowTensorScalar", ((8, 5),), lambda x: ops.pow(x, 2), np.square),
    _Case("ReLU", ((8, 5),), ops.relu, lambda x: np.maximum(x, 0)),
    _Case(
        "RealDiv", ((8, 5),) * 2, lambda a, b: ops.RealDiv()(a, b + 3.0), lambda a, b: a / (b + 3)
    ),
    _Case("ReduceMean", ((8, 5),), lambda x: ops.ReduceMean()(x, 0), lambda x: x.mean(0)),
    _Case("ReverseV2", ((8, 5),), lambda x: ops.flip(x, (0,)), lambda x: x[::-1]),
    _Case("Reshape", ((8, 5),), lambda x: x.reshape(4, 10), lambda x: x.reshape(4, 10)),
    _Case(
        "ResizeBilinearV2",
        ((1, 3, 8, 8),),
        lambda x: ops.interpolate(x, size=(8, 15), mode="bilinear", align_corners=True),
        _bilinear,
    ),
    _Case("Sigmoid", ((8, 5),), ops.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    _Case("Softmax", ((6, 16),), lambda x: ops.softmax(x, -1), _softmax),
    _Case("SplitWithSize", ((8, 5),), lambda x: ops.split(x, [3, 5])[1], lambda x: x[3:]),
    _Case("Sqrt", ((8, 5),), lambda x: ops.sqrt(x + 2.0), lambda x: np.sqrt(x + 2)),
    _Case(
        "Stack", ((8, 5),) * 2, lambda a, b: ops.stack((a, b), 1), lambda a, b: np.stack((a, b), 1)
    ),
    _Case("StridedSlice", ((8, 5),), lambda x: x[2:6, 1:], lambda x: x[2:6, 1:]),
    _Case("Sub", ((8, 5),) * 2, ops.sub, np.subtract),
    _Case("SumExt", ((8, 5),), lambda x: ops.sum(x, 0), lambda x: x.sum(0)),
    _Case("Tile", ((8, 5),), lambda x: ops.tile(x, (1, 3)), lambda x: np.tile(x, (1, 3))),
    _Case(
        "Transpose",
        ((2, 3, 4, 4),),
        lambda x: ops.transpose(x, (0, 2, 3, 1)),
        lambda x: x.transpose(0, 2, 3, 1),
    ),
    _Case("Unstack", ((8, 5),), lambda x: ops.unstack(x)[3], lambda x: x[3]),
)
# Name in the graphs, the operator that it is the gradient of, and by which of its inputs.
_BACKWARD = (
    ("Conv2DBackpropFilter", "Conv2D", 1),
    ("Conv2DBackpropInput", "Conv2D", 0),
    ("GridSampler2DGrad", "GridSampler2D", 1),
    ("LayerNormGrad", "LayerNorm", 0),
    ("PReLUGrad", "PReLU", 0),
    ("ReluGrad", "ReLU", 0),
    ("ResizeBilinearGrad", "ResizeBilinearV2", 0),
    ("SigmoidGrad", "Sigmoid", 0),
    ("SoftmaxBackward", "Softmax", 0),
    ("SqrtGrad", "Sqrt", 0),
    ("StridedSliceGrad", "StridedSlice", 0),
)


def _other(dtype: Any) -> Any:
    return ms.float16 if dtype == ms.float32 else ms.float32


def _weights(shape: tuple[int, ...]) -> _Array:
    """What results are weighted by, for a gradient that differs from place to place."""
    weights: _Array = np.cos(np.arange(math.prod(shape), dtype=np.float64)).reshape(shape)
    return weights


def _gradient(name: str, of: _Case, which: int) -> _Case:
    """The gradient of a weighted sum of results by one of the inputs."""

    def run(*inputs: Tensor) -> Tensor:
        def total(*given: Tensor) -> Tensor:
            out = of.run(*given)
            return (out * Tensor(_weights(out.shape), out.dtype)).sum()

        gradient: Tensor = ms.grad(total, which)(*inputs)
        return gradient

    def expected(*inputs: _Array) -> _Array:
        slopes = np.empty(inputs[which].size)
        for place in range(slopes.size):
            ends = []
            for step in (_STEP, -_STEP):
                moved = [x.copy() for x in inputs]
                moved[which].reshape(-1)[place] += step
                out = of.expected(*moved)
                ends.append((out * _weights(out.shape)).sum())
            slopes[place] = (ends[0] - ends[1]) / (2 * _STEP)
        return slopes.reshape(inputs[which].shape)

    return _Case(name, of.shapes, run, expected)


def _cases() -> dict[str, _Case]:
    """By name; the backward pass last."""
    forward = {case.name: case for case in _FORWARD}
    backward = {name: _gradient(name, forward[of], which) for name, of, which in _BACKWARD}
    return forward | backward


def uncalled() -> set[str]:
    """Operators of the graphs that nothing here calls."""
    return set(GRAPH_OPERATORS) - set(_cases())


def operators() -> Iterator[Line]:
    """A line for each operator of the networks' graphs and dtype that it is given; on Ascend also
    for the fused attention of windows."""
    for name, case in _cases().items():
        for dtype in sorted({row.split()[0] for row in GRAPH_OPERATORS.get(name, ())}):
            yield tried(f"operator {name}", dtype, partial(_ran, case, dtype))
    if ms.get_context("device_target") == "Ascend":
        yield tried("operator FlashAttentionScore", "float16", _fused)


def _fused() -> Line:
    found = largest_difference()
    return Line("operator FlashAttentionScore", "float16", difference=found, allowed=ALLOWED)


def _ran(case: _Case, dtype: str) -> Line:
    what = f"operator {case.name}"
    rng = np.random.RandomState(len(case.name))
    arrays = [rng.uniform(-1, 1, shape).astype(dtype) for shape in case.shapes]
    got = case.run(*map(Tensor, arrays)).asnumpy()
    exact = case.expected(*(array.astype(np.float64) for array in arrays))
    wanted = dtype
    if case.other:
        wanted = "float16" if dtype == "float32" else "float32"
    if got.dtype != wanted:
        return Line(what, dtype, problem=f"gives {got.dtype}")
    allowed = max(_ALLOWED[dtype], _ALLOWED[wanted])
    return Line(what, dtype, difference=float(np.abs(got - exact).max()), allowed=allowed)
