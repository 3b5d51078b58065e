"""MATLAB's imresize; NumPy alone.

`vimeo_tools.resize.torch`, `.mindspore`, `.jax` and `.basicsr` are imported where they are wanted.
"""

from vimeo_tools.resize.matlab import (
    CONVENTIONS,
    Convention,
    backend,
    downscale,
    im2double,
    im2uint8,
    imresize,
    imresize_batch,
)

__all__ = [
    "CONVENTIONS",
    "Convention",
    "backend",
    "downscale",
    "im2double",
    "im2uint8",
    "imresize",
    "imresize_batch",
]
