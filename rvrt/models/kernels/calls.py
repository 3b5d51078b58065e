"""The compiled part on NumPy arrays: contiguous float32 in, new arrays out.

Letters as in rvrt/models/rows.py.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

with contextlib.suppress(ImportError):  # `backends` says so, and nobody calls anything here
    import rvrt.models.kernels._kernels as _kernels


Array = NDArray[np.float32]
Table = NDArray[np.int32]
Shape = tuple[int, int, int]

# As in _tasks.h.
NOTHING, GELU_ERF, GELU_TANH, LEAKY = range(4)
GELU = {"erf": GELU_ERF, "tanh": GELU_TANH}
MOST_SOURCES = 8


@dataclass(frozen=True)
class After:
    """What follows a product, in this order: activation, LayerNorm, a sum."""

    activation: int = NOTHING
    slope: float = 0.0
    norm: tuple[Array, Array, float] | None = None
    residual: Array | None = None
    shuffled: bool = False


_PLAIN = After()


def threads() -> int:
    """One for each processor that this process may use, and no more than OMP_NUM_THREADS."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(here, int(limit)) if limit.isdecimal() and int(limit) > 0 else here


def address_of(array: NDArray[Any] | None, shape: tuple[int, ...] = (), dtype: str = "f4") -> int:
    """Of an array that must have this shape; 0 for none."""
    if array is None:
        return 0
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(f"an array of {array.shape} {array.dtype}, where {shape} {dtype} is read")
    address: int = array.__array_interface__["data"][0]
    return address


