"""What changes the weights: an Adam with its own rate for the flow, one for the rest."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
from mindspore import Parameter, Tensor, nn

from rvrt.config.training import OptimiserConfig
from rvrt.errors import ConfigError
from rvrt.training.adam import Adam
from rvrt.training.schedule import cosine

# Written into the state of a training; states without it are of the rule before.
RULE = "epsilon after the bias correction; both rates end at min_lr"
_MAIN, _FLOW = "main", "spynet"


class Optimiser:
    """The trainable weights of a network, and how each step changes them.

    The optical flow has an Adam of its own: while it is frozen, none of its moments or powers of
    beta move.

    Args:
        network: whose weights.
        config: rates, betas, epsilon, and how long the optical flow stays as it is.
        steps: of the whole training.
        flow_prefix: how the names of the optical flow's parameters begin; "" for none.

    Attributes:
        rate_factor: what all rates are multiplied by.

    Raises:
        ConfigError: a part to freeze is none of the network's, or nothing is left to train.
    """

    def __init__(
        self, network: nn.Cell, config: OptimiserConfig, steps: int, flow_prefix: str = ""
    ) -> None:
        self._config, self._steps = config, steps
        self.rate_factor = 1.0
        groups: dict[str, list[Parameter]] = {_MAIN: [], _FLOW: []}
        for parameter in _not_frozen(network, config.freeze):
            is_flow = bool(flow_prefix) and parameter.name.startswith(flow_prefix)
            groups[_FLOW if is_flow else _MAIN].append(parameter)
        self._adams = {
            name: Adam(group, config.betas, config.eps) for name, group in groups.items() if group
        }

    def frozen(self, step: int) -> bool:
        """Whether a step, counted from 0, leaves the optical flow as it is."""
        return _FLOW in self._adams and step < self._config.spynet_freeze_steps

    def weights(self, frozen: bool) -> list[Parameter]:
        """What a step trains, in the order in which `update` takes the gradients.

        The flow's parameters ask for a gradient, or for none, from now on.
        """
        if _FLOW in self._adams:
            for parameter in self._adams[_FLOW].parameters:
                parameter.requires_grad = not frozen  # none is computed where none is wanted
        return [p for adam in self._active(frozen).values() for p in adam.parameters]

    def rate(self, step: int, group: str = _MAIN) -> float:
        """The rate of a step, counted from 0; the flow's begins lower and ends at the same."""
        how = self._config
        lr = how.lr * (how.spynet_lr_ratio if group == _FLOW else 1.0)
        return self.rate_factor * cosine(step, self._steps, lr, min(lr, how.min_lr))

    def update(self, gradients: Sequence[Tensor], step: int, factor: float = 1.0) -> None:
        """Change the weights by `factor` times their gradients, in the order of `weights`."""
        done, scale = 0, Tensor(factor, ms.float32)
        for name, adam in self._active(self.frozen(step)).items():
            count = len(adam.parameters)
            rate = Tensor(self.rate(step, name), ms.float32)
            adam(rate, scale, *gradients[done : done + count])
            done += count

    def tensors(self) -> dict[str, Parameter]:
        """Moments and powers of beta by name."""
        return {
            f"{group}/{tensor.name}": tensor
            for group, adam in self._adams.items()
            for tensor in (*adam.moment1, *adam.moment2, adam.beta1_power, adam.beta2_power)
        }

    def _active(self, frozen: bool) -> dict[str, Adam]:
        return {name: adam for name, adam in self._adams.items() if not (frozen and name == _FLOW)}


def _not_frozen(network: nn.Cell, freeze: Sequence[str]) -> list[Parameter]:
    """The parameters that are trained; the others ask for no gradient from now on."""
    parameters = list(network.trainable_params())
    parts = list(dict.fromkeys(p.name.partition(".")[0] for p in parameters))
    for name in freeze:
        if not any(p.name == name or p.name.startswith(f"{name}.") for p in parameters):
            raise ConfigError(
                f"optimiser.freeze={name}: no such part; the network has {', '.join(parts)}"
            )
    for parameter in parameters:
        held = any(parameter.name == n or parameter.name.startswith(f"{n}.") for n in freeze)
        parameter.requires_grad = not held
    trained = [p for p in parameters if p.requires_grad]
    if not trained:
        raise ConfigError(f"optimiser.freeze={', '.join(freeze)}: nothing is left to train")
    return trained
