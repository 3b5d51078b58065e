"""A file of weights as a network ready to run, and how networks see windows of a clip."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn

from rvrt.config.network import MODEL_PRESETS, Execution, NetworkConfig
from rvrt.errors import CheckpointError
from rvrt.models.kernels.backends import OPERATORS, describe_backend
from rvrt.models.rvrt import RVRT
from rvrt.models.skeleton import Skeleton
from rvrt.restoration.tiling import Picture, Span
from rvrt.runtime import device
from rvrt.weights.checkpoint import load_recorded
from rvrt.weights.pretrained import NAMES, pretrained, weights_path

# Belong to the weights, not to the preset: the authors' and mindediting's differ in them.
_OF_THE_WEIGHTS = ("gelu", "layer_norm_eps")


@dataclasses.dataclass(frozen=True)
class OpenNetwork:
    """A network with its weights, on a device.

    Attributes:
        cell: the network, for restoring.
        config: what it is.
        path: of its weights.
        sha256: of that file.
        preset: whose sizes it has; None for sizes of one's own.
        degradation: how the LQ frames were made that it was trained on; None where nobody has
            noted it.
    """

    cell: nn.Cell
    config: NetworkConfig
    path: Path
    sha256: str
    preset: str | None
    degradation: str | None = None

    @property
    def name(self) -> str:
        """What reports call it: its preset, or the file."""
        return self.preset or self.path.stem

    @property
    def computed_by(self) -> str:
        """What does the work, for people."""
        target: str = ms.get_context("device_target")
        how = getattr(self.cell, "execution", None)
        if target != "CPU" or how is None:
            return target
        return f"CPU, {describe_backend() if how.kernels else OPERATORS}"


def open_network(
    weights: str | Path, preset: str | None = None, target: str = "CPU", dtype: str = "float32"
) -> OpenNetwork:
    """A network ready to run.

    Args:
        weights: a file of this package, or "rvrt-small", which comes with it.
        preset: that the weights must be of; None for any.
        target: "CPU", "GPU" or "Ascend".
        dtype: "float32" or "float16".

    Raises:
        CheckpointError: the file is missing, damaged, or of another preset.
        ConfigError: the device is not to be had, or has no such dtype.
    """
    device.use(target)
    device.check_dtype(dtype)
    named = pretrained(str(weights)).degradation if str(weights) in NAMES else None
    weights = weights_path(weights)
    cell, record = load_recorded(weights, device.execution(target, dtype=dtype))
    config = record.config
    cell.set_train(False)
    if dtype != "float32" and isinstance(cell, Skeleton):
        cell.hold_weights()
    found = preset_of(config)
    if preset and preset != found:
        raise CheckpointError(
            f"{weights}: weights of {found or 'a network of no preset'}, not of {preset}; leave "
            "--preset out, or give weights of it"
        )
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    return OpenNetwork(cell, config, weights, digest, found, record.degradation or named)


def preset_of(config: NetworkConfig) -> str | None:
    """The name of the preset, whatever GELU and epsilon the weights were trained with."""
    for name, preset in MODEL_PRESETS.items():
        if type(preset) is type(config):
            taken = {field: getattr(config, field) for field in _OF_THE_WEIGHTS}
            if dataclasses.replace(preset, **taken) == config:
                return name
    return None


class WindowedNetwork:
    """Calls a network on windows of a clip; see `rvrt.restoration.tiling.Run`.

    The coarsest level of optical flow sees the whole frame, so the flow of a window differs from
    the frame's even far from the window's edge. It needs less memory than the rest; it is computed
    once for all windows. Frames of more than `flow_pixels` pixels get the flow of each window.
    """

    def __init__(self, cell: nn.Cell, flow_pixels: float = math.inf) -> None:
        self._cell, self._call = cell, device.compiled(cell)
        self._whole_graph = getattr(cell, "execution", Execution()).whole_graph
        self._flow_pixels = flow_pixels
        self._clip: Picture | None = None
        self._flows: tuple[Picture, Picture]
        self._shapes: set[tuple[object, ...]] = set()

    @property
    def graphs(self) -> int:
        """How many graphs were compiled, one for each shape of input; 0 where none is."""
        return len(self._shapes) if self._whole_graph else 0

    def __call__(
        self, clip: Picture, rows: Span, columns: Span, mirrored: bool | None = None
    ) -> Picture:
        """(T, 3, H, W) float32 and spans -> (T, 3, scale*h, scale*w) float32 of the window.

        `mirrored` says whether frame i equals frame T-1-i, which gives half the flows for nothing.
        None: it is not known; a network that is no whole graph then looks at each clip.
        """
        window = np.ascontiguousarray(clip[:, :, slice(*rows), slice(*columns)])
        too_large = math.prod(clip.shape[2:]) > self._flow_pixels
        if not self._cell.config.has_flow or too_large or window.shape == clip.shape:
            return self._run(window, (), mirrored)
        if self._clip is not clip:
            self._shapes.add(("flows", *clip.shape[2:]))
            self._clip, self._flows = clip, whole_flows(self._cell, clip)
        flows = tuple(maps[:, slice(*rows), slice(*columns)] for maps in self._flows)
        return self._run(window, flows, mirrored)

    def _run(self, window: Picture, flows: tuple[Picture, ...], mirrored: bool | None) -> Picture:
        inputs: tuple[Any, ...] = (ms.Tensor(window[None]),)
        if flows:
            rows = tuple(ms.Tensor(np.ascontiguousarray(m).reshape(-1, 2)) for m in flows)
            # A graph takes a tuple for a constant, and compiles again for each, unless it is told.
            inputs += (ms.mutable(rows) if self._whole_graph else rows,)
        elif mirrored is not None and isinstance(self._cell, RVRT):
            inputs += (None, mirrored)
        self._shapes.add((window.shape, bool(flows), inputs[2:]))
        restored: Picture = self._call(*inputs).asnumpy()[0]
        return restored


def whole_flows(cell: nn.Cell, clip: Picture) -> tuple[Picture, Picture]:
    """`optical_flows` of a clip, one pair of frames at a time: (T-1, H, W, 2), twice."""
    shape = (len(clip) - 1, *clip.shape[2:], 2)
    flows_of = device.compiled(cell, "optical_flows")
    flows = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for index in range(len(clip) - 1):
        pair = ms.Tensor(clip[None, index : index + 2])
        for maps, rows in zip(flows, flows_of(pair), strict=True):
            maps[index] = rows.asnumpy().reshape(shape[1:])
    return flows
