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


def _address(array: NDArray[Any] | None, shape: tuple[int, ...] = (), dtype: str = "f4") -> int:
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
        tuple((_address(x, (rows, x.shape[1])), x.shape[1]) for x in sources),
        (rows, h, w, kh, kw, outputs),
        (_address(weight, weight.shape), _address(bias, (outputs,))),
        (_address(gamma, (outputs,)), _address(beta, (outputs,)), epsilon),
        (after.activation, after.slope),
        (_address(after.residual, (rows, outputs)), _address(out, out.shape), after.shuffled),
        threads(),
    )
    return out


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


def layer(x_RC: Array, batch: int, windows: Windows, weights: LayerWeights) -> Array:
    """A Swin layer: (R, C) -> (R, C), of `batch` maps."""
    rows, dim = x_RC.shape
    count, n = windows.tokens_SN.shape
    hidden = len(weights.arrays[9])
    shapes: list[tuple[int, ...]] = [(dim,), (dim,), (3 * dim, dim), (3 * dim,), (dim, dim), (dim,)]
    shapes += [(dim,), (dim,), (hidden, dim), (hidden,), (dim, hidden), (dim,)]
    out = np.empty_like(x_RC)
    _kernels.layer(
        (_address(x_RC, (rows, dim)), _address(out, (rows, dim))),
        (batch, rows // batch, count, n, dim, weights.heads, hidden),
        (
            _address(windows.tokens_SN, (count, n), "i4"),
            _address(windows.kind_S, (count,), "i4"),
            _address(windows.plain_M, (len(windows.masks_MNN),), "i4"),
            _address(windows.masks_MNN, (len(windows.masks_MNN), n, n)),
            _address(weights.positions, (weights.heads, n, n)),
        ),
        tuple(_address(a, shape) for a, shape in zip(weights.arrays, shapes, strict=True)),
        weights.epsilon,
        weights.gelu,
        threads(),
    )
    return out


@dataclass(frozen=True)
class Sampling:
    """Sizes of a guided deformable attention: heads, groups of the keys (half of all), taps."""

    heads: int
    groups: int
    window: tuple[int, int]
    max_offset: float


def samples(
    q_PC: Array,
    k_PC: Array,
    v_PC: Array,
    offsets: tuple[Array, Array, Array],
    flows: tuple[Array, Array],
    shape_BHW: Shape,
    how: Sampling,
) -> tuple[Array, tuple[Array, Array]]:
    """Guided deformable attention between its projections.

    Args:
        q_PC, k_PC, v_PC: projected, C twice the embedding's, P = 2*B*H*W.
        offsets: what they are read from (P, I), and weight (O, I) and bias (O,) of the last layer.
        flows: to the same frame of the previous clip and to the other one, (P, 2) of (dx, dy).

    Returns:
        (P, C), and the flows with their mean offset added.
    """
    rows, dim = q_PC.shape
    batch, h, w = shape_BHW
    hidden, weight, bias = offsets
    outputs = 8 * how.groups * how.window[0] * how.window[1]
    out = np.empty_like(q_PC)
    improved = np.empty_like(flows[0]), np.empty_like(flows[1])
    addresses = (_address(improved[0], (rows, 2)), _address(improved[1], (rows, 2)))
    if rows != 2 * batch * h * w:
        raise ValueError(f"{rows} rows for {shape_BHW}")
    _kernels.samples(
        (
            *(_address(x, (rows, dim)) for x in (q_PC, k_PC, v_PC)),
            _address(hidden, (rows, hidden.shape[1])),
            _address(weight, (outputs, hidden.shape[1])),
            _address(bias, (outputs,)),
        ),
        (_address(flows[0], (rows, 2)), _address(flows[1], (rows, 2))),
        (_address(out, (rows, dim)), *addresses),
        (batch, h, w, dim, how.heads, how.groups, *how.window, hidden.shape[1]),
        how.max_offset,
        threads(),
    )
    return out, improved


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
        tuple(_address(x, (rows, dim)) for x in (q_PC, k_PC, v_PC, out)),
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
            _address(x_PC, (rows, channels)),
            _address(flow_P2, (rows, 2)),
            _address(read, (n,), "i4"),
            _address(out, (rows, channels)),
        ),
        (n, h, w, channels),
        edge,
        threads(),
    )
    return out
