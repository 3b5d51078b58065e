"""The network of rvrt-eval: weights loaded, ready to restore, and described for the results."""

from __future__ import annotations

import dataclasses
import hashlib
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms

from rvrt.config.network import MODEL_PRESETS, NetworkConfig
from rvrt.errors import CheckpointError
from rvrt.evaluation.evaluator import Restorer
from rvrt.restoration.restore import smallest_side
from rvrt.restoration.tiling import MANY_FRAMES
from rvrt.restoration.windowed import WindowedNetwork
from rvrt.runtime import device
from rvrt.weights.checkpoint import load_network

# Belong to the weights, not to the preset: the authors' and mindediting's differ in them.
_OF_THE_WEIGHTS = ("gelu", "layer_norm_eps")


def load_restorer(
    weights: Path,
    preset: str | None = None,
    target: str = "CPU",
    dtype: str = "float32",
    tile: int | None = None,
    tile_frames: int = MANY_FRAMES,
) -> tuple[Restorer, dict[str, Any]]:
    """A network ready to run, and its path, sha256 and preset.

    Args:
        weights: a file of this package.
        preset: that the weights must be of; None for any.
        target: device.
        dtype: "float32" or "float16".
        tile: see `Restorer`.
        tile_frames: see `Restorer`.

    Raises:
        CheckpointError: the file is missing, damaged, or of another preset.
        ConfigError: the device is not to be had.
    """
    device.use(target)
    device.check_dtype(dtype)
    network, config = load_network(weights, device.execution(target, dtype=dtype))
    network.set_train(False)
    found = preset_of(config)
    if preset and preset != found:
        raise CheckpointError(
            f"{weights}: weights of {found or 'a network of no preset'}, not of {preset}; leave "
            "--preset out, or give weights of it"
        )
    restorer = Restorer(
        WindowedNetwork(network),
        config.upscale,
        smallest_side(config),
        tile,
        tile_frames,
        _peak_memory(target),
    )
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    return restorer, {"path": str(weights), "sha256": digest, "preset": found}


def preset_of(config: NetworkConfig) -> str | None:
    """The name of the preset, whatever GELU and epsilon the weights were trained with."""
    for name, preset in MODEL_PRESETS.items():
        if type(preset) is type(config):
            taken = {field: getattr(config, field) for field in _OF_THE_WEIGHTS}
            if dataclasses.replace(preset, **taken) == config:
                return name
    return None


def _peak_memory(target: str) -> Callable[[], int]:
    """Gives the most bytes so far: of the device, or on a CPU of the whole process."""
    if target == "CPU":  # Linux counts in KiB
        return lambda: 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return lambda: int(ms.runtime.max_memory_allocated())
