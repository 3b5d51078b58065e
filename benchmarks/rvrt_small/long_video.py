"""Does a network hold on a long stretch of video, seen at once and not mirrored, as restored?

    python long_video.py WEIGHTS VIDEO WIDTHxHEIGHT FRAMES

Prints PSNR on Y of ours and of bicubic for each sixth of the frames, and of the differences between
neighbouring frames.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from rvrt import Restorer
from rvrt.evaluation.metrics import luma
from rvrt.restoration.frames import to_uint8
from rvrt.restoration.network import open_network
from vimeo_tools import CutSettings, downscale, imresize
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.video import septuplets_of


def decibel(error):
    """PSNR of an error in 0..255."""
    return float(10 * np.log10(255**2 / np.mean(np.square(error, dtype=float))))


def main(weights: Path, video: Path, size: FrameSize, count: int) -> None:
    """Print a line for each part."""
    restorer = Restorer(open_network(weights).cell)
    clips = septuplets_of(video, CutSettings(size=size, scene_threshold=1))
    gt = np.stack([frame for clip in clips for frame in clip][:count])
    lq = downscale(gt, 4, convention="double")
    y_gt = [luma(frame) for frame in gt]
    for name, frames in (
        ("ours", [to_uint8(picture) for _, picture in restorer.restore(lq)]),
        ("bicubic", [imresize(frame, 4) for frame in lq]),
    ):
        y = [luma(frame) for frame in frames]
        values = [decibel(a - b) for a, b in zip(y, y_gt, strict=True)]
        parts = [round(float(np.mean(part)), 2) for part in np.array_split(values, 6)]
        steps = [decibel((y[t + 1] - y[t]) - (y_gt[t + 1] - y_gt[t])) for t in range(len(y) - 1)]
        print(
            f"{name:8} mean {np.mean(values):.3f} by sixths {parts}, "
            f"differences {np.mean(steps):.3f}"
        )


if __name__ == "__main__":
    width, height = map(int, sys.argv[3].split("x"))
    main(Path(sys.argv[1]), Path(sys.argv[2]), FrameSize(height, width), int(sys.argv[4]))
