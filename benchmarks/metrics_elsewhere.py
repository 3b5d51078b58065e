"""How far the metrics are from public implementations, on one frame and on two after each other.

    python benchmarks/metrics_elsewhere.py

Needs the extra [test]: scikit-image, OpenCV and scipy. Frames are drawn: those of the clips that
`vimeo-prep synthesize` makes, 448x256, and the bicubic enlargement of their bicubic LQ.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import cv2
import numpy as np
import skimage
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from rvrt.evaluation.metrics import luma, psnr, ssim, ssim_matlab
from rvrt.evaluation.temporal import Pair, difference_psnr, flow_error
from vimeo_tools import downscale, imresize
from vimeo_tools.data.pictures import read_picture
from vimeo_tools.preparation.synthetic import synthesize

GAUSSIAN = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
}


def frames() -> list[Pair]:
    """Restored and true frames of two clips, four after each other."""
    with tempfile.TemporaryDirectory() as folder:
        synthesize(Path(folder), 2, test_clips=1, seed=0)
        paths = sorted(Path(folder).glob("sequences/*/*/im*.png"))[:4]
        truth = [read_picture(path) for path in paths]
    return [Pair(imresize(downscale(gt, 4), 4), gt) for gt in truth]


def tecogan(before: Pair, now: Pair) -> float:
    """tOF as TecoGAN's metrics.py has it, written from what it calls."""
    flows = []
    for old, new in zip(before, now, strict=True):
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (old, new)]
        flows.append(cv2.calcOpticalFlowFarneback(*grey, None, 0.5, 3, 15, 3, 5, 1.2, 0))
    difference = np.absolute(flows[1] - flows[0])
    return np.sqrt(np.sum(difference * difference, axis=-1)).mean()


def main() -> None:
    pairs = frames()
    rows: dict[str, list[tuple[float, float]]] = {}

    def note(name: str, ours: float, theirs: float) -> None:
        rows.setdefault(name, []).append((ours, float(theirs)))

    for restored, gt in pairs:
        y = luma(restored), luma(gt)
        theirs = rgb2ycbcr(restored)[..., 0], rgb2ycbcr(gt)[..., 0]
        note("PSNR on RGB, scikit-image", psnr(restored, gt), peak_signal_noise_ratio(gt, restored))
        note("PSNR on RGB, OpenCV", psnr(restored, gt), cv2.PSNR(restored, gt))
        note(
            "PSNR on Y, scikit-image's rgb2ycbcr",
            psnr(*y),
            peak_signal_noise_ratio(*theirs, data_range=255),
        )
        colour = structural_similarity(restored, gt, channel_axis=2, **GAUSSIAN)
        note("SSIM on RGB, scikit-image", ssim(restored, gt), colour)
        note("SSIM on Y, scikit-image", ssim(*y), structural_similarity(*theirs, **GAUSSIAN))
        wide = (np.pad(frame, 5, mode="edge") for frame in (restored, gt))
        note(
            "MATLAB's ssim, scikit-image on extended pictures",
            ssim_matlab(restored, gt),
            structural_similarity(*wide, **GAUSSIAN),
        )
    for before, now in itertools.pairwise(pairs):
        a, b = (luma(new) - luma(old) for old, new in zip(before, now, strict=True))
        theirs = peak_signal_noise_ratio(b, a, data_range=255)
        note("difference PSNR, scikit-image", difference_psnr(before, now), theirs)
        note("tOF, TecoGAN's calls of OpenCV", flow_error(before, now), tecogan(before, now))
    print(f"scikit-image {skimage.__version__}, OpenCV {cv2.__version__}; {len(pairs)} frames")
    for name, values in rows.items():
        largest = max(abs(ours - theirs) for ours, theirs in values)
        print(f"{name:52} {values[0][0]:10.6f}  largest difference {largest:.1e}")


if __name__ == "__main__":
    main()
