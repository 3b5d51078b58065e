"""LPIPS with AlexNet, in NumPy: how different two pictures look to a network of photographs.

Weights are the user's: AlexNet's as torchvision publishes them, and LPIPS's own, version 0.1.
Source: Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a
perceptual metric", CVPR 2018; Krizhevsky, "One weird trick", 2014, for the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import CheckpointError, MetricError
from rvrt.evaluation.metrics import Picture
from rvrt.weights.torch_pickle import read_torch_file

Maps = NDArray[np.float32]  # (C, H, W)

# What LPIPS subtracts from and divides RGB in -1..1 by.
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)
_TINY = 1e-10  # added to the length of a feature
_SMALLEST = 32  # a side that leaves something after both poolings


@dataclass(frozen=True)
class _Layer:
    """A convolution: its place in torchvision's network, and how it is laid over the maps."""

    name: str
    shape: tuple[int, int, int, int]
    stride: int
    padding: int
    pooled: bool  # before it


_LAYERS = (
    _Layer("features.0", (64, 3, 11, 11), 4, 2, False),
    _Layer("features.3", (192, 64, 5, 5), 1, 2, True),
    _Layer("features.6", (384, 192, 3, 3), 1, 1, True),
    _Layer("features.8", (256, 384, 3, 3), 1, 1, False),
    _Layer("features.10", (256, 256, 3, 3), 1, 1, False),
)


class Lpips:
    """The metric; `rvrt-eval --lpips` adds it, MORE_METRICS["lpips"] = Lpips.of_files(...) too.

    Args:
        network: AlexNet's tensors by torchvision's names, "features.0.weight" and so on.
        linear: LPIPS's, "lin0.model.1.weight" to "lin4.model.1.weight".

    Raises:
        CheckpointError: a tensor is missing or of another shape.
    """

    def __init__(self, network: Mapping[str, Any], linear: Mapping[str, Any]) -> None:
        self._kernels = [
            (_tensor(network, f"{layer.name}.weight", layer.shape),
             _tensor(network, f"{layer.name}.bias", layer.shape[:1]))
            for layer in _LAYERS
        ]  # fmt: skip
        self._linear = [
            _tensor(linear, f"lin{n}.model.1.weight", (1, layer.shape[0], 1, 1)).ravel()
            for n, layer in enumerate(_LAYERS)
        ]

    @classmethod
    def of_files(cls, network: Path, linear: Path) -> Lpips:
        """From torchvision's alexnet-owt-*.pth and the alex.pth of the package lpips.

        Raises:
            CheckpointError: a file is missing, damaged or another one.
        """
        tensors = []
        for path in (network, linear):
            found = read_torch_file(path)
            if not isinstance(found, Mapping):
                raise CheckpointError(f"{path}: holds no tensors by name")
            tensors.append(found.get("state_dict", found))
        try:
            return cls(*tensors)
        except CheckpointError as error:
            raise CheckpointError(f"{network}, {linear}: {error}") from None

    def __call__(self, restored: Picture, gt: Picture) -> float:
        """The distance of two pictures; the lower the better, 0 for the same.

        Args:
            restored: (H, W, 3) RGB, uint8 or float in 0..255; H and W at least 32.
            gt: of the same shape.

        Raises:
            MetricError: the shapes differ, or are not those above.
        """
        if restored.shape != gt.shape or gt.ndim != 3 or gt.shape[2] != 3:
            raise MetricError(f"pictures of shapes {restored.shape} and {gt.shape}: LPIPS needs "
                              "(H, W, 3) twice")  # fmt: skip
        if min(gt.shape[:2]) < _SMALLEST:
            raise MetricError(f"pictures of shape {gt.shape}: LPIPS needs sides from {_SMALLEST}")
        total = 0.0
        for weights, a, b in zip(
            self._linear, self._features(restored), self._features(gt), strict=True
        ):
            difference = np.square(_unit(a) - _unit(b))
            total += float(np.tensordot(weights, difference, 1).mean(dtype=np.float64))
        return total

    def _features(self, picture: Picture) -> list[Maps]:
        """Maps after each convolution, what is below zero cut off."""
        maps = ((picture.astype(np.float32) / np.float32(127.5) - 1) - _SHIFT) / _SCALE
        maps, found = maps.transpose(2, 0, 1), []
        for layer, (kernel, bias) in zip(_LAYERS, self._kernels, strict=True):
            if layer.pooled:
                maps = _windows(maps, 3, 2).max(axis=(3, 4))
            maps = np.maximum(_convolve(maps, kernel, layer) + bias[:, None, None], 0)
            found.append(maps)
        return found


def _windows(maps: Maps, side: int, stride: int) -> Maps:
    """(C, rows, columns, side, side) of all windows."""
    view: Any = np.lib.stride_tricks.sliding_window_view  # its types know no tuple of axes
    windows: Maps = view(maps, (side, side), axis=(1, 2))[:, ::stride, ::stride]
    return windows


def _convolve(maps: Maps, kernel: Maps, layer: _Layer) -> Maps:
    padded = np.pad(maps, ((0, 0), *((layer.padding, layer.padding),) * 2))
    convolved: Maps = np.einsum(
        "ocyx,chwyx->ohw",
        kernel,
        _windows(padded, kernel.shape[2], layer.stride),
        optimize=True,  # as one product of matrices
    )
    return convolved


def _unit(maps: Maps) -> Maps:
    """Features of length 1 at every place."""
    unit: Maps = maps / (np.sqrt(np.square(maps).sum(axis=0)) + np.float32(_TINY))
    return unit


def _tensor(tensors: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Maps:
    value = tensors.get(name)
    if not isinstance(value, np.ndarray) or value.shape != shape:
        found = "is missing" if value is None else f"is {getattr(value, 'shape', 'no tensor')}"
        raise CheckpointError(f"{name} {found}; LPIPS with AlexNet has it as {shape}")
    return np.asarray(value, np.float32)
