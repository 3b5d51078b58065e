"""One random view of a septuplet: crop, flips, transpose, time reversal, mirror; LQ and GT alike.

Drawn first, then applied: the draw knows no pixels, and applying it is a pure function of arrays.
Spatial functions take (..., H, W, C) and return views, so that only what is handed on is copied.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vimeo_tools.data.png import Box, FrameSize
from vimeo_tools.errors import SettingsError
from vimeo_tools.resize.classes import Array

NUMBERS_DRAWN = 7  # for one augmentation


@dataclass(frozen=True)
class AugmentConfig:
    """What may be drawn; the defaults are those of RVRT's training on Vimeo90K.

    Attributes:
        crop: side of the square crop in LQ pixels; None for whole frames.
        reverse, flip_horizontal, flip_vertical, transpose, mirror: probabilities, 0 to 1; mirror
            appends the frames in reverse order, 7 to 14.
    """

    crop: int | None = 64
    reverse: float = 0.5
    flip_horizontal: float = 0.5
    flip_vertical: float = 0.5
    transpose: float = 0.5
    mirror: float = 1.0

    def __post_init__(self) -> None:
        if self.crop is not None and self.crop < 1:
            raise SettingsError(f"crop {self.crop}: need at least 1 LQ pixel, or None")
        for name in (field.name for field in fields(self) if field.name != "crop"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} {getattr(self, name)}: a probability is from 0 to 1")

    def check_fits(self, lq_size: FrameSize) -> None:
        """Raise a SettingsError if the crop is larger than the frames."""
        if self.crop is not None and self.crop > min(lq_size.height, lq_size.width):
            raise SettingsError(
                f"crop {self.crop} of LQ frames of {lq_size}: need at most "
                f"{min(lq_size.height, lq_size.width)}"
            )


class Augmentation(NamedTuple):
    """What was drawn for one sample; as it stands it changes nothing.

    Attributes:
        top, left: of the crop, in LQ pixels.
        side: of the crop; None for the whole frame.
        reverse, flip_horizontal, flip_vertical, transpose, mirror: whether to.
    """

    top: int = 0
    left: int = 0
    side: int | None = None
    reverse: bool = False
    flip_horizontal: bool = False
    flip_vertical: bool = False
    transpose: bool = False
    mirror: bool = False


def draw(config: AugmentConfig, lq_size: FrameSize, rng: np.random.Generator) -> Augmentation:
    """Draw one augmentation for LQ frames of ``lq_size``.

    Always takes the same count of numbers from ``rng``: changing one probability leaves the rest
    of the draw as it was.

    Raises:
        SettingsError: the crop is larger than the frames.
    """
    return augmentation_of(config, lq_size, rng.random(NUMBERS_DRAWN))


def augmentation_of(
    config: AugmentConfig, lq_size: FrameSize, numbers: npt.NDArray[np.float64]
) -> Augmentation:
    """What ``NUMBERS_DRAWN`` random numbers from 0 to 1 mean; see `draw`."""
    config.check_fits(lq_size)
    side = config.crop
    rows = lq_size.height - side + 1 if side else 1
    columns = lq_size.width - side + 1 if side else 1
    return Augmentation(
        int(numbers[0] * rows),
        int(numbers[1] * columns),
        side,
        bool(numbers[2] < config.reverse),
        bool(numbers[3] < config.flip_horizontal),
        bool(numbers[4] < config.flip_vertical),
        bool(numbers[5] < config.transpose),
        bool(numbers[6] < config.mirror),
    )


def crop_box(
    augmentation: Augmentation, lq_size: FrameSize, margin: int = 0
) -> tuple[Box, Augmentation]:
    """The part of LQ frames that a crop needs, and the augmentation to apply to that part.

    Args:
        augmentation: drawn for whole LQ frames.
        lq_size: of the frames.
        margin: pixels wanted around the crop, as far as the frame has them.
    """
    side = augmentation.side
    if side is None:
        return Box(0, 0, lq_size.height, lq_size.width), augmentation
    top, left = max(augmentation.top - margin, 0), max(augmentation.left - margin, 0)
    bottom = min(augmentation.top + side + margin, lq_size.height)
    right = min(augmentation.left + side + margin, lq_size.width)
    inside = augmentation._replace(top=augmentation.top - top, left=augmentation.left - left)
    return Box(top, left, bottom - top, right - left), inside


def turn(frames: Array, augmentation: Augmentation, scale: int = 1) -> Array:
    """Crop, then flip, then transpose; in space only.

    Args:
        frames: (..., H, W, C).
        augmentation: drawn for LQ.
        scale: how many times larger than LQ the frames are.

    Returns:
        A view of (..., h, w, C).
    """
    top, left = scale * augmentation.top, scale * augmentation.left
    rows, columns = slice(None), slice(None)
    if augmentation.side is not None:
        side = scale * augmentation.side
        rows, columns = slice(top, top + side), slice(left, left + side)
    view = frames[..., rows, columns, :]
    if augmentation.flip_horizontal:
        view = view[..., :, ::-1, :]
    if augmentation.flip_vertical:
        view = view[..., ::-1, :, :]
    return view.swapaxes(-3, -2) if augmentation.transpose else view


def turned_size(size: FrameSize, augmentation: Augmentation, scale: int = 1) -> FrameSize:
    """The size of what `turn` makes of frames of ``size``."""
    if augmentation.side is not None:
        return FrameSize(scale * augmentation.side, scale * augmentation.side)
    return FrameSize(size.width, size.height) if augmentation.transpose else size


def mirror(frames: Array, axis: int = 0) -> Array:
    """The frames and then the same in reverse order, along the axis of time: 7 become 14.

    Frame ``i`` equals frame ``13 - i``.
    """
    return np.concatenate([frames, np.flip(frames, axis)], axis)


def augment(
    lq: Array, gt: Array, config: AugmentConfig, rng: np.random.Generator, scale: int = 4
) -> tuple[Array, Array]:
    """One random view of a whole clip, the same of LQ and GT.

    Args:
        lq: (T, h, w, C).
        gt: (T, scale * h, scale * w, C).
        config: what may be drawn.
        rng: what it is drawn from.
        scale: how many times larger GT is.

    Returns:
        LQ and GT of T or, mirrored, 2 * T frames; views where nothing was mirrored.

    Raises:
        SettingsError: the crop is larger than the frames.
    """
    augmentation = draw(config, FrameSize(*lq.shape[1:3]), rng)
    lq, gt = turn(lq, augmentation), turn(gt, augmentation, scale)
    if augmentation.reverse:
        lq, gt = lq[::-1], gt[::-1]
    return (mirror(lq), mirror(gt)) if augmentation.mirror else (lq, gt)
