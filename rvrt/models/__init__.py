"""The networks. `build_model` is the way in."""

from __future__ import annotations

from mindspore import nn

from rvrt.config.network import Execution, NetworkConfig, RVRTConfig, RVRTLightConfig
from rvrt.models.rvrt import RVRT
from rvrt.models.rvrt_light import RVRTLight

MODELS: dict[type, type[nn.Cell]] = {RVRTConfig: RVRT, RVRTLightConfig: RVRTLight}


def build_model(config: NetworkConfig, execution: Execution | None = None) -> nn.Cell:
    """The network of `config`, freshly initialised.

    The cell maps (B, T, 3, H, W) float32 in 0..1 to (B, T, 3, upscale*H, upscale*W) float32, T even
    and at least 2, H and W at least 33 for RVRT and any for RVRT Light; it raises ValueError for
    anything else. Parameter names are the authors', with LayerNorm's weight and bias called gamma
    and beta.
    """
    return MODELS[type(config)](config, execution or Execution())
