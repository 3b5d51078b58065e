"""What other choices than ours do to LQ pixels and to the PSNR, on frames of your own.

    python benchmarks/what_moves_psnr.py vimeo_septuplet/sequences

Prints, over the centre frames of all septuplets: how many LQ samples differ from MATLAB's double
convention and by how much at most (OpenCV where it is installed), and by how many dB the PSNR of
the bicubic enlargement moves against docs/evaluation.md. No network is needed.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from rvrt.evaluation.metrics import luma, psnr
from vimeo_tools import downscale, imresize

SCALE = 4
FULL_RANGE = np.array([0.299, 0.587, 0.114])


def frame(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def other_lq(gt, size):
    """Name and LQ frame of makers other than the double convention."""
    yield "uint8 convention", downscale(gt[None], SCALE, convention="uint8")[0]
    yield "Pillow BICUBIC", np.asarray(Image.fromarray(gt).resize(size, Image.Resampling.BICUBIC))
    try:
        import cv2
    except ImportError:
        return
    yield "OpenCV INTER_CUBIC", cv2.resize(gt, size, interpolation=cv2.INTER_CUBIC)
    yield "OpenCV INTER_AREA", cv2.resize(gt, size, interpolation=cv2.INTER_AREA)


def other_psnr(lq, gt, bicubic):
    """Name and PSNR of measurements other than the published one."""
    y, gt_y = luma(bicubic), luma(gt)
    yield "Y rounded to whole numbers", psnr(np.round(y), np.round(gt_y))
    for border in (4, 8):
        inside = slice(border, -border), slice(border, -border)
        yield f"border of {border} cropped", psnr(y[inside], gt_y[inside])
    yield "Y of 0..255", psnr(bicubic @ FULL_RANGE, gt @ FULL_RANGE)
    yield "RGB", psnr(bicubic, gt)
    exact = np.clip(imresize(lq / 255.0, SCALE), 0, 1) * 255
    yield "not rounded to 8 bits", psnr(luma(exact), gt_y)


def main(folder):
    samples, moved, base = defaultdict(list), defaultdict(list), []
    for clip in sorted(path.parent for path in Path(folder).glob("*/*/im4.png")):
        frames = np.stack([frame(clip / f"im{number}.png") for number in range(1, 8)])
        lqs = downscale(frames, SCALE, convention="double")
        enlarged = [imresize(lq, SCALE) for lq in lqs]
        each = [psnr(luma(a), luma(b)) for a, b in zip(enlarged, frames, strict=True)]
        base.append(each[3])
        moved["mean over all 7 frames"].append(np.mean(each) - each[3])
        for name, value in other_psnr(lqs[3], frames[3], enlarged[3]):
            moved[name].append(value - each[3])
        for name, lq in other_lq(frames[3], lqs[3].shape[1::-1]):
            differ = np.abs(lq.astype(int) - lqs[3])
            samples[name].append([(differ > 0).mean(), differ.max()])
            value = psnr(luma(imresize(lq, SCALE)), luma(frames[3]))
            moved[f"LQ by {name}"].append(value - each[3])
    print(f"{len(base)} clips, bicubic {np.mean(base):.2f} dB on Y")
    for name, found in samples.items():
        share, most = np.mean(found, 0)[0], np.max(found, 0)[1]
        print(f"{name:28} {share:7.1%} of the LQ samples differ, by {most:.0f} at most")
    for name, found in moved.items():
        print(f"{name:28} {np.mean(found):+.3f} dB ({np.min(found):+.3f} to {np.max(found):+.3f})")
    together = -10 * np.log10(np.mean(10 ** (-np.array(base) / 10))) - np.mean(base)
    print(f"{'mean of squared errors first':28} {together:+.3f} dB")


if __name__ == "__main__":
    main(*sys.argv[1:])
