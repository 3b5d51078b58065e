"""How Vimeo90K is measured: septuplets mirrored to 14 frames, folded back, rounded to uint8."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import EvaluationError

Frames = NDArray[np.float32]
# (1, 2T, 3, h, w) float32 in 0..1 -> (1, 2T, 3, scale*h, scale*w) float32.
RunSequence = Callable[[Frames], Frames]

# Index of the frame that the published figures are measured on.
CENTRE = 3


def mirror(frames: NDArray[Any]) -> NDArray[Any]:
    """T frames, then the same backwards: frame i equals frame 2T - 1 - i.

    Args:
        frames: (T, ...) of any dtype.

    Returns:
        (2T, ...).
    """
    return np.concatenate([frames, frames[::-1]])


def fold(restored: Frames) -> Frames:
    """The mean of each frame and its mirror image; the inverse of `mirror` for equal halves.

    Args:
        restored: (2T, ...) float32.

    Returns:
        (T, ...) float32.
    """
    half = len(restored) // 2
    folded: Frames = (restored[:half] + restored[: half - 1 : -1]) / np.float32(2)
    return folded


def centre(restored: Frames) -> Frames:
    """The centre frame of a mirrored septuplet: (out[3] + out[10]) / 2.

    Args:
        restored: (14, ...) float32.

    Returns:
        (...) float32.
    """
    folded: Frames = (restored[CENTRE] + restored[-1 - CENTRE]) / np.float32(2)
    return folded


def quantise(picture: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Float in 0..1 to uint8: clamped, times 255, rounded to nearest (halves to even).

    Raises:
        EvaluationError: the picture holds NaN or infinity, which no uint8 stands for.
    """
    if not np.isfinite(picture).all():
        raise EvaluationError("a restored picture holds NaN or infinity, which no uint8 stands for")
    return np.rint(np.clip(picture, 0, 1) * picture.dtype.type(255)).astype(np.uint8)


def restore_septuplet(run: RunSequence, lq: NDArray[Any]) -> Frames:
    """All frames of a septuplet restored by the protocol: mirrored, run, folded back.

    Args:
        run: the network, (1, 2T, 3, H, W) float32 in 0..1 -> (1, 2T, 3, scale*H, scale*W) float32.
        lq: (T, 3, H, W), uint8 or float32 in 0..1; T is 7 for Vimeo90K.

    Returns:
        (T, 3, scale*H, scale*W) float32, neither clamped nor rounded; frame `CENTRE` of 7 equals
        `centre`'s.
    """
    if lq.dtype == np.uint8:
        lq = lq.astype(np.float32) / np.float32(255)
    return fold(run(mirror(lq)[None])[0])


def _published(name: str, psnr_y: float, ssim_y: float | None) -> dict[str, Any]:
    return {"name": name, "psnr_y": psnr_y, "ssim_y": ssim_y, "protocol": "centre"}


PUBLISHED_VIMEO = [
    _published("RVRT, authors", 38.15, 0.9527),
    _published("RVRT, mindediting", 38.12, None),
    _published("RVRT Light, mindediting", 37.91, None),
    _published("bicubic", 31.32, 0.8684),
]
_VID4 = {"calendar", "city", "foliage", "walk"}
_REDS4 = {"000", "011", "015", "020"}


def published_for(names: Iterable[str]) -> list[dict[str, Any]]:
    """The authors' figures for a set that is known by the names of its sequences."""
    if set(names) == _VID4:
        figures: dict[str, Any] = {"psnr_y": 27.99, "ssim_y": 0.8462}
    elif set(names) == _REDS4:
        figures = {"psnr_y": None, "ssim_y": None, "psnr_rgb": 32.75, "ssim_rgb": 0.9113}
    else:
        return []
    return [{"name": "RVRT, authors", **figures, "protocol": "all"}]
