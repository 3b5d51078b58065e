"""Blur-down and detection: BD of a frame against scipy's Gaussian, in turn in one run.

    python benchmarks/bench_blur.py [--rounds N]

scipy.ndimage filters all pixels with the same kernel, axis by axis, in float64 and in float32;
ours computes the samples that are kept. Then how long the detective takes for its eight frames.
"""

import argparse
import time

import numpy as np
from scipy import ndimage
from timing import measure, show

from vimeo_tools import DEGRADATIONS, degrade, detect_degradation, downscale
from vimeo_tools.degradations.blur import gaussian

HEIGHT, WIDTH = 256, 448
CLOCK = time.process_time
FRAMES = 8


def frames(count):
    rng = np.random.default_rng(0)
    y, x = np.indices((HEIGHT, WIDTH))[..., None]
    waves = 120 + 60 * np.sin(0.07 * y + 0.11 * x + np.arange(3)) + 30 * np.sin(0.6 * x - 0.5 * y)
    return [
        np.clip(waves + rng.normal(0, 9, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
        for _ in range(count)
    ]


def scipy_blur(frame, scale, dtype):
    blur = DEGRADATIONS["bd"].blur(scale)
    kernel = gaussian(blur.sigma, blur.kernel)
    rows = ndimage.correlate1d(frame.astype(dtype), kernel, 0, mode="nearest")
    return ndimage.correlate1d(rows, kernel, 1, mode="nearest")


def bench_scale(frame, scale, rounds):
    calls = {
        "scipy, all pixels, float64": lambda: scipy_blur(frame, scale, np.float64),
        "scipy, all pixels, float32": lambda: scipy_blur(frame, scale, np.float32),
        "bd": lambda: degrade(frame, "bd", scale),
        "bd, ties counted": lambda: DEGRADATIONS["bd"].make(frame, scale),
    }
    base = "scipy, all pixels, float64"
    show(f"BD x{scale} of {WIDTH}x{HEIGHT}", measure(calls, rounds, clock=CLOCK), base, 1e-3)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    frame, *more = frames(1 + FRAMES)
    for scale in (4, 3, 2):
        bench_scale(frame[: HEIGHT // scale * scale, : WIDTH // scale * scale], scale, rounds)
    stack = np.stack(more)
    pairs = {"a known maker": degrade(stack, "bd-duf"), "an unknown one": downscale(stack) ^ 1}
    calls = {name: lambda lq=lq: detect_degradation(more, lq) for name, lq in pairs.items()}
    title = f"the detective, {FRAMES} frames of {WIDTH}x{HEIGHT}"
    show(title, measure(calls, max(rounds // 7, 1), clock=CLOCK), base="a known maker")


if __name__ == "__main__":
    main()
