"""MATLAB's imresize of PyTorch tensors, differentiable, on the device where they are.

>>> from vimeo_tools.resize.torch import imresize
>>> loss = (imresize(restored, 1 / 4) - lq).abs().mean()

PyTorch is no dependency; this module imports it.
"""

from __future__ import annotations

import torch

from vimeo_tools.resize.arguments import Size
from vimeo_tools.resize.contributions import Border, Method
from vimeo_tools.resize.matrices import Rounding, plan_products


def imresize(
    image: torch.Tensor,
    scale_or_size: float | Size | None = None,
    method: Method = "bicubic",
    *,
    antialiasing: bool = True,
    border: Border = "symmetric",
    rounding: Rounding | None = None,
) -> torch.Tensor:
    """Resize the last two axes; the weights are those of `vimeo_tools.imresize`.

    Args:
        image: (..., H, W), a floating dtype; channels come before the rows.
        scale_or_size, method, antialiasing, border: as for `vimeo_tools.imresize`.
        rounding: None, or a convention of `vimeo_tools.downscale`, for samples in 0..1: "double"
            rounds the result to multiples of 1/255 and clips it to 0..1, "uint8" does so before,
            between and after the axes. The gradient passes as if nothing had been rounded.

    Returns:
        (..., h, w) of the input's dtype and device. float32 within 1e-6 of the float64 result for
        samples in 0..1 on a CPU. Samples that fall on a half to the last bit may be rounded
        otherwise than MATLAB rounds them, except in "uint8" at 1/2 and 1/4.

    Raises:
        TypeError: not a tensor of a floating dtype; further as `vimeo_tools.imresize`.
    """
    if not isinstance(image, torch.Tensor) or not image.is_floating_point():
        got = f"{image.dtype}" if isinstance(image, torch.Tensor) else type(image).__name__
        raise TypeError(f"got {got}, need a torch.Tensor of a floating dtype")
    products = plan_products(image.shape, scale_or_size, method, antialiasing, border, rounding)
    values = _round(image * 255) if rounding == "uint8" else image
    for axis, matrix in products:
        # copied: torch has no read-only arrays
        weights = torch.from_numpy(matrix.copy()).to(image.device, image.dtype)
        values = weights @ values if axis == -2 else values @ weights.T
        if rounding == "uint8":
            values = _round(values)
    if rounding == "double":
        values = _round(values * 255)
    return values if rounding is None else values / 255


def _round(levels: torch.Tensor) -> torch.Tensor:
    """Halves up, clipped to 0..255; the gradient is that of the identity."""
    rounded = (levels + 0.5).floor().clamp(0, 255)
    return levels + (rounded - levels).detach()
