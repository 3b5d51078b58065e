"""Which way of growing frames to what a network takes looks best at their borders: by flipping to
multiples of its window as rvrt-eval ("authors") and rvrt-restore ("borders") do, or by zeros inside
the network.

    python benchmarks/bench_borders.py WEIGHTS vimeo_septuplet/sequences [CLIPS]

From LQ frames a window of odd sides and an odd number of frames is cut, restored in each way, and
compared with GT, of which there is more beyond the window's borders. Prints the PSNR on Y in dB of
the rows and columns next to the grown sides, of the grown sequence's last frame, and of the middle.
"""

import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from rvrt.evaluation.metrics import luma
from rvrt.restoration.frames import PADDINGS, to_uint8
from rvrt.restoration.network import open_network
from rvrt.restoration.restorer import Cutting, Restorer
from vimeo_tools import downscale
from vimeo_tools.data.pictures import read_picture

BAND = 4  # LQ pixels
FRAMES = 5
SIDES = ((37, 85), (45, 61), (51, 75))  # 5, 5, 3 and 5, 3, 5 pixels beyond multiples of 8


def squared_error(restored, gt):
    return np.square(luma(restored) - luma(gt))


def measured(restorer, lq, gt):
    """Squared errors of one window, by the part that they lie in."""
    scale = restorer.scale
    band = scale * BAND
    errors = {"last rows": [], "last columns": [], "last frame": [], "middle": []}
    for index, picture in restorer.restore(lq):
        error = squared_error(to_uint8(picture), gt[index])
        inside = error[band:-band, band:-band]
        if index == FRAMES - 1:
            errors["last frame"].append(inside.mean())
        else:
            errors["last rows"].append(error[-band:, :-band].mean())
            errors["last columns"].append(error[:-band, -band:].mean())
            errors["middle"].append(inside.mean())
    return {part: np.mean(values) for part, values in errors.items()}


def as_it_is(restorer):
    """Left to the network: an even number of frames, sides as they are."""

    @dataclass(frozen=True)
    class Left(type(restorer.config)):
        multiples = (2, 1, 1)

    restorer.config = Left(**{f.name: getattr(restorer.config, f.name) for f in fields(Left)})
    return restorer


def ways(cell):
    """Name and restorer of each way."""
    for padding in PADDINGS:
        yield padding, Restorer(cell, Cutting(padding=padding))
    yield "zeros", as_it_is(Restorer(cell, Cutting(padding="borders")))


def main(weights, folder, clips):
    network = open_network(Path(weights))
    scale = network.config.upscale
    found = sorted(path.parent for path in Path(folder).glob("*/*/im1.png"))
    chosen = found[:: max(1, len(found) // clips)][:clips]
    errors = {name: [] for name, _ in ways(network.cell)}
    for place, clip in enumerate(chosen):
        gt = np.stack([read_picture(clip / f"im{n}.png") for n in range(1, FRAMES + 1)])
        lq = downscale(gt, scale)
        rows, columns = SIDES[place % len(SIDES)]
        lq = lq[:, 2 : 2 + rows, 3 : 3 + columns]
        part = slice(scale * 2, scale * (2 + rows)), slice(scale * 3, scale * (3 + columns))
        for name, restorer in ways(network.cell):
            errors[name].append(measured(restorer, lq, gt[:, part[0], part[1]]))
    print(f"{len(chosen)} clips, {network.name}")
    for name, values in errors.items():
        psnr = {
            part: np.mean([10 * np.log10(255**2 / max(value[part], 1e-9)) for value in values])
            for part in values[0]
        }
        print(f"{name:8}", ", ".join(f"{part} {value:.4f}" for part, value in psnr.items()))
    for name in PADDINGS:
        pairs = list(zip(errors[name], errors["zeros"], strict=True))
        better = {part: sum(a[part] < b[part] for a, b in pairs) for part in pairs[0][0]}
        print(f"clips in which {name} is better than zeros:", better)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 20)
