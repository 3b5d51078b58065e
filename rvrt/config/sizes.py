"""How many numbers the parameters of a network hold, by arithmetic: it need not be built first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rvrt.config.network import RVRTConfig, SkeletonConfig

_BRANCHES = 4
_FLOW = 1_440_300  # SpyNet's, which no config changes


def skeleton_numbers(config: SkeletonConfig) -> int:
    """Of everything that RVRT and RVRT Light share."""
    dim, up = config.embed_dim, config.upsample_dim
    doublings = config.upscale.bit_length() - 1
    groups = _group(config, 3, 0) + _group(config, (1 + _BRANCHES) * dim, 2)
    groups += sum(_group(config, (2 + branch) * dim, 1) for branch in range(_BRANCHES))
    upsampler = _conv(dim, up, 1) + doublings * _conv(up, 4 * up, 3) + _conv(up, up, 3)
    return groups + _BRANCHES * _alignment(config) + upsampler + _conv(up, 3, 3)


def rvrt_numbers(config: RVRTConfig) -> int:
    """Of what RVRT has beside the skeleton: offsets and optical flow."""
    taps, dim = math.prod(config.attention_window), config.offset_dim
    offsets = _conv(3 * config.embed_dim + 4, dim, 1) + 4 * _conv(dim, dim, 3)
    offsets += _conv(dim, 4 * config.deformable_groups * taps, 1)
    return _BRANCHES * offsets + _FLOW


def _group(config: SkeletonConfig, inputs: int, part: int) -> int:
    """A convolution and the residual groups of window attention behind it."""
    dim = config.embed_dim
    window = config.window_size if part == 1 else (1, *config.window_size[1:])
    layer = 4 * dim + _conv(dim, 3 * dim, 1) + _conv(dim, dim, 1) + _mlp(config)
    if config.relative_position:
        layer += math.prod(2 * side - 1 for side in window) * config.num_heads[part]
    blocks = config.num_blocks[part] * (config.depths[part] * layer + _conv(dim, dim, 1))
    return _conv(inputs, dim, 3) + 4 * dim + blocks


def _alignment(config: SkeletonConfig) -> int:
    dim, inner = config.embed_dim, config.attention_dim
    return 3 * _conv(dim, inner, 1) + _conv(inner, dim, 1) + _mlp(config)


def _mlp(config: SkeletonConfig) -> int:
    dim, hidden = config.embed_dim, config.mlp_ratio * config.embed_dim
    return _conv(dim, hidden, 1) + _conv(hidden, dim, 1)


def _conv(inputs: int, outputs: int, side: int) -> int:
    """A convolution with a bias; a fully connected layer is one of side 1."""
    return inputs * outputs * side * side + outputs
