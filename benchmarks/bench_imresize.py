"""imresize of one 448x256 frame to a quarter, on one core, against what people use instead.

    python benchmarks/bench_imresize.py [PICTURE]

torch, ResizeRight and bicubic-pytorch are timed where they are installed. Also counts samples that
differ from ours, which equals MATLAB's.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is loaded

import contextlib
import sys

import numpy as np
from PIL import Image
from timing import measure, show

from vimeo_tools import downscale, im2double, im2uint8, imresize
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import draw_clip


def read_frame():
    if len(sys.argv) > 1:
        return np.asarray(Image.open(sys.argv[1]).convert("RGB"))[:256, :448]
    return draw_clip(np.random.default_rng(0), FrameSize(256, 448))[0]


def peers(frame):
    """Inexact or slow peers by name, each frame -> uint8 frame."""
    found = {}
    with contextlib.suppress(ImportError):
        import torch
        import torch.nn.functional as f

        torch.set_num_threads(1)

        def torch_bicubic():
            x = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
            y = f.interpolate(x, scale_factor=0.25, mode="bicubic", antialias=True)
            return y[0].permute(1, 2, 0).add(0.5).clamp(0, 255).byte().numpy()

        found["torch interpolate, bicubic, antialias"] = torch_bicubic
    with contextlib.suppress(ImportError):
        from resize_right import resize

        found["ResizeRight"] = lambda: im2uint8(resize(im2double(frame), scale_factors=0.25))
    with contextlib.suppress(ImportError):
        from bicubic_pytorch import core

        def bicubic_pytorch():
            x = torch.from_numpy(frame).permute(2, 0, 1)[None].double() / 255
            return im2uint8(core.imresize(x, scale=0.25)[0].permute(1, 2, 0).numpy())

        found["bicubic-pytorch"] = bicubic_pytorch
    return found


def main():
    frame = read_frame().copy()
    picture = Image.fromarray(frame)
    pillow = "Pillow bicubic"
    candidates = {
        pillow: lambda: np.asarray(picture.resize((112, 64), Image.Resampling.BICUBIC)),
        "ours, uint8 convention": lambda: downscale(frame, 4, "uint8"),
        "ours, double convention": lambda: downscale(frame, 4, "double"),
        "ours, general path (double arrays)": lambda: im2uint8(imresize(im2double(frame), 0.25)),
        **peers(frame),
    }
    medians = measure(candidates, rounds=20, calls=10)
    show("448x256x3 uint8 to 112x64, one core", medians, base=pillow, unit=1e-3)
    print("\ndiffering samples, against MATLAB's double convention / uint8 convention:")
    for name, call in candidates.items():
        counts = [int((call() != downscale(frame, 4, c)).sum()) for c in ("double", "uint8")]
        print(f"  {name:<44} {counts[0]:6d} / {counts[1]:6d} of {64 * 112 * 3}")


if __name__ == "__main__":
    main()
