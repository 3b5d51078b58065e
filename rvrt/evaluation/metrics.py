"""PSNR and SSIM of pictures of 0..255: arrays in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d  # type: ignore[import-untyped]

from rvrt.errors import MetricError

Picture = NDArray[Any]  # uint8, or float in 0..255
Values = NDArray[np.float64]

_PEAK = 255.0
_LUMA_WEIGHTS = np.array([65.481, 128.553, 24.966])
_LUMA_OFFSET = 16.0
_SSIM_RADIUS = 5
_SSIM_SIGMA = 1.5
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2


class Scores(NamedTuple):
    """PSNR in dB and SSIM, on Y and on RGB; a value is NaN where the picture held NaN."""

    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    ssim_rgb: float


def luma(rgb: Picture) -> NDArray[np.float64]:
    """Y of ITU-R BT.601 in 16..235, not rounded to whole numbers.

    The authors' evaluation keeps Y / 255 as float32. So does this: float64 all the way would move
    the PSNR by some 1e-7 dB.

    Args:
        rgb: (H, W, 3), uint8 or float in 0..255.

    Returns:
        (H, W) float64.

    Raises:
        MetricError: another shape.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise MetricError(f"a picture of shape {rgb.shape}: Y is taken from (H, W, 3) RGB")
    # The channels one after another: a matrix product could add in another order.
    weighted = [weight * rgb[..., c].astype(np.float64) for c, weight in enumerate(_LUMA_WEIGHTS)]
    y = sum(weighted) / _PEAK + _LUMA_OFFSET
    kept: NDArray[np.float64] = np.asarray(y / _PEAK, np.float32) * np.float32(_PEAK)
    return kept.astype(np.float64)


def psnr(a: Picture, b: Picture) -> float:
    """10 log10(255^2 / MSE) in dB, the MSE over all pixels and channels.

    Args:
        a: any shape, uint8 or float in 0..255.
        b: of the same shape.

    Returns:
        inf for identical pictures, NaN where one holds NaN.

    Raises:
        MetricError: the shapes differ, or there is no pixel.
    """
    _check_shapes(a, b)
    error = float(np.mean(np.square(a.astype(np.float64) - b.astype(np.float64))))
    return math.inf if error == 0 else 20 * math.log10(_PEAK) - 10 * math.log10(error)


def ssim(a: Picture, b: Picture) -> float:
    """Structural similarity as its authors publish it, averaged over channels.

    An 11x11 Gaussian of sigma 1.5, only where it lies wholly inside the picture;
    C1 = (0.01 * 255)^2 and C2 = (0.03 * 255)^2. Source: Wang, Bovik, Sheikh, Simoncelli, "Image
    quality assessment", IEEE Transactions on Image Processing 13 (2004).

    Args:
        a: (H, W) or (H, W, C), uint8 or float in 0..255; H and W at least 11.
        b: of the same shape.

    Returns:
        At most 1; NaN where a picture holds NaN.

    Raises:
        MetricError: the shapes differ, or are not those above.
    """
    _check_shapes(a, b)
    side = 2 * _SSIM_RADIUS + 1
    if a.ndim not in (2, 3) or min(a.shape[:2]) < side:
        raise MetricError(
            f"pictures of shape {a.shape}: SSIM needs (H, W) or (H, W, C) from {side}"
        )
    return _similarity(a, b, _blur_inside)


def ssim_matlab(a: Picture, b: Picture) -> float:
    """Structural similarity as MATLAB's own ``ssim`` gives it, as in RVRT's deblurring tables.

    Unlike `ssim` it measures up to the border, which is repeated outwards, and takes the channels
    of a colour picture for a third dimension, over which the Gaussian goes as well. MATLAB's
    ``psnr`` of the same pictures is `psnr`.

    Args:
        a: (H, W) or (H, W, C), uint8 or float in 0..255.
        b: of the same shape.

    Returns:
        At most 1; NaN where a picture holds NaN.

    Raises:
        MetricError: the shapes differ, or are not those above.
    """
    _check_shapes(a, b)
    if a.ndim not in (2, 3):
        raise MetricError(f"pictures of shape {a.shape}: SSIM needs (H, W) or (H, W, C)")
    return _similarity(a, b, _blur_repeated)


def measure(restored: Picture, gt: Picture) -> Scores:
    """All scores of one picture against the true one.

    Args:
        restored: (H, W, 3) RGB, uint8 or float in 0..255; H and W at least 11.
        gt: of the same shape.

    Raises:
        MetricError: the shapes differ, or are not those above.
    """
    _check_shapes(restored, gt)
    restored_y, gt_y = luma(restored), luma(gt)
    return Scores(
        psnr(restored_y, gt_y), ssim(restored_y, gt_y), psnr(restored, gt), ssim(restored, gt)
    )


# What rvrt-eval measures, by the name in its results; higher or lower is for the reader to know.
# Add your own: METRICS["mine"] = my_metric, of two (H, W, 3) uint8 pictures, restored and true.
Metric = Callable[[Picture, Picture], float]
METRICS: dict[str, Metric] = {
    "psnr_y": lambda restored, gt: psnr(luma(restored), luma(gt)),
    "ssim_y": lambda restored, gt: ssim(luma(restored), luma(gt)),
    "psnr_rgb": psnr,
    "ssim_rgb": ssim,
}
# Measured where a protocol or --metric names them.
MORE_METRICS: dict[str, Metric] = {"ssim_matlab": ssim_matlab}


def measure_all(restored: Picture, gt: Picture) -> dict[str, float]:
    """The score of each of ``METRICS``, by name; as `measure` for those that are always there.

    Raises:
        MetricError: as `measure`.
    """
    _check_shapes(restored, gt)
    return {name: float(metric(restored, gt)) for name, metric in METRICS.items()}


def _check_shapes(a: Picture, b: Picture) -> None:
    if a.shape != b.shape:
        raise MetricError(f"pictures of shapes {a.shape} and {b.shape}: need the same shape")
    if a.size == 0:
        raise MetricError(f"pictures of shape {a.shape} hold no pixel")


def _similarity(a: Picture, b: Picture, blur: Callable[[Values], Values]) -> float:
    x: Values = a.astype(np.float64)
    y: Values = b.astype(np.float64)
    mean_a, mean_b = blur(x), blur(y)
    variances = blur(x * x) - mean_a**2 + blur(y * y) - mean_b**2
    covariance = blur(x * y) - mean_a * mean_b
    similarity = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    similarity /= (mean_a**2 + mean_b**2 + _C1) * (variances + _C2)
    return float(similarity.mean())


def _gaussian() -> Values:
    offsets = np.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1)
    weights: Values = np.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    weights /= weights.sum()
    return weights


def _blur_inside(picture: Values) -> Values:
    """The Gaussian mean around each pixel that is far enough from the border."""
    inside = slice(_SSIM_RADIUS, -_SSIM_RADIUS)
    # The border's padding never reaches the pixels that are kept; rows first, which is less work.
    rows = correlate1d(picture, _gaussian(), axis=0)[inside]
    blurred: Values = correlate1d(rows, _gaussian(), axis=1)[:, inside]
    return blurred


def _blur_repeated(picture: Values) -> Values:
    """The Gaussian mean around each pixel along every axis, the border repeated outwards."""
    for axis in range(picture.ndim):
        picture = correlate1d(picture, _gaussian(), axis=axis, mode="nearest")
    return picture
