"""The resize as two products, for the differentiable resizes of `torch`, `mindspore` and `jax`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from vimeo_tools.resize.arguments import Size, check_options, resolve_target
from vimeo_tools.resize.contributions import Border, Float64, Method, Options, contributions

Rounding = Literal["double", "uint8"]
ROUNDINGS: tuple[Rounding, ...] = ("double", "uint8")


class Product(NamedTuple):
    """One axis: ``matrix @ x`` for rows (axis -2), ``x @ matrix.T`` for columns (axis -1)."""

    axis: int
    matrix: Float64


@lru_cache(maxsize=32)
def _matrix(in_length: int, out_length: int, scale: float, options: Options) -> Float64:
    """(out_length, in_length), the border folded in; read-only."""
    plan = contributions(in_length, out_length, scale, *options)
    matrix = np.zeros((out_length, in_length))
    np.add.at(matrix, (np.arange(out_length)[:, None], plan.indices), plan.weights)
    matrix.setflags(write=False)
    return matrix


def plan_products(
    shape: Sequence[int],
    scale_or_size: float | Size | None,
    method: Method,
    antialiasing: bool,
    border: Border,
    rounding: Rounding | None,
) -> list[Product]:
    """The products of a (..., H, W) tensor in MATLAB's order, the smaller scale first.

    Raises:
        TypeError, ValueError: as `vimeo_tools.imresize`; fewer than 2 dimensions, or rounding is
            not None, "double" or "uint8".
    """
    if len(shape) < 2:
        raise ValueError(f"got a tensor of shape {tuple(shape)}, need (..., rows, columns)")
    if rounding is not None and rounding not in ROUNDINGS:
        raise ValueError(f"got rounding {rounding!r}, allowed are None, {', '.join(ROUNDINGS)}")
    rows, columns = (int(n) for n in shape[-2:])
    options = check_options(method, antialiasing, border)
    target = resolve_target((rows, columns), scale_or_size, None)
    products = [
        Product(axis, _matrix(n, m, scale, options))
        for axis, n, m, scale in zip(
            (-2, -1), (rows, columns), target.size, target.scales, strict=True
        )
    ]
    return products if target.scales[0] <= target.scales[1] else products[::-1]
