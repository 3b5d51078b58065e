"""Memory that a network takes for a tile: a bound over measurements on a CPU (docs/weights.md)."""

from __future__ import annotations

import math
from collections.abc import Callable

from rvrt.config.network import NetworkConfig

# Bytes that a tile of (frames, height, width) takes, in LQ pixels.
MemoryModel = Callable[[int, int, int], float]

BYTES_AT_REST = 0.6 * 2**30
BYTES_A_NUMBER = 4  # float32
_BYTES_A_PIXEL = 220e3
_BYTES_A_PIXEL_AND_FRAME = 6e3
_BYTES_A_PIXEL_OF_FLOW = 32e3
_PUBLISHED_DIM = 144
_LARGEST_TILE = 2**20  # pixels; RVRT's sampling tables count no further than some 1.4 million


def tile_memory(config: NetworkConfig) -> MemoryModel:
    """Bytes that a process with this network takes for a tile of (frames, height, width)."""
    width_factor = max(1, getattr(config, "embed_dim", _PUBLISHED_DIM) / _PUBLISHED_DIM)

    def memory(frames: int, height: int, width: int) -> float:
        if height * width > _LARGEST_TILE:
            return math.inf
        pixel = _BYTES_A_PIXEL + _BYTES_A_PIXEL_AND_FRAME * frames
        return BYTES_AT_REST + width_factor * pixel * height * width

    return memory


def flow_pixels(max_memory: float) -> float:
    """The largest frame whose optical flow can be computed at once in so much memory."""
    return (max_memory - BYTES_AT_REST) / _BYTES_A_PIXEL_OF_FLOW
