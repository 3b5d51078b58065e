"""Time of imresize against Pillow's bicubic (floats: torch's), on one core, in one run.

    python benchmarks/bench_imresize.py [--backend numpy|compiled] [--quick] [--json FILE]

Times are of the processor in this thread, so other work on the machine counts little. NumPy's own
product library must be left its choice: unset OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE where a
machine sets them. VIMEO_TOOLS_INSTRUCTIONS=avx2 or baseline holds the compiled part, not Pillow, to
older processors. torch, ResizeRight and bicubic-pytorch are timed where they are installed.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is loaded

import argparse
import contextlib
import functools
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from timing import measure as measure_by

from vimeo_tools import downscale, im2double, im2uint8, imresize
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import draw_clip
from vimeo_tools.resize.backends import VARIABLE, describe_backend

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(1)


measure = functools.partial(measure_by, clock=time.thread_time)


class Case(NamedTuple):
    """A row of the table: a picture, what is made of it, and how we make it."""

    name: str
    frame: np.ndarray
    size: tuple[int, int]
    uint8: Callable
    double: Callable


def tile(frame, height, width):
    rows, columns = -(-height // frame.shape[0]), -(-width // frame.shape[1])
    return np.tile(frame, (rows, columns, 1))[:height, :width].copy()


def smaller(name, frame, scale):
    size = tuple(-(-n // scale) for n in frame.shape[:2])
    return Case(
        name, frame, size, lambda: downscale(frame, scale, "uint8"), lambda: downscale(frame, scale)
    )


def resized(name, frame, size):
    def double():
        return im2uint8(imresize(im2double(frame), size))

    return Case(name, frame, size, lambda: imresize(frame, size), double)


def cases(quick):
    vimeo = draw_clip(np.random.default_rng(0), FrameSize(256, 448))[0].copy()
    yield smaller("448x256x3 to 1/4", vimeo, 4)
    yield smaller("447x256x3 to 1/3", vimeo[:, :447].copy(), 3)
    yield resized("448x256x3 to 234x123", vimeo, (123, 234))
    yield resized("448x256x3 to x2", vimeo, (512, 896))
    yield resized("448x256x3 to x4", vimeo, (1024, 1792))
    if not quick:
        yield smaller("1920x1080x3 to 1/2", tile(vimeo, 1080, 1920), 2)
        yield smaller("3840x2160x3 to 1/4", tile(vimeo, 2160, 3840), 4)


def pillow(case):
    picture = Image.fromarray(case.frame)
    return lambda: np.asarray(picture.resize(case.size[::-1], Image.Resampling.BICUBIC))


def torch_bicubic(picture, size):
    """(H, W, C) float -> (h, w, C) float by torch's antialiased bicubic."""

    def resize():
        x = torch.from_numpy(picture).permute(2, 0, 1)[None]
        y = torch.nn.functional.interpolate(x, size, mode="bicubic", antialias=True)
        return y[0].permute(1, 2, 0).contiguous().numpy()

    return resize


def others(frame):
    """What people use for 448x256 to a quarter, each frame -> uint8 frame."""
    found = {}
    if torch:
        quarter = torch_bicubic(frame.astype(np.float32), (64, 112))
        found["torch interpolate, antialias"] = lambda: (quarter() + 0.5).clip(0, 255).astype("u1")
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


def time_integers(chosen):
    print(f"\n{'ratios to Pillow bicubic':<28}{'Pillow':>10}{'uint8':>8}{'double':>8}")
    for case in chosen:
        calls = max(1, 300_000 // case.frame.size)
        candidates = {"pillow": pillow(case), "uint8": case.uint8, "double": case.double}
        seconds = measure(candidates, rounds=9, calls=3 * calls)
        base = seconds["pillow"]
        row = {name: seconds[name] / base for name in ("uint8", "double")}
        print(f"  {case.name:<26}{base * 1e3:7.2f} ms{row['uint8']:8.2f}{row['double']:8.2f}")
        yield case.name, row


def time_floats(chosen):
    print(f"\n{'ratios to torch bicubic':<28}{'torch':>10}{'float32':>8}{'float64':>8}")
    for case in chosen:
        row = {}
        for dtype in ("float32", "float64"):
            picture = (case.frame / 255).astype(dtype)
            seconds = measure(
                {
                    "torch": torch_bicubic(picture, case.size),
                    "ours": lambda p=picture, s=case.size: imresize(p, s),
                },
                rounds=9,
                calls=max(1, 1_000_000 // case.frame.size),
            )
            row[dtype] = seconds["ours"] / seconds["torch"]
        milliseconds = seconds["torch"] * 1e3
        print(f"  {case.name:<26}{milliseconds:7.2f} ms{row['float32']:8.2f}{row['float64']:8.2f}")
        yield case.name, row


def compare_others(case):
    candidates = {"Pillow bicubic": pillow(case), **others(case.frame)}
    candidates |= {"ours, uint8 convention": case.uint8, "ours, double convention": case.double}
    seconds = measure(candidates, rounds=9, calls=3)
    print(f"\n{case.name}: time / Pillow's, samples of {case.double().size} that differ from")
    print(f"  {'':<30}{'time':>8}{'double':>10}{'uint8':>8}")
    for name, call in candidates.items():
        wrong = [int((call() != made).sum()) for made in (case.double(), case.uint8())]
        ratio = seconds[name] / seconds["Pillow bicubic"]
        print(f"  {name:<30}{ratio:8.2f}{wrong[0]:10d}{wrong[1]:8d}")


def processor():
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=["numpy", "compiled"])
    parser.add_argument("--quick", action="store_true", help="leave out 1080p and 4K")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the ratios")
    options = parser.parse_args()
    if options.backend:
        os.environ[VARIABLE] = options.backend
    print(f"resize: {describe_backend()}; NumPy {np.__version__}; {processor()}")
    chosen = list(cases(options.quick))
    results = {"integers": dict(time_integers(chosen))}
    if torch:
        results["floats"] = dict(time_floats(chosen))
    compare_others(chosen[0])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
