"""Y-PSNR and temporal stability of a network on data sets of `make_clips.py`, beside bicubic.

    python measure.py WEIGHTS DATA...

For each data set and each video in it (a video's clips lie in a folder of their own): PSNR on Y of
the centre frames and of all frames, by the protocol of the published figures, and the PSNR of the
differences between neighbouring frames (of Y, all six of a clip), which falls where a video
flickers. Each is the mean over clips of a PSNR.
"""

from __future__ import annotations

import resource
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from rvrt import Restorer
from rvrt.evaluation.metrics import luma
from rvrt.evaluation.protocol import CENTRE
from rvrt.restoration.frames import to_uint8
from rvrt.restoration.network import open_network
from vimeo_tools import imresize, open_sequences

NAMES = ("centre", "all frames", "differences")


def main(weights: Path, roots: list[Path]) -> None:
    """Print one line for each video."""
    network = open_network(weights)
    restorer = Restorer(network.cell)
    count = sum(parameter.size for parameter in network.cell.get_parameters())
    print(f"{weights.name}: {count} parameters, {network.config.title}")
    print(f"{'':24}" + "".join(f"{name + ': ours, bicubic, gain':>36}" for name in NAMES))
    for root in roots:
        source = open_sequences(root / "sequences", None, root / "sep_testlist.txt")
        rows = defaultdict(list)
        for index, key in enumerate(source.keys):
            lq, gt = source[index]
            ours = restorer.restore_mirrored(lq.transpose(0, 2, 3, 1))
            gt_y = [luma(frame.transpose(1, 2, 0)) for frame in gt]
            ours_y = [luma(to_uint8(frame)) for frame in ours]
            cubic_y = [luma(imresize(np.ascontiguousarray(f.transpose(1, 2, 0)), 4)) for f in lq]
            rows[key.split("/")[0]].append([scores(y, gt_y) for y in (ours_y, cubic_y)])
        for folder, clips in rows.items():
            line = ""
            for i in range(len(NAMES)):
                a, b = (fmean(clip[side][i] for clip in clips) for side in (0, 1))
                line += f"{a:20.3f} {b:7.3f} {a - b:+7.3f}"
            print(f"{root.name + ' ' + folder:<14} {len(clips):3} clips {line}", flush=True)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB at the most")


def scores(ours: list[NDArray], gt: list[NDArray]) -> list[float]:
    """PSNR of the centre frame, of all frames and of the differences of neighbours."""
    frames = [decibel(a - b) for a, b in zip(ours, gt, strict=True)]
    steps = [decibel((ours[t + 1] - ours[t]) - (gt[t + 1] - gt[t])) for t in range(len(gt) - 1)]
    return [frames[CENTRE], fmean(frames), fmean(steps)]


def decibel(error: NDArray) -> float:
    """PSNR of an error in 0..255."""
    return float(10 * np.log10(255**2 / np.mean(np.square(error, dtype=float))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
