"""Septuplets of noise: quick to make, and no two pixels of a frame are likely to be mixed up."""

import numpy as np
from PIL import Image

from vimeo_tools.data.septuplets import FRAME_NUMBERS, frame_path


def write_noise(root, keys, size):
    """``root/00001/0001/im1.png`` and so on; returns ``root``."""
    rng = np.random.default_rng(0)
    for key in keys:
        (root / key).mkdir(parents=True)
        for number in FRAME_NUMBERS:
            frame = rng.integers(0, 256, (size.height, size.width, 3), np.uint8)
            Image.fromarray(frame).save(frame_path(root, key, number))
    return root


def read_frames(root, key):
    """(7, H, W, 3) of a clip, by Pillow alone."""
    return np.stack([np.asarray(Image.open(frame_path(root, key, n))) for n in FRAME_NUMBERS])
