"""Memory that a network takes for a tile: bounds over measurements (docs/weights.md)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rvrt.config.network import Execution, NetworkConfig, RVRTLightConfig
from rvrt.errors import MemoryLimitError
from rvrt.runtime import device

# Bytes that a tile of (frames, height, width) takes, in LQ pixels.
MemoryModel = Callable[[int, int, int], float]

BYTES_A_NUMBER = 4  # float32
_PUBLISHED_DIM = 144
_LARGEST_TILE = 2**20  # pixels; RVRT's sampling tables count no further than some 1.4 million
_SHARE_OF_FREE = 0.75
_OF_FLOAT16 = 0.8  # of float32's: flows, offsets and samples stay


@dataclass(frozen=True)
class Needs:
    """Bytes that a network takes where it runs.

    Attributes:
        at_rest: without any tile; of the process, or of the card.
        pixel: for each pixel of a tile, however many frames it has.
        frame: for each pixel of each frame of a tile.
        flow: for each pixel of a pair of whole frames whose optical flow is computed.
    """

    at_rest: float
    pixel: float
    frame: float
    flow: float

    def of_tile(self, frames: int, height: int, width: int) -> float:
        """Bytes for a tile."""
        return self.at_rest + (self.pixel + self.frame * frames) * height * width

    def flow_pixels(self, max_memory: float) -> float:
        """The largest frame whose optical flow can be computed at once in so much memory."""
        return (max_memory - self.at_rest) / self.flow


_OPERATORS = Needs(0.6 * 2**30, 220e3, 6e3, 32e3)  # MindSpore's, on a CPU
_KERNELS = Needs(0.6 * 2**30, 35e3, 5e3, 32e3)  # of the compiled part
# MindSpore's own plan, whose pool grows by a GiB at a time, and a quarter for libraries' work.
_CARD = Needs(1.5 * 2**30, 280e3, 13e3, 32e3)
_CARD_LIGHT = Needs(1.5 * 2**30, 80e3, 13e3, 32e3)


def memory_limits(target: str, asked: float | None = None) -> tuple[float, float | None]:
    """Bytes that the network may take, and beside a card what the process may; see `Cutting`.

    The first as asked for; else three quarters of what is free: on a host for the system and other
    programs, on a card for what libraries take and pools leave between blocks.

    Raises:
        MemoryLimitError: the system does not say how much is free.
    """
    if target == "CPU":
        return asked or _SHARE_OF_FREE * _free_host_memory(), None
    return asked or _SHARE_OF_FREE * device.memory(), _SHARE_OF_FREE * _free_host_memory()


def _free_host_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, value, *_ = line.split()
        if name == "MemAvailable:":
            return int(value) * 1024
    raise MemoryLimitError("how much memory is free is not known here; give --max-memory")


def needs(config: NetworkConfig, execution: Execution | None = None) -> Needs:
    """What a network of this config takes, run so; None: by MindSpore's operators on a CPU."""
    how = execution or Execution()
    found = _KERNELS if how.kernels else _OPERATORS
    if how.native:
        found = _CARD_LIGHT if isinstance(config, RVRTLightConfig) else _CARD
    factor = max(1, getattr(config, "embed_dim", _PUBLISHED_DIM) / _PUBLISHED_DIM)
    if how.native and how.dtype == "float16":
        factor *= _OF_FLOAT16
    return Needs(found.at_rest, factor * found.pixel, factor * found.frame, found.flow)


def tile_memory(config: NetworkConfig, execution: Execution | None = None) -> MemoryModel:
    """Bytes that a network takes for a tile of (frames, height, width), run so; see `needs`."""
    of_tile = needs(config, execution).of_tile

    def memory(frames: int, height: int, width: int) -> float:
        return math.inf if height * width > _LARGEST_TILE else of_tile(frames, height, width)

    return memory
