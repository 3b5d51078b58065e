"""A network on sequences of any length and size: the one way for commands, validation and users.

frames -> PaddedSequence -> tiles -> WindowedNetwork -> blended -> cropped
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import numpy as np

from rvrt.config.network import Execution, NetworkConfig
from rvrt.errors import MemoryLimitError
from rvrt.restoration.frames import MirroredSequence, PaddedSequence, Padding, fold
from rvrt.restoration.memory import BYTES_A_NUMBER, MemoryModel, needs, tile_memory
from rvrt.restoration.network import WindowedNetwork
from rvrt.restoration.tiling import (
    GRID,
    MANY_FRAMES,
    TIME_OVERLAP,
    TIME_STEP,
    Picture,
    Span,
    TilePlan,
    plan_tiles,
    restored_frames,
    split_axis,
)
from rvrt.runtime import device
from vimeo_tools.data.pictures import AnyFrame, ArraySequence, DeepSource

if TYPE_CHECKING:
    from mindspore import nn

# A sum of tiles larger than this share of the memory allowed lies on the disk.
_SHARE_OF_SUM = 4


@dataclass(frozen=True)
class Cutting:
    """How sequences are cut to be restored. Sizes are in LQ pixels.

    Attributes:
        tile: side of tiles, which overlap by 32; None for whole frames, or what fits `max_memory`.
            Both given, tiles of that side see as many frames as fit.
        tile_frames: frames that the network sees at once, at most; spans of time overlap by 4.
        max_memory: bytes that the process may take, or of a card what the network may; finite, it
            chooses the tiles.
        host_memory: bytes that the process may take beside a card; None where there is no card.
        as_asked: refuse what does not fit `max_memory` rather than cut it smaller, for figures that
            must not depend on the machine.
        padding: how frames grow to what the network takes, see `rvrt.restoration.frames`.
        memory: bytes that a tile of (frames, height, width) needs; None as was measured.
        scratch: a folder for sums of tiles that are too large for the memory.
    """

    tile: int | None = None
    tile_frames: int = MANY_FRAMES
    max_memory: float = math.inf
    host_memory: float | None = None
    as_asked: bool = False
    padding: Padding = "authors"
    memory: MemoryModel | None = None
    scratch: Path | None = None

    @property
    def sum_limit(self) -> float:
        """Bytes up to which a sum of tiles is kept in memory, and not on the disk."""
        memory = self.max_memory if self.host_memory is None else self.host_memory
        return memory / _SHARE_OF_SUM if self.scratch else math.inf


class Restorer:
    """Restores sequences of frames with a network, as a stream.

        network, config = load_network("weights.safetensors")
        restorer = Restorer(network.set_train(False))
        for index, picture in restorer.restore(frames):  # (T, H, W, 3) uint8
            ...  # (3, scale*H, scale*W) float32

    Args:
        network: of `rvrt.build_network` or `rvrt.load_network`. It maps (1, T, 3, H, W) float32
            in 0..1 to (1, T, 3, scale*H, scale*W) float32.
        cutting: how sequences are cut.

    Attributes:
        config: of the network.
        cutting: as given.
        seconds: spent in the network so far, without `compiling`.
        compiling: seconds of calls that compiled a graph for a new shape, on a card.
    """

    def __init__(self, network: nn.Cell, cutting: Cutting | None = None) -> None:
        self.config: NetworkConfig = network.config
        self.cutting = cutting or Cutting()
        self.seconds = self.compiling = 0.0
        self._largest: tuple[int, int, int] | None = None
        self._cut = False
        self._grid = math.lcm(GRID, self.config.tile_grid)
        self._execution: Execution = getattr(network, "execution", Execution())
        flow_pixels = needs(self.config, self._execution).flow_pixels(self.cutting.max_memory)
        self._run = WindowedNetwork(network, flow_pixels)

    @staticmethod
    def peak_memory() -> int:
        """The most bytes in use so far: of the device, or on a CPU of the whole process."""
        return device.peak_memory()

    def seconds_since(self, seconds: float, compiling: float) -> float | None:
        """`seconds` beyond those; None where a part of the time since then was compiling."""
        return self.seconds - seconds if self.compiling == compiling else None

    @property
    def graphs(self) -> int:
        """How many graphs were compiled so far, one for each shape; 0 on a CPU."""
        return self._run.graphs

    @property
    def told(self) -> str:
        """The tiles so far and what was compiled for them, for people; "" before the first."""
        if self._largest is None:
            return ""
        frames, height, width = self._largest
        tiles = f"tiles of {frames} frames of {width}x{height}"
        tiles += ", cut to fit the memory" if self._cut else ""
        shapes = f"{self.graphs} shape{'s' if self.graphs > 1 else ''}"
        return tiles + (f"; {self.compiling:.1f} s of compiling, {shapes}" if self.graphs else "")

    @property
    def scale(self) -> int:
        """How many times larger restored frames are, along each side."""
        return self.config.upscale

    def plan(self, frames: DeepSource | AnyFrame) -> TilePlan:
        """The tiles of a sequence, see `restore`.

        Raises:
            MemoryLimitError: not even the smallest tile fits `Cutting.max_memory`.
        """
        return self._plan(self._padded(_source(frames)))

    def restore(
        self,
        frames: DeepSource | AnyFrame,
        wanted: Collection[int] | None = None,
        on_tile: Callable[[], object] = lambda: None,
    ) -> Iterator[tuple[int, Picture]]:
        """Restore frames in order, in no more memory than one span of time takes.

        Args:
            frames: (T, H, W, 3) uint8 or uint16 RGB of any T, H and W from 1, or what reads such.
            wanted: indices of the frames to restore; None for all.
            on_tile: called after each tile of `plan`.

        Yields:
            Index and (3, scale*H, scale*W) float32 RGB of each wanted frame, 0..1 but neither
            clamped nor rounded; `rvrt.restoration.frames.to_uint8` does both.

        Raises:
            MemoryLimitError: not even the smallest tile fits `Cutting.max_memory`.
            VimeoToolsError: a frame cannot be read.
        """
        source = _source(frames)
        padded = self._padded(source)
        chosen = range(len(source.names)) if wanted is None else wanted
        height, width = self.scale * source.height, self.scale * source.width
        plan = self._plan(padded)
        self._cut = self._cut or plan != self._uncut(padded)
        alike = padded.mirrored and len(plan.times) == 1
        for index, picture in restored_frames(
            partial(self._timed, mirrored=alike),
            padded.read,
            plan,
            self.scale,
            chosen,
            self._zeros,
            on_tile,
        ):
            yield index, picture[:, :height, :width]

    def restore_mirrored(self, frames: DeepSource | AnyFrame) -> Picture:
        """Restore a short sequence as septuplets are measured: mirrored to 2T frames, folded back.

        Args:
            frames: as for `restore`; 7 for Vimeo90K.

        Returns:
            (T, 3, scale*H, scale*W) float32, each frame the mean of both of its kind; neither
            clamped nor rounded.

        Raises:
            VimeoToolsError: as `restore`.
        """
        source = _source(frames)
        whole = MirroredSequence(source.read(0, len(source.names)))
        return fold(np.stack([picture for _, picture in self.restore(whole)]))

    def _padded(self, source: DeepSource) -> PaddedSequence:
        return PaddedSequence(source, self.config, self.cutting.padding)

    def _plan(self, padded: PaddedSequence) -> TilePlan:
        cut, (height, width) = self.cutting, (padded.height, padded.width)
        if math.isinf(cut.max_memory):
            return self._uncut(padded)
        network_bytes = cut.memory or tile_memory(self.config, self._execution)

        def memory(frames: int, tile_height: int, tile_width: int) -> float:
            summed = BYTES_A_NUMBER * 3 * frames * height * width * (1 + self.scale**2)
            beside = min(summed, cut.sum_limit) if cut.host_memory is None else 0
            return network_bytes(frames, tile_height, tile_width) + beside

        fitting = plan_tiles(
            padded.frames,
            height,
            width,
            self._grid,
            memory,
            cut.max_memory,
            cut.tile_frames,
            cut.tile,
        )
        if cut.as_asked and fitting != self._uncut(padded):
            raise _does_not_fit(fitting, cut.max_memory)
        return fitting

    def _uncut(self, padded: PaddedSequence) -> TilePlan:
        """The plan where memory is no matter."""
        cut, grid = self.cutting, self._grid
        return TilePlan(
            split_axis(padded.frames, cut.tile_frames, TIME_OVERLAP, TIME_STEP),
            split_axis(padded.height, cut.tile or padded.height, grid, grid),
            split_axis(padded.width, cut.tile or padded.width, grid, grid),
        )

    def _timed(
        self, clip: Picture, rows: Span, columns: Span, mirrored: bool | None = None
    ) -> Picture:
        started, graphs = time.perf_counter(), self.graphs
        restored = self._run(clip, rows, columns, mirrored)
        seconds = time.perf_counter() - started
        if self.graphs > graphs:
            self.compiling += seconds
        else:
            self.seconds += seconds
        tile = len(clip), rows[1] - rows[0], columns[1] - columns[0]
        self._largest = max(self._largest or tile, tile, key=math.prod)
        return restored

    def _zeros(self, shape: tuple[int, ...]) -> Picture:
        if BYTES_A_NUMBER * math.prod(shape) <= self.cutting.sum_limit:
            return np.zeros(shape, np.float32)
        with TemporaryFile(dir=self.cutting.scratch) as file:
            return np.memmap(file, np.float32, "w+", shape=shape)


def _source(frames: DeepSource | AnyFrame) -> DeepSource:
    return ArraySequence(frames) if isinstance(frames, np.ndarray) else frames


def _does_not_fit(fitting: TilePlan, memory: float) -> MemoryLimitError:
    """Says what would fit: other tiles are other figures, so it is for the user to choose."""
    frames, height, width = fitting.largest
    side = max(2 * GRID, min(height, width) // GRID * GRID)
    return MemoryLimitError(
        f"frames, or tiles as asked for, do not fit {memory / 2**30:.1f} GiB; --tile {side} "
        f"--tile-frames {frames} would, and results then say so"
    )
