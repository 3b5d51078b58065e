"""How good a network is on a few clips, while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import mindspore as ms
import numpy as np
from mindspore import nn
from numpy.typing import NDArray

from rvrt.errors import EvaluationError
from rvrt.evaluation.metrics import luma, psnr
from rvrt.evaluation.protocol import CENTRE, Frames, quantise, restore_septuplet
from rvrt.evaluation.sheets import SheetRow, write_sheet


@dataclass(frozen=True)
class ValidationClip:
    """One septuplet to measure on.

    Attributes:
        key: its name.
        lq: (7, 3, h, w) uint8.
        gt: the centre frame, (s*h, s*w, 3) uint8.
        bicubic: the centre LQ frame enlarged, as large as `gt`, uint8.
    """

    key: str
    lq: NDArray[np.uint8]
    gt: NDArray[np.uint8]
    bicubic: NDArray[np.uint8]


@dataclass(frozen=True)
class ValidationResult:
    """Mean PSNR on Y of the centre frames, in dB; NaN where the network gave NaN or infinity."""

    psnr_y: float
    bicubic_psnr_y: float


def validate(
    network: nn.Cell, clips: Sequence[ValidationClip], sheet: Path | None = None
) -> ValidationResult:
    """Measure a network by the protocol of the published figures; it is left as it was.

    Args:
        network: an RVRT or RVRT Light.
        clips: at least one.
        sheet: a PNG to write: bicubic, ours and GT of every clip.

    Raises:
        OutputError: the sheet cannot be written.
    """

    def run(lq: Frames) -> Frames:
        restored: Frames = network(ms.Tensor(lq)).asnumpy()
        return restored

    rows, scores = [], []
    training = network.training
    network.set_train(False)
    try:
        for clip in clips:
            centre = restore_septuplet(run, clip.lq)[CENTRE].transpose(1, 2, 0)
            try:
                ours = quantise(centre)
            except EvaluationError:  # NaN: no picture, and no reason to end the training
                scores.append(float("nan"))
                continue
            scores.append(_psnr_y(ours, clip.gt))
            rows.append(SheetRow(clip.key, clip.bicubic, ours, clip.gt))
    finally:
        network.set_train(training)
    if sheet and rows:
        write_sheet(sheet, rows)
    return ValidationResult(fmean(scores), fmean(_psnr_y(clip.bicubic, clip.gt) for clip in clips))


def _psnr_y(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return psnr(luma(a), luma(b))
