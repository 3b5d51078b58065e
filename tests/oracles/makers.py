"""LQ frames made by the very programs that the detective is to recognise.

python -m tests.oracles.makers      # the table of docs/degradations.md
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.oracles.blur_down_oracle import fspecial
from vimeo_tools import detect_degradation, downscale, imresize

SCALE = 4
EXPECTED = Path(__file__).parents[1] / "expected" / "torch.npz"


class Maker(NamedTuple):
    """What made frames, how, and by which name the detective must know it."""

    made_with: str
    make: Callable[[np.ndarray], np.ndarray]
    name: str
    channels: str = "RGB"
    cropped: bool = False


def textured(seed: int, height: int = 64, width: int = 96) -> np.ndarray:
    """(height, width, 3) uint8: waves, edges, flat parts and noise."""
    rng = np.random.RandomState(seed)  # whose numbers no release of NumPy changes
    y, x = np.indices((height, width))[..., None]
    frame = 110 + rng.normal(0, 6, (height, width, 3)) + 20 * np.arange(3)
    for _ in range(5):
        fy, fx, phase = rng.uniform(0.05, 0.9, (3, 3))
        frame += 22 * np.sin(fy * y + fx * x + 6 * phase)
    for _ in range(6):
        top, left = rng.randint(0, height - 8), rng.randint(0, width - 8)
        frame[top : top + 17, left : left + 13] = rng.randint(0, 256, 3)
    steps = np.where((x + y) % 7, 130, 131)
    frame[: height // 3, : width // 5] = steps[: height // 3, : width // 5]
    return np.clip(np.rint(frame), 0, 255).astype(np.uint8)


# --- by which program ---------------------------------------------------------------------------


def pillow(filter_name):
    def make(frame):
        from PIL import Image

        size = frame.shape[1] // SCALE, frame.shape[0] // SCALE
        return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling[filter_name]))

    return make


def opencv(flag):
    def make(frame):
        import cv2

        size = frame.shape[1] // SCALE, frame.shape[0] // SCALE
        return cv2.resize(frame, size, interpolation=getattr(cv2, flag))

    return make


def torch(mode, antialias=False):
    def make(frame):
        from torch import from_numpy
        from torch.nn.functional import interpolate

        size = [length // SCALE for length in frame.shape[:2]]
        corners = {} if mode == "area" else {"align_corners": False, "antialias": antialias}
        pixels = from_numpy(frame).permute(2, 0, 1)[None].float() / 255
        small = interpolate(pixels, size=size, mode=mode, **corners)[0].permute(1, 2, 0)
        return (small.clamp(0, 1) * 255).round().byte().numpy()

    return make


def stored(name):
    """What torch made once of `textured(0)`."""
    return lambda frame: np.load(EXPECTED)[name]


def scipy_blur(kernel, mode, first, scale=SCALE):
    """The two-dimensional sum that each script asks for, and every so manieth sample."""

    def make(frame):
        from scipy import ndimage

        rows, columns = (length // scale * scale for length in frame.shape[:2])
        whole = frame[:rows, :columns].astype(np.float64)
        weights = np.array(kernel())[..., None]
        blurred = ndimage.correlate(whole, weights, mode=mode)[first::scale, first::scale]
        return np.floor(np.clip(blurred, 0, 255) + 0.5).astype(np.uint8)

    return make


def duf_kernel(scale=SCALE):
    from scipy import ndimage

    dirac = np.zeros((13, 13))
    dirac[6, 6] = 1
    return ndimage.gaussian_filter(dirac, 0.4 * scale)


def half_even(frame):
    rows, columns = (length // SCALE for length in frame.shape[:2])
    first = np.clip(np.rint(imresize(frame.astype(float), (rows, frame.shape[1]))), 0, 255)
    return np.clip(np.rint(imresize(first, (rows, columns))), 0, 255).astype(np.uint8)


def replicate(frame):
    return imresize(frame, 1 / SCALE, border="replicate")


def swapped(frame):
    return downscale(frame, SCALE)[..., ::-1]


bd = scipy_blur(lambda: fspecial(1.6, 12), "nearest", 2)
duf = scipy_blur(duf_kernel, "mirror", 0)
MAKERS = [
    Maker("MATLAB's imresize, double convention", downscale, "bicubic-double"),
    Maker(
        "MATLAB's imresize, uint8 convention", lambda f: downscale(f, 4, "uint8"), "bicubic-uint8"
    ),
    Maker("mindediting's script, halves to even", half_even, "mindediting"),
    Maker("MATLAB before symmetric borders", replicate, "uint8-replicate"),
    Maker("Pillow, bicubic", pillow("BICUBIC"), "pillow-bicubic"),
    Maker("Pillow, lanczos", pillow("LANCZOS"), "pillow-lanczos"),
    Maker("OpenCV, INTER_CUBIC", opencv("INTER_CUBIC"), "opencv-cubic"),
    Maker("OpenCV, INTER_AREA", opencv("INTER_AREA"), "opencv-area"),
    Maker("OpenCV, INTER_LINEAR", opencv("INTER_LINEAR"), "opencv-linear"),
    Maker("OpenCV, INTER_NEAREST", opencv("INTER_NEAREST"), "opencv-nearest"),
    Maker("torch, bicubic", torch("bicubic"), "torch-bicubic"),
    Maker("torch, bicubic with antialias", torch("bicubic", True), "torch-antialias"),
    Maker("torch, bilinear", torch("bilinear"), "torch-bilinear"),
    Maker("torch, area", torch("area"), "torch-area"),
    Maker("KAIR, BasicSR: fspecial 12x12, replicate (scipy)", bd, "bd"),
    Maker("DUF: scipy's Gaussian of a dirac, reflect", duf, "bd-duf"),
    Maker(
        "SOF-VSR: fspecial 13x13, symmetric (scipy)",
        scipy_blur(lambda: fspecial(1.6, 13), "reflect", 0),
        "bd-sofvsr",
    ),
    Maker(
        "TecoGAN: 9x9 of sigma 1.5, reflect (scipy)",
        scipy_blur(lambda: fspecial(1.5, 9), "mirror", 0),
        "bd-tecogan",
    ),
    Maker("MATLAB's imresize, read by OpenCV: BGR", swapped, "bicubic-double", channels="BGR"),
    Maker("BD of the 92x60 crop of 95x63 frames", lambda f: bd(f[:60, :92]), "bd", cropped=True),
]


def frames_of(maker: Maker) -> list[np.ndarray]:
    """GT frames for a maker."""
    size = (63, 95) if maker.cropped else (64, 96)
    count = 1 if maker.name.startswith("torch") else 2
    return [textured(seed, *size) for seed in range(count)]


def library_is_there(maker: Maker) -> bool:
    """Whether the program that makes these frames is installed."""
    try:
        maker.make(frames_of(maker)[0])
    except ImportError:
        return False
    return True


def from_expected(maker: Maker) -> Maker:
    """The same with the frames that torch made once, where torch is not installed."""
    if library_is_there(maker):
        return maker
    return maker._replace(make=stored(maker.name))


def table_row(maker: Maker) -> str:
    """Made with, found, differing samples of the maker found and of the next."""
    gts = frames_of(maker)
    found = detect_degradation(gts, [maker.make(gt) for gt in gts])
    alike = [fit.words for fit in found.alike] if found.known else ["unknown"]
    words = " or ".join(alike) + ", BGR" * (found.channels == "BGR")
    words += f", {found.crop}" * (found.crop is not None)
    next_best = found.fits[len(found.alike)]
    ties = f" and {next_best.ties} at a tie" if next_best.ties else ""
    counts = f"{found.best.differing} of {found.best.samples}", f"{next_best.differing}{ties}"
    return f"| {maker.made_with} | {words} | {' | '.join(counts)} |"


if __name__ == "__main__":
    print("| made with | found | samples that differ | from the next best |\n|---|---|---|---|")  # noqa: T201
    for row in map(from_expected, MAKERS):
        print(table_row(row))  # noqa: T201
