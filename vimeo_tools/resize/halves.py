"""Exact halves in the double convention fall as MATLAB's own rounding errors make them fall."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vimeo_tools.resize.contributions import BICUBIC, Contributions, contributions

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]
# Settled in groups of this many samples, to bound the memory for flat graphics.
_GROUP = 4096


def settle_halves(frame: Array, rounded: Array, places: Places, scale: float) -> None:
    """Compute the samples of ``rounded`` at ``places`` (flat indices) by the ordered float64 sum.

    ``frame``: (H, W, C) uint8; ``rounded``: (h, w, C), im2uint8(imresize(im2double(frame), scale))
    wherever it is not an exact half.
    """
    rows, columns = (
        contributions(n, m, scale, *BICUBIC)
        for n, m in zip(frame.shape[:2], rounded.shape[:2], strict=True)
    )
    for start in range(0, len(places), _GROUP):
        group = np.unravel_index(places[start : start + _GROUP], rounded.shape)
        rounded[group] = _ordered_samples(frame, group, rows, columns)


def _ordered_samples(
    frame: Array, where: tuple[Places, ...], rows: Contributions, columns: Contributions
) -> npt.NDArray[np.uint8]:
    """The output samples at ``where``, summed on im2double samples in MATLAB's order."""
    i, j, channel = where
    patch = frame[
        rows.indices[i][:, :, None], columns.indices[j][:, None, :], channel[:, None, None]
    ] / np.float64(255)
    column_sums = np.zeros((len(i), patch.shape[2]))
    for tap in range(patch.shape[1]):
        column_sums += rows.weights[i, tap, None] * patch[:, tap]
    total = np.zeros(len(i))
    for tap in range(patch.shape[2]):
        total += columns.weights[j, tap] * column_sums[:, tap]
    levels: npt.NDArray[np.uint8] = (np.clip(total, 0, 1) * 255 + 0.5).astype(np.uint8)
    return levels
