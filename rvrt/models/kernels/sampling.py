"""Guided deformable attention by the compiled part, on NumPy arrays; see `calls`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from rvrt.models.kernels.calls import Array, Shape, address_of, product, threads

with contextlib.suppress(ImportError):
    import rvrt.models.kernels._kernels as _kernels


@dataclass(frozen=True)
class Sampling:
    """Sizes of a guided deformable attention: heads, groups of the keys (half of all), taps."""

    heads: int
    groups: int
    window: tuple[int, int]
    max_offset: float


@dataclass(frozen=True)
class Attended:
    """What guided deformable attention reads.

    q_PC, k_PC, v_PC: projected, C twice the embedding's, P = 2*B*H*W. hidden_PI, weight_OI, bias_O:
    what the offsets are read from, and their last layer. flows: to the same frame of the previous
    clip and to the other one, (P, 2) of (dx, dy). shape_BHW: of the clips.
    """

    q_PC: Array
    k_PC: Array
    v_PC: Array
    hidden_PI: Array
    weight_OI: Array
    bias_O: Array
    flows: tuple[Array, Array]
    shape_BHW: Shape


def _samples(of: Attended, how: Sampling) -> Any:
    """An attention as the compiled part takes it."""
    rows, dim = of.q_PC.shape
    batch, h, w = of.shape_BHW
    inputs, outputs = of.hidden_PI.shape[1], 8 * how.groups * how.window[0] * how.window[1]
    if rows != 2 * batch * h * w:
        raise ValueError(f"{rows} rows for {of.shape_BHW}")
    return (
        (
            *(address_of(x, (rows, dim)) for x in (of.q_PC, of.k_PC, of.v_PC)),
            address_of(of.hidden_PI, (rows, inputs)),
            address_of(of.weight_OI, (outputs, inputs)),
            address_of(of.bias_O, (outputs,)),
        ),
        tuple(address_of(flow, (rows, 2)) for flow in of.flows),
        (batch, h, w, dim, how.heads, how.groups, *how.window, inputs),
        how.max_offset,
    )


def samples(of: Attended, how: Sampling) -> tuple[Array, Array, Array]:
    """Guided deformable attention between its projections.

    Returns:
        (P, C), and the flows with their mean offset added.
    """
    outs = tuple(np.empty_like(x) for x in (of.q_PC, *of.flows))
    addresses = tuple(address_of(x, x.shape) for x in outs)
    _kernels.samples(_samples(of, how), addresses, threads())
    return outs[0], outs[1], outs[2]


def samples_gradients(
    of: Attended, how: Sampling, grads: tuple[Array, Array, Array]
) -> tuple[Array, ...]:
    """Gradients of all that `of` holds, in its order, given those of what `samples` returns."""
    rows = len(of.q_PC)
    q, flow_1, flow_2 = (np.empty_like(x) for x in (of.q_PC, *of.flows))
    k, v = np.zeros_like(of.k_PC), np.zeros_like(of.v_PC)
    raw = np.empty((rows, len(of.weight_OI)), np.float32)
    shares, scores = np.empty((2, rows, 2 * how.window[0] * how.window[1] * how.heads), np.float32)
    shapes = (of.q_PC.shape, (rows, 2), (rows, 2))
    _kernels.samples_gradient(
        _samples(of, how),
        tuple(address_of(x, shape) for x, shape in zip(grads, shapes, strict=True)),
        tuple(address_of(x, x.shape) for x in (q, k, v, flow_1, flow_2, raw, shares, scores)),
        threads(),
    )
    hidden = product([raw], np.ascontiguousarray(of.weight_OI.T), np.zeros_like(of.hidden_PI[0]))
    return q, k, v, hidden, raw.T @ of.hidden_PI, raw.sum(0), flow_1, flow_2
