"""How frames of an unknown maker were sampled: by a Gaussian that gives nearly the same.

A Gaussian stands for any kernel that has one hump: where its middle lies, to a small part of a
pixel, is where the maker's lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float64]
Pairs = Sequence[tuple[Grey, Grey]]

_NARROWEST, _WIDEST = 0.15, 4.0  # sigma, in LQ pixels
_STARTS = 9  # an axis
_STEPS = 30
_ENOUGH = 1e-4
_GOLDEN = (5**0.5 - 1) / 2
_WIDEST_KERNEL = 33
_NEAR_A_HALF = 0.15
_MIDDLE = 8  # LQ pixels along the edges of a piece that are left out


class Shape(NamedTuple):
    """The Gaussian that gives nearly the same.

    Attributes:
        sigma: in GT pixels.
        row, column: the GT pixel that its middle lies on for the first sample.
        residual: root of the mean square of what is left, in levels.
    """

    sigma: float
    row: float
    column: float
    residual: float


class OwnBlur(NamedTuple):
    """A Gaussian of so many taps, as `vimeo_tools.degradations.blur.Blur` without its border."""

    sigma: float
    kernel: int
    phase: int


def estimate(pairs: Pairs, scale: int) -> Shape:
    """Fit sigma and middle to grey GT and LQ pieces: (scale * h, scale * w) and (h, w) float64."""

    def residuals(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        sigma = scale * np.clip(np.exp(values[0]), _NARROWEST, _WIDEST)
        rows, columns = (_gaussian(sigma, middle) for middle in values[1:])
        return _left_over(pairs, scale, rows, columns)

    middles = np.linspace(-scale / 2, 1.5 * scale, _STARTS)
    starts = [np.array([np.log(0.4), row, column]) for row in middles for column in middles]
    best = min(starts, key=lambda values: float(np.square(residuals(values)).sum()))
    best = _least_squares(residuals, best)
    sigma = scale * float(np.clip(np.exp(best[0]), _NARROWEST, _WIDEST))
    return Shape(sigma, float(best[1]), float(best[2]), _rms(residuals(best)))


def own_blurs(pairs: Pairs, scale: int, shape: Shape) -> Iterator[OwnBlur]:
    """Gaussians of whole numbers of taps at whole pixels near a shape, the likeliest first.

    Nothing where its middle lies on no pixel and between no two, the same on both axes.
    """
    twice = round(shape.row + shape.column)  # the middle times two
    off = max(abs(shape.row - twice / 2), abs(shape.column - twice / 2))
    phase, even = divmod(twice, 2)
    if off > _NEAR_A_HALF or not 0 <= phase < scale:
        return
    widest = min(2 * int(np.ceil(4.5 * shape.sigma)) + 1, _WIDEST_KERNEL)
    found = []
    for taps in range(2 - (not even), widest + 1, 2):

        def residual(sigma: float, taps: int = taps) -> float:
            kernel = _tapped(sigma, taps, phase)
            return _rms(_left_over(pairs, scale, kernel, kernel))

        sigma = _smallest(residual, shape.sigma / 2, 3 * shape.sigma)
        found.append((residual(sigma), OwnBlur(sigma, taps, phase)))
    for _, blur in sorted(found)[:3]:
        yield from (blur._replace(sigma=round(blur.sigma, digits)) for digits in (1, 2, 3))


# --- kernels as matrices ------------------------------------------------------------------------

_Kernel = Callable[[Grey], Grey]  # of GT pixels less the scale times the number of the sample


def _gaussian(sigma: float, middle: float) -> _Kernel:
    return lambda offsets: np.exp(-((offsets - middle) ** 2) / (2 * sigma**2))


def _tapped(sigma: float, taps: int, phase: int) -> _Kernel:
    first = phase - (taps - 1) // 2
    inside = _gaussian(sigma, first + (taps - 1) / 2)
    return lambda x: np.where((x >= first) & (x < first + taps), inside(x), 0.0)


def _matrix(kernel: _Kernel, count: int, scale: int) -> Grey:
    """(count, scale * count): rows that add up to 1."""
    offsets = np.arange(scale * count) - scale * np.arange(count)[:, None]
    weights = kernel(offsets.astype(np.float64)) + np.finfo(np.float64).tiny
    matrix: Grey = weights / weights.sum(axis=1, keepdims=True)
    return matrix


def _left_over(
    pairs: Pairs, scale: int, rows: _Kernel, columns: _Kernel
) -> npt.NDArray[np.float64]:
    """LQ less what the kernels give, where no kernel reaches over the edge."""
    left = []
    for gt, lq in pairs:
        vertical, horizontal = (
            _matrix(kernel, count, scale)[_cut(count)]
            for kernel, count in zip((rows, columns), lq.shape, strict=True)
        )
        inside = lq[_cut(lq.shape[0]), _cut(lq.shape[1])]
        left.append((inside - vertical @ gt @ horizontal.T).ravel())
    return np.concatenate(left)


def _cut(count: int) -> slice:
    edge = min(_MIDDLE, count // 4)
    return slice(edge, count - edge)


# --- searching ----------------------------------------------------------------------------------


def _rms(values: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _least_squares(
    residuals: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    values: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Levenberg and Marquardt's way down from a start."""
    damping, now = 1e-2, residuals(values)
    for _ in range(_STEPS):
        slopes = np.stack([(residuals(values + step) - now) / 1e-4 for step in 1e-4 * np.eye(3)])
        square = slopes @ slopes.T
        damped = square + damping * np.diag(np.diag(square) + 1e-9)
        step = np.linalg.solve(damped, -slopes @ now)
        tried = residuals(values + step)
        if tried @ tried < now @ now:
            values, now, damping = values + step, tried, damping / 5
            if np.abs(step).max() < _ENOUGH:
                break
        else:
            damping *= 10
    return values


def _smallest(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one hump is smallest, by golden sections."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > _ENOUGH:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2
