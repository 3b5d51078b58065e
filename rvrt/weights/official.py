"""What the authors' state dicts hold: names, and buffers beside the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rvrt.config.network import NetworkConfig, SkeletonConfig

_SPYNET_MEAN = (0.485, 0.456, 0.406)
_SPYNET_STD = (0.229, 0.224, 0.225)


def official_name(name: str) -> str:
    """The authors' name of one of our parameters."""
    stem, _, last = name.rpartition(".")
    return f"{stem}.{ {'gamma': 'weight', 'beta': 'bias'}.get(last, last) }"


def official_buffers(config: NetworkConfig, names: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """What the authors' state dict holds beside parameters, for parameters of the given names.

    Returns:
        spynet.mean and spynet.std, (1, 3, 1, 1) float32; one relative_position_index for each
        table of relative position bias, (N, N) int64 with N tokens in a window.
    """
    buffers: dict[str, NDArray[Any]] = {}
    if any(name.startswith("spynet.") for name in names):
        buffers["spynet.mean"] = np.array(_SPYNET_MEAN, np.float32).reshape(1, 3, 1, 1)
        buffers["spynet.std"] = np.array(_SPYNET_STD, np.float32).reshape(1, 3, 1, 1)
    if not isinstance(config, SkeletonConfig):
        return buffers
    clip, frame = tuple(config.window_size), (1, *config.window_size[1:])
    indices = {window: relative_position_index(window) for window in {clip, frame}}
    for name in names:
        if name.endswith("relative_position_bias_table"):
            per_frame = name.startswith(("feat_extract.", "reconstruction."))
            index = name.replace("relative_position_bias_table", "relative_position_index")
            buffers[index] = indices[frame if per_frame else clip]
    return buffers


def relative_position_index(window: tuple[int, ...]) -> NDArray[np.int64]:
    """Row of the bias table for each pair of tokens in a (frames, rows, columns) window: (N, N)."""
    tokens = np.stack(np.meshgrid(*map(np.arange, window), indexing="ij")).reshape(3, -1)
    difference = tokens[:, :, None] - tokens[:, None, :]
    spans = [2 * size - 1 for size in window]
    strides = [math.prod(spans[axis + 1 :]) for axis in range(3)]
    shifted = difference + np.array(window).reshape(3, 1, 1) - 1
    return np.tensordot(strides, shifted, axes=1).astype(np.int64)


def is_buffer(found: NDArray[Any], wanted: NDArray[Any]) -> bool:
    """Whether it is the buffer, or what is left of it where the state dict was saved in fp16."""
    exact = wanted.astype(np.float32)
    upper_half = (exact.view(np.uint32) + 0x7FFF + (exact.view(np.uint32) >> 16 & 1)) & 0xFFFF0000
    bfloat16 = upper_half.view(np.float32)
    kept: tuple[NDArray[Any], ...] = (exact, exact.astype(np.float16), bfloat16)
    return any(np.allclose(found, value, rtol=0, atol=1e-6) for value in kept)
