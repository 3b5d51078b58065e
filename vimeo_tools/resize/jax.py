"""MATLAB's imresize of JAX arrays, differentiable, to be used inside jit as well.

>>> from vimeo_tools.resize.jax import imresize
>>> loss = jnp.abs(imresize(restored, 1 / 4) - lq).mean()

JAX is no dependency; this module imports it.
"""

from __future__ import annotations

import jax
from jax import numpy as jnp

from vimeo_tools.resize.arguments import Size
from vimeo_tools.resize.contributions import Border, Method
from vimeo_tools.resize.matrices import Rounding, plan_products


def imresize(
    image: jax.Array,
    scale_or_size: float | Size | None = None,
    method: Method = "bicubic",
    *,
    antialiasing: bool = True,
    border: Border = "symmetric",
    rounding: Rounding | None = None,
) -> jax.Array:
    """Resize the last two axes; the weights are those of `vimeo_tools.imresize`.

    Args:
        image: (..., H, W), a floating dtype; channels come before the rows.
        scale_or_size, method, antialiasing, border: as for `vimeo_tools.imresize`; no tracers.
        rounding: as in `vimeo_tools.resize.torch.imresize`.

    Returns:
        (..., h, w) of the input's dtype. float32 within 1e-6 of the float64 result for samples in
        0..1 on a CPU.

    Raises:
        TypeError: not a JAX array of a floating dtype; further as `vimeo_tools.imresize`.
    """
    if not isinstance(image, jax.Array) or not jnp.issubdtype(image.dtype, jnp.floating):
        got = f"{image.dtype}" if isinstance(image, jax.Array) else type(image).__name__
        raise TypeError(f"got {got}, need a jax.Array of a floating dtype")
    products = plan_products(image.shape, scale_or_size, method, antialiasing, border, rounding)
    values = _round(image * 255) if rounding == "uint8" else image
    for axis, matrix in products:
        weights = jnp.asarray(matrix if axis == -2 else matrix.T, image.dtype)
        pair = (weights, values) if axis == -2 else (values, weights)
        values = jnp.matmul(*pair, precision=jax.lax.Precision.HIGHEST)
        if rounding == "uint8":
            values = _round(values)
    if rounding == "double":
        values = _round(values * 255)
    return values if rounding is None else values / 255


def _round(levels: jax.Array) -> jax.Array:
    """Halves up, clipped to 0..255; the gradient is that of the identity."""
    rounded = jnp.clip(jnp.floor(levels + 0.5), 0, 255)
    return levels + jax.lax.stop_gradient(rounded - levels)
