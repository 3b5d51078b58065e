"""In place of BasicSR's resize, with MATLAB's samples: one line to change.

>>> from vimeo_tools.resize.basicsr import imresize  # was: from basicsr.utils.matlab_functions
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vimeo_tools.resize.matlab import imresize as _imresize


def imresize(img: Any, scale: float, antialiasing: bool = True) -> Any:
    """MATLAB's bicubic imresize by the signature of BasicSR.

    Args:
        img: a NumPy array (H, W) or (H, W, C), or a torch tensor (H, W) or (C, H, W). Nothing is
            scaled, clipped or rounded, whatever the range.
        scale: of both axes; the output is ``ceil(scale * size)``.
        antialiasing: widen the kernel when the picture shrinks.

    Returns:
        As the input an array or a tensor of the same layout: its dtype where that is a float,
        float32 for integers. Tensors keep their gradient.

    Raises:
        TypeError, ValueError: as `vimeo_tools.imresize`.
    """
    if not isinstance(img, np.ndarray):
        if not type(img).__module__.startswith("torch"):
            raise TypeError(f"got {type(img).__name__}, need a numpy.ndarray or a torch.Tensor")
        from vimeo_tools.resize.torch import imresize as resize_tensor

        tensor = img if img.is_floating_point() else img.float()
        return resize_tensor(tensor, scale, antialiasing=antialiasing)
    floats = img if img.dtype in (np.float32, np.float64) else img.astype(np.float32)
    channel_axis = None if img.ndim == 2 else -1
    return _imresize(floats, scale, antialiasing=antialiasing, channel_axis=channel_axis)
