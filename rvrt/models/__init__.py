"""The networks. `build_network` is the way in, `NETWORKS` what there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mindspore import nn

from rvrt.config.network import (
    Execution,
    NetworkConfig,
    RVRTConfig,
    RVRTLightConfig,
    require,
)
from rvrt.models.fused_attention import require_agreement
from rvrt.models.kernels.backends import settled
from rvrt.models.rvrt import RVRT
from rvrt.models.rvrt_light import RVRTLight


@dataclass(frozen=True)
class Network:
    """A kind of network.

    Attributes:
        config: the class of its configs, with the facts that all of its sizes share.
        cell: makes it, from a config of that class and how it is to be run.
    """

    config: type[NetworkConfig]
    cell: Callable[[Any, Execution], nn.Cell]


# By the name that weights files record. Add your own: NETWORKS["mine"] = Network(MyConfig, MyCell).
NETWORKS: dict[str, Network] = {
    "rvrt": Network(RVRTConfig, RVRT),
    "rvrt-light": Network(RVRTLightConfig, RVRTLight),
}


def kind_of(config: NetworkConfig) -> str:
    """The name in NETWORKS of what `config` configures; raise ConfigError where there is none."""
    names = [name for name, network in NETWORKS.items() if type(config) is network.config]
    require(
        bool(names),
        f"{type(config).__name__} is the config of none of NETWORKS ({', '.join(NETWORKS)}); add "
        "yours to it first",
    )
    return names[0]


def build_network(config: NetworkConfig, execution: Execution | None = None) -> nn.Cell:
    """The network of `config`, freshly initialised.

    The cell maps (B, T, 3, H, W) float32 in 0..1 to (B, T, 3, upscale*H, upscale*W) float32, T even
    and at least 2, H and W at least `config.smallest_side`; it raises ValueError for anything else.
    Parameter names are the authors', with LayerNorm's weight and bias called gamma and beta.

    Args:
        config: such as `rvrt.PRESETS["rvrt"]`.
        execution: how it is run, see `rvrt.runtime.device.execution`; None: operator by operator,
            in float32.

    Raises:
        ConfigError: the config is of a class that is not in NETWORKS, RVRT_BACKEND asks for what
            is not there, or windows are to be fused where that cannot be done, or not rightly.
    """
    how = settled(execution or Execution())
    if how.fused_windows:
        require_agreement()
    return NETWORKS[kind_of(config)].cell(config, how)
