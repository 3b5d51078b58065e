"""What other libraries make of a 448x256 frame at a quarter: samples that differ from MATLAB's.

    python benchmarks/imresize_elsewhere.py [PICTURE] [--sheet FILE]

Libraries that are not installed are left out. All start from the same uint8 picture, rounded as
im2uint8 does; ours is the double convention, which equals MATLAB's. ``--sheet`` draws where the
samples differ, 4 times enlarged, black for equal and white for 8 levels or more.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is loaded

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from timing import measure

from vimeo_tools import downscale, im2uint8
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import draw_clip

SIZE = (64, 112)
MAKERS = {}


def maker(name, gradient=False):
    """Adds a function frame -> callable that gives the small frame; None: not installed."""

    def add(function):
        MAKERS[name] = (function, gradient)
        return function

    return add


def to_levels(unit):
    return im2uint8(np.ascontiguousarray(unit, dtype=np.float64))


@maker("Pillow BICUBIC")
def pillow(frame):
    picture = Image.fromarray(frame)
    return lambda: np.asarray(picture.resize(SIZE[::-1], Image.Resampling.BICUBIC))


@maker("OpenCV INTER_CUBIC")
def opencv_cubic(frame):
    import cv2

    cv2.setNumThreads(1)
    return lambda: cv2.resize(frame, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


@maker("OpenCV INTER_AREA")
def opencv_area(frame):
    import cv2

    cv2.setNumThreads(1)
    return lambda: cv2.resize(frame, SIZE[::-1], interpolation=cv2.INTER_AREA)


@maker("scikit-image resize, order 3, anti_aliasing")
def scikit_image(frame):
    from skimage.transform import resize

    unit = frame / 255
    return lambda: to_levels(resize(unit, SIZE, order=3, anti_aliasing=True))


@maker("scipy.ndimage.zoom, order 3, grid_mode")
def scipy_zoom(frame):
    from scipy.ndimage import zoom

    unit = frame / 255
    return lambda: to_levels(zoom(unit, (0.25, 0.25, 1), order=3, grid_mode=True, mode="reflect"))


def torch_interpolate(frame, antialias):
    import torch

    torch.set_num_threads(1)
    x = torch.from_numpy(frame).permute(2, 0, 1)[None] / 255
    f = torch.nn.functional.interpolate
    return lambda: to_levels(f(x, SIZE, mode="bicubic", antialias=antialias)[0].permute(1, 2, 0))


@maker("torch interpolate, bicubic", gradient=True)
def torch_plain(frame):
    return torch_interpolate(frame, antialias=False)


@maker("torch interpolate, bicubic, antialias", gradient=True)
def torch_antialias(frame):
    return torch_interpolate(frame, antialias=True)


@maker("torchvision resize, uint8, bicubic", gradient=False)
def torchvision_uint8(frame):
    import torch
    from torchvision.transforms.v2 import functional as f

    torch.set_num_threads(1)
    x = torch.from_numpy(frame).permute(2, 0, 1)
    kind = f.InterpolationMode.BICUBIC
    return lambda: f.resize(x, list(SIZE), kind, antialias=True).permute(1, 2, 0).numpy()


@maker("jax.image.resize, cubic", gradient=True)
def jax_cubic(frame):
    import jax

    x = jax.numpy.asarray(frame, jax.numpy.float32) / 255
    resize = jax.jit(lambda a: jax.image.resize(a, (*SIZE, 3), "cubic"))
    return lambda: to_levels(resize(x))


@maker("tf.image.resize, bicubic, antialias", gradient=True)
def tensorflow(frame):
    import tensorflow as tf

    x = tf.constant(frame, tf.float32) / 255
    return lambda: to_levels(tf.image.resize(x, SIZE, "bicubic", antialias=True).numpy())


@maker("ResizeRight", gradient=True)
def resize_right(frame):
    from resize_right import resize

    unit = frame / 255
    return lambda: to_levels(resize(unit, scale_factors=0.25))


@maker("bicubic-pytorch", gradient=True)
def bicubic_pytorch(frame):
    import torch
    from bicubic_pytorch import core

    torch.set_num_threads(1)
    x = torch.from_numpy(frame).permute(2, 0, 1)[None].double() / 255
    return lambda: to_levels(core.imresize(x, scale=0.25)[0].permute(1, 2, 0).numpy())


@maker("vimeo_tools.resize.torch", gradient=True)
def ours_torch(frame):
    import torch

    from vimeo_tools.resize.torch import imresize

    torch.set_num_threads(1)
    x = torch.from_numpy(frame).permute(2, 0, 1) / 255
    return lambda: to_levels(imresize(x, 0.25).permute(1, 2, 0))


@maker("vimeo_tools.downscale")
def ours(frame):
    return lambda: downscale(frame, 4)


def draw_sheet(path, errors):
    """A tile for each library: the largest difference over the channels."""
    height, width = SIZE[0] * 4, SIZE[1] * 4
    columns = 3
    rows = -(-len(errors) // columns)
    sheet = Image.new("L", (columns * (width + 8), rows * (height + 24)), 96)
    draw = ImageDraw.Draw(sheet)
    for n, (name, error) in enumerate(errors.items()):
        left, top = n % columns * (width + 8), n // columns * (height + 24)
        tile = Image.fromarray(np.minimum(error.max(axis=2) * 32, 255).astype(np.uint8))
        sheet.paste(tile.resize((width, height), Image.Resampling.NEAREST), (left, top + 18))
        draw.text((left + 4, top + 3), name, fill=255)
    sheet.save(path, optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", nargs="?", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    if options.picture:
        frame = np.asarray(Image.open(options.picture).convert("RGB"))[:256, :448].copy()
    else:
        frame = draw_clip(np.random.default_rng(0), FrameSize(256, 448))[0].copy()
    expected = downscale(frame, 4).astype(int)
    calls = {}
    for name, (make, _) in MAKERS.items():
        try:
            calls[name] = make(frame)
        except ImportError as error:
            print(f"left out, not installed: {name} ({error})")
    seconds = measure(calls, rounds=5, calls=3, clock=time.process_time)
    errors = {name: np.abs(call().astype(int) - expected) for name, call in calls.items()}
    print(f"\n| library | of {expected.size} samples differ | by up to | time | gradient |")
    print("|---|---|---|---|---|")
    for name, error in errors.items():
        ratio = seconds[name] / seconds["Pillow BICUBIC"]
        gradient = "yes" if MAKERS[name][1] else "no"
        print(f"| {name} | {(error > 0).sum():,} | {error.max()} | {ratio:.1f} | {gradient} |")
    if options.sheet:
        draw_sheet(options.sheet, {n: e for n, e in errors.items() if e.any()})


if __name__ == "__main__":
    main()
