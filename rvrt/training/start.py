"""What a training begins with: its network and step; given weights, or the state of another run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import mindspore as ms
from mindspore import nn

from rvrt.config.loading import flat, to_yaml
from rvrt.config.plain_yaml import parse_yaml
from rvrt.config.training import MAY_CHANGE, TrainConfig
from rvrt.errors import CheckpointError
from rvrt.evaluation.recipes import recipe_of, same_recipe
from rvrt.models import build_network
from rvrt.runtime import device
from rvrt.runtime.world import World
from rvrt.training.data import degradation_of
from rvrt.training.losses import Loss
from rvrt.training.optimiser import Optimiser
from rvrt.training.state import CHECKPOINTS, Checkpoints, TrainState, read_state
from rvrt.training.step import TrainStep
from rvrt.weights.checkpoint import load_arrays, load_spynet, read_arrays

__all__ = ["build", "load_weights", "state_of_another", "training_step"]

Say = Callable[[str], None]
_ITS_OWN = ("start.", "preset")  # of a run; nothing that the next steps depend on


def build(config: TrainConfig, target: str) -> tuple[nn.Cell, nn.Cell | None]:
    """The network as `target` trains it, with fresh weights, and one more for their average."""
    ms.set_seed(config.train.seed)
    how = device.execution(target, dtype=config.train.precision, training=True)
    how = dataclasses.replace(how, recompute=config.train.recompute)
    if config.train.compile_blocks is not None:
        how = dataclasses.replace(how, compile_blocks=config.train.compile_blocks)
    network = build_network(config.model, how)
    network.set_train(True)
    return network, build_network(config.model, how) if config.train.ema else None


def training_step(
    config: TrainConfig, network: nn.Cell, average: nn.Cell | None, loss: Loss, world: World
) -> tuple[Optimiser, TrainStep]:
    """What changes a network's weights, and one step of it."""
    how = dataclasses.replace(config.optimiser, spynet_freeze_steps=config.frozen_steps)
    optimiser = Optimiser(network, how, config.train.steps, config.model.flow_prefix)
    step = TrainStep(network, loss, optimiser, config.train, average, world.average)
    return optimiser, step


def load_weights(network: nn.Cell, config: TrainConfig, say: Say) -> None:
    """Fill a network as `config.start` says; one without is left as it was built.

    Raises:
        CheckpointError: the weights are damaged, or of another network.
    """
    start = config.start
    if start.init:
        arrays, record = read_arrays(Path(start.init))
        if record is not None and record.config != config.model:
            raise CheckpointError(
                f"{start.init}: trained as {record.config}, which differs from this training's "
                f"{config.model}"
            )
        load_arrays(network, arrays, start.init)
        trained_on = recipe_of(record.degradation if record else None)
        wanted = degradation_of(config.data)
        if trained_on is not None and not same_recipe(trained_on, wanted):
            say(
                f"{start.init}: was trained on {trained_on.spelled()}; data.degradation says "
                f"{wanted.spelled()}"
            )
    elif start.spynet:
        load_spynet(network, Path(start.spynet))
    elif config.model.has_flow:
        say("optical flow: from scratch; --spynet WEIGHTS begins with a trained one")


def state_of_another(place: Path, config: TrainConfig, say: Say) -> TrainState:
    """The state that `start.resume_from` names; `say` is told which settings are others now.

    Args:
        place: a state, or the folder of a run, which is only read.

    Raises:
        CheckpointError: there is none, it is damaged, or the network is another one.
    """
    path = place
    if place.is_dir():
        path = Checkpoints(place / CHECKPOINTS, keep=1).newest()
    state = read_state(path)
    changed = _changed(state.record.get("config"), config)
    networks = [line for line in changed if line.startswith("model.")]
    if networks:
        raise CheckpointError(f"{path}: is of another network: {', '.join(networks)}")
    if changed:
        say(f"{path} was trained with other settings: {', '.join(changed)}")
    return state


def _changed(text: object, config: TrainConfig) -> list[str]:
    """Settings, "name A, now B", that are others than those of a state's record."""
    before, now = flat(parse_yaml(str(text))), flat(parse_yaml(to_yaml(config)))
    return [
        f"{name} {before[name]}, now {value}"
        for name, value in now.items()
        if name in before
        and before[name] != value
        and name not in MAY_CHANGE
        and not name.startswith(_ITS_OWN)
    ]
