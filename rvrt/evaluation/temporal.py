"""How a restored video moves against the true one: two frames after each other, numbers out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import MetricError
from rvrt.evaluation.metrics import Picture, luma, psnr

# Farneback's flow as TecoGAN's metrics.py calls it: half as large from level to level, 3 levels,
# windows of 15, 3 iterations, polynomials over 5 pixels with sigma 1.2.
_FLOW = (0.5, 3, 15, 3, 5, 1.2, 0)


class Region(NamedTuple):
    """The rows and columns of a frame that count."""

    rows: slice
    columns: slice

    def of(self, picture: NDArray[Any]) -> NDArray[Any]:
        """That part of (H, W) or (H, W, C)."""
        return picture[self.rows, self.columns]


WHOLE = Region(slice(None), slice(None))


class Pair(NamedTuple):
    """A restored frame and the true one, (H, W, 3) uint8 RGB each."""

    restored: Picture
    gt: Picture


def difference_psnr(before: Pair, now: Pair, region: Region = WHOLE) -> float:
    """PSNR between what changes from frame to frame here and in truth, on Y, in dB.

    Flicker lowers it, an error that stays where it is does not:
    ``psnr(Y(restored) - Y(restored before), Y(gt) - Y(gt before))`` with peak 255.

    Raises:
        MetricError: the shapes differ.
    """
    _check(before, now)
    restored, true = (
        luma(region.of(new)) - luma(region.of(old)) for old, new in zip(before, now, strict=True)
    )
    return psnr(restored, true)


def flow_error(before: Pair, now: Pair, region: Region = WHOLE) -> float:
    """tOF: how far the motion is from the true one, in pixels; the lower the better.

    Farneback's optical flow of both, the mean length of their difference. The flow is that of the
    whole frames, the mean that of the region. Source: Chu, Xie, Mayer, Leal-Taixe, Thuerey,
    "Learning temporal coherence via self-supervision", ACM Transactions on Graphics 39 (2020).

    Raises:
        MetricError: OpenCV is not installed, or the shapes differ.
    """
    cv2 = import_opencv()
    _check(before, now)
    flows = []
    for old, new in zip(before, now, strict=True):
        first, second = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (old, new))
        flows.append(cv2.calcOpticalFlowFarneback(first, second, None, *_FLOW))
    distance = region.of(flows[0] - flows[1])
    return float(np.sqrt((distance * distance).sum(axis=-1)).mean())


def import_opencv() -> Any:
    """OpenCV's module.

    Raises:
        MetricError: it is not installed.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise MetricError("tof needs OpenCV: pip install 'vimeo-tools[flow]'") from error
    return cv2


def _check(before: Pair, now: Pair) -> None:
    shapes = {picture.shape for picture in (*before, *now)}
    if len(shapes) > 1:
        raise MetricError(
            f"frames of shapes {' and '.join(map(str, sorted(shapes)))}: need the same shape"
        )


# As METRICS, of two frames after each other; measured where a protocol or --metric names them.
PairMetric = Callable[[Pair, Pair, Region], float]
PAIR_METRICS: dict[str, PairMetric] = {"dpsnr_y": difference_psnr, "tof": flow_error}
