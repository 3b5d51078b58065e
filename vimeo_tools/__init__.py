"""Vimeo90K preparation with pixels equal to MATLAB's.

>>> from vimeo_tools import imresize
>>> lq = imresize(gt, 1 / 4)

Importing this loads NumPy alone; everything else lives in its module and is loaded when imported.
"""

from vimeo_tools._version import __version__
from vimeo_tools.resize.matlab import (
    downscale,
    im2double,
    im2uint8,
    imresize,
    imresize_batch,
)

__all__ = ["__version__", "downscale", "im2double", "im2uint8", "imresize", "imresize_batch"]