def product(
    sources: Sequence[Array],
    weight: Array,
    bias: Array,
    shape_NHW: Shape | None = None,
    after: After = _PLAIN,
) -> Array:
    """A stride-1 convolution with zero border of maps that lie side by side; or a product of rows.

    Args:
        sources: (R, I) each, as many columns together as the weight has inputs.
        weight: (O, I, kh, kw), odd sides; (O, I) for a product.
        bias: (O,).
        shape_NHW: of the maps, R = N*H*W; None for a product.
        after: what follows.

    Returns:
        (R, O); with `after.shuffled` (4*R, O/4): outputs are pixels (2y, 2x), (2y, 2x+1), ...
    """
    rows, outputs = len(sources[0]), len(weight)
    n, h, w = shape_NHW or (1, 1, rows)
    kh, kw = weight.shape[2:] or (1, 1)
    widths = [x.shape[1] for x in sources]
    if n * h * w != rows or sum(widths) != weight.shape[1] or len(sources) > MOST_SOURCES:
        raise ValueError(f"{len(sources)} maps {shape_NHW} of {widths}, weight {weight.shape}")
    out = np.empty((4 * rows, outputs // 4) if after.shuffled else (rows, outputs), np.float32)
    gamma, beta, epsilon = after.norm or (None, None, 0.0)
    _kernels.product(
        tuple((address_of(x, (rows, x.shape[1])), x.shape[1]) for x in sources),
        (rows, h, w, kh, kw, outputs),
        (address_of(weight, weight.shape), address_of(bias, (outputs,))),
        (address_of(gamma, (outputs,)), address_of(beta, (outputs,)), epsilon),
        (after.activation, after.slope),
        (address_of(after.residual, (rows, outputs)), address_of(out, out.shape), after.shuffled),
        threads(),
    )
    return out


def convolution_gradients(
    x_RI: Array, weight: Array, grad_RO: Array, shape_NHW: Shape
) -> tuple[Array, Array]:
    """Gradients of a convolution's map and weight (O, I, kh, kw), given that of its output."""
    rows, inputs = x_RI.shape
    outputs, _, kh, kw = weight.shape
    # The gradient of a correlation is the correlation with the taps in reverse order.
    back = np.ascontiguousarray(weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))
    x_grad = product([grad_RO], back, np.zeros(inputs, np.float32), shape_NHW)
    out = np.empty((outputs, kh * kw, inputs), np.float32)
    _kernels.weight_gradient(
        (
            address_of(x_RI, (rows, inputs)),
            address_of(grad_RO, (rows, outputs)),
            address_of(out, out.shape),
        ),
        (*shape_NHW, kh, kw, inputs, outputs),
        threads(),
    )
    return x_grad, np.ascontiguousarray(out.transpose(0, 2, 1)).reshape(weight.shape)


@dataclass(frozen=True)
class Windows:
    """Windows of a map as `window_attention.plan_windows` has them, ready to be read.

    tokens_SN, kind_S: int32. plain_M: 1 where a kind is not masked at all. masks_MNN: float32.
    """

    tokens_SN: Table
    kind_S: Table
    plain_M: Table
    masks_MNN: Array


@dataclass(frozen=True)
class LayerWeights:
    """Of a Swin layer, in the order in which they are used; `positions` (h, N, N) or None."""

    arrays: tuple[Array, ...]
    positions: Array | None
    heads: int
    epsilon: float
    gelu: int


def _layer(x_RC: Array, out: Array | None, batch: int, windows: Windows, of: LayerWeights) -> Any:
    """A layer as the compiled part takes it."""
    rows, dim = x_RC.shape
    count, n = windows.tokens_SN.shape
    hidden, kinds = len(of.arrays[9]), len(windows.masks_MNN)
    shapes: list[tuple[int, ...]] = [(dim,), (dim,), (3 * dim, dim), (3 * dim,), (dim, dim), (dim,)]
    shapes += [(dim,), (dim,), (hidden, dim), (hidden,), (dim, hidden), (dim,)]
    return (
        (address_of(x_RC, (rows, dim)), address_of(out, (rows, dim))),
        (batch, rows // batch, count, n, dim, of.heads, hidden),
        (
            address_of(windows.tokens_SN, (count, n), "i4"),
            address_of(windows.kind_S, (count,), "i4"),
            address_of(windows.plain_M, (kinds,), "i4"),
            address_of(windows.masks_MNN, (kinds, n, n)),
            address_of(of.positions, (of.heads, n, n)),
        ),
        tuple(address_of(a, shape) for a, shape in zip(of.arrays, shapes, strict=True)),
        of.epsilon,
        of.gelu,
    )


def layer(x_RC: Array, batch: int, windows: Windows, weights: LayerWeights) -> Array:
    """A Swin layer: (R, C) -> (R, C), of `batch` maps."""
    out = np.empty_like(x_RC)
    _kernels.layer(_layer(x_RC, out, batch, windows, weights), threads())
    return out


def layer_gradients(
    x_RC: Array, batch: int, windows: Windows, weights: LayerWeights, grad_RC: Array
) -> tuple[Array, list[Array], Array | None]:
    """Gradients of a Swin layer's input, of `weights.arrays` and of `weights.positions`."""
    x_grad = np.empty_like(x_RC)
    arrays = [np.empty_like(a) for a in weights.arrays]
    positions = None if weights.positions is None else np.empty_like(weights.positions)
    outs = [*arrays, positions]
    _kernels.layer_gradient(
        _layer(x_RC, None, batch, windows, weights),
        (address_of(grad_RC, x_RC.shape), address_of(x_grad, x_RC.shape)),
        tuple(address_of(a, () if a is None else a.shape) for a in outs),
        threads(),
    )
    return x_grad, arrays, positions


def neighbours(
    q_PC: Array,
    k_PC: Array,
    v_PC: Array,
    shape_BHW: Shape,
    heads: int,
    window: tuple[int, int],
) -> Array:
    """Attention to the neighbourhood in both frames of a clip: (P, C), P = 2*B*H*W."""
    rows, dim = q_PC.shape
    batch, h, w = shape_BHW
    out = np.empty_like(q_PC)
    if rows != 2 * batch * h * w:
        raise ValueError(f"{rows} rows for {shape_BHW}")
    _kernels.neighbours(
        tuple(address_of(x, (rows, dim)) for x in (q_PC, k_PC, v_PC, out)),
        (batch, h, w, dim, heads, *window),
        threads(),
    )
    return out


def warp(
    x_PC: Array, flow_P2: Array, frames: Sequence[int], shape_NHW: Shape, edge: bool = False
) -> Array:
    """Each pixel of N frames read at its place plus its flow, of the frames named: (P, C).

    Beyond the frame there are zeros, or with `edge` its edge.
    """
    rows, channels = x_PC.shape
    n, h, w = shape_NHW
    read = np.array(frames, np.int32)
    if rows != n * h * w or read.min() < 0 or read.max() >= n:
        raise ValueError(f"{rows} rows for {shape_NHW}, frames {frames}")
    out = np.empty((rows, channels), np.float32)
    _kernels.warp(
        (
            address_of(x_PC, (rows, channels)),
            address_of(flow_P2, (rows, 2)),
            address_of(read, (n,), "i4"),
            address_of(out, (rows, channels)),
        ),
        (n, h, w, channels),
        edge,
        threads(),
    )
    return out
