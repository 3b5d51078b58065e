"""Single operators, each in the dtypes that the networks use it in, against NumPy in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from numpy.typing import NDArray

from rvrt.checking.lines import Line, tried

_Array = NDArray[Any]
_BOTH = ("float32", "float16")
_ALLOWED = {"float32": 2e-5, "float16": 2e-2}


@dataclass(frozen=True)
class _Case:
    """An operator on arrays of these shapes, and the same in NumPy."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    run: Callable[..., Tensor]
    expected: Callable[..., _Array]
    dtypes: tuple[str, ...] = _BOTH


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


_CASES = (
    _Case("MatMul", ((64, 24), (48, 24)), ops.MatMul(transpose_b=True), lambda a, b: a @ b.T),
    _Case(
        "BatchMatMul",
        ((6, 32, 24), (6, 32, 24)),
        ops.BatchMatMul(transpose_b=True),
        lambda a, b: a @ b.transpose(0, 2, 1),
    ),
    _Case(
        "Conv2D",
        ((2, 8, 9, 11), (4, 8, 3, 3)),
        ops.Conv2D(4, 3, pad_mode="pad", pad=1),
        _convolved,
    ),
    _Case("Softmax", ((6, 32),), lambda x: ops.softmax(x, -1), _softmax),
    _Case(
        "LayerNorm",
        ((40, 24), (24,), (24,)),
        lambda x, g, b: ops.LayerNorm(1, 1, 1e-5)(x, g, b)[0],
        _layer_norm,
    ),
    _Case(
        "GridSampler2D",
        ((2, 4, 9, 11), (2, 5, 6, 2)),
        lambda x, grid: ops.grid_sample(x, grid, "bilinear", "zeros", True),
        _sampled,
        ("float32",),
    ),
    _Case(
        "ResizeBilinear",
        ((1, 3, 8, 8),),
        lambda x: ops.interpolate(x, size=(8, 15), mode="bilinear", align_corners=True),
        lambda x: np.stack([x[..., 0::1], (x + np.roll(x, -1, -1)) / 2], -1).reshape(1, 3, 8, 16)[
            ..., :15
        ],
        ("float32",),
    ),
    _Case(
        "Gather",
        ((8, 5),),
        lambda x: ops.gather(x, Tensor(np.arange(7, -1, -1), ms.int32), 0),
        lambda x: x[::-1],
    ),
    _Case("Addcmul", ((8, 5),) * 3, ops.addcmul, lambda a, b, c: a + b * c),
    _Case("Erf", ((8, 5),), ops.erf, np.vectorize(math.erf)),
    _Case("Sigmoid", ((8, 5),), ops.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    _Case("ReduceSum", ((8, 5),), lambda x: x.sum(0), lambda x: x.sum(0)),
    _Case(
        "PReLU",
        ((2, 3, 4, 4),),
        lambda x: ops.prelu(x, ops.cast(Tensor([0.1], ms.float32), x.dtype)),
        lambda x: np.maximum(x, 0.1 * x),
    ),
    _Case(
        "Transpose",
        ((2, 3, 4, 4),),
        lambda x: ops.transpose(x, (0, 2, 3, 1)),
        lambda x: x.transpose(0, 2, 3, 1),
    ),
    _Case("Concat", ((3, 4), (5, 4)), lambda a, b: ops.cat((a, b), 0), lambda a, b: np.r_[a, b]),
)


def operators() -> Iterator[Line]:
    """A line for each operator and dtype."""
    for case in _CASES:
        for dtype in case.dtypes:
            yield tried(f"operator {case.name}", dtype, partial(_ran, case, dtype))


def _ran(case: _Case, dtype: str) -> Line:
    rng = np.random.RandomState(len(case.name))
    arrays = [rng.uniform(-1, 1, shape).astype(dtype) for shape in case.shapes]
    got = case.run(*map(Tensor, arrays)).asnumpy()
    exact = case.expected(*(array.astype(np.float64) for array in arrays))
    if got.dtype != dtype:
        return Line(f"operator {case.name}", dtype, problem=f"gives {got.dtype}")
    largest = float(np.abs(got - exact).max())
    return Line(f"operator {case.name}", dtype, difference=largest, allowed=_ALLOWED[dtype])
