"""How good a network is on a few clips, while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import RestoreError
from rvrt.evaluation.metrics import luma, psnr
from rvrt.evaluation.sheets import SheetRow, write_sheet
from rvrt.restoration.frames import to_uint8
from rvrt.restoration.restorer import Restorer

if TYPE_CHECKING:
    from mindspore import nn


@dataclass(frozen=True)
class ValidationClip:
    """One sequence to measure on.

    Attributes:
        key: its name.
        lq: (T, 3, h, w) uint8; 7 frames of a septuplet.
        gt: the centre frame, (s*h, s*w, 3) uint8.
        bicubic: the centre LQ frame enlarged, as large as `gt`, uint8.
        mirrored: it is restored mirrored in time, as septuplets are.
    """

    key: str
    lq: NDArray[np.uint8]
    gt: NDArray[np.uint8]
    bicubic: NDArray[np.uint8]
    mirrored: bool = True


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
    restorer = Restorer(network)
    rows, scores = [], []
    training = network.training
    network.set_train(False)
    try:
        for clip in clips:
            centre = _centre(restorer, clip)
            try:
                ours = to_uint8(centre)
            except RestoreError:  # NaN: no picture, and no reason to end the training
                scores.append(float("nan"))
                continue
            scores.append(_psnr_y(ours, clip.gt))
            rows.append(SheetRow(clip.key, clip.bicubic, ours, clip.gt))
    finally:
        network.set_train(training)
    if sheet and rows:
        write_sheet(sheet, rows)
    return ValidationResult(fmean(scores), fmean(_psnr_y(clip.bicubic, clip.gt) for clip in clips))


def _centre(restorer: Restorer, clip: ValidationClip) -> NDArray[np.float32]:
    frames, centre = clip.lq.transpose(0, 2, 3, 1), len(clip.lq) // 2
    picture: NDArray[np.float32]
    if clip.mirrored:
        picture = restorer.restore_mirrored(frames)[centre]
    else:
        ((_, picture),) = restorer.restore(frames, wanted=[centre])
    return picture


def _psnr_y(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return psnr(luma(a), luma(b))
