"""One step of training: gradients, loss scale, clipping, skipping, Adam, average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from rvrt.config.training import TrainConfig
from rvrt.training.losses import charbonnier
from rvrt.training.schedule import cosine
from rvrt.weights.checkpoint import Arrays, require_match

Gradients = tuple[Tensor, ...]
Average = Callable[[Iterable[Tensor]], Gradients]

_FLOW = "spynet."


@dataclass
class Counters:
    """What a step carries to the next, apart from tensors.

    Attributes:
        loss_scale: what the loss is multiplied by before its gradients are taken; 1 in float32.
        good_steps: steps since the loss scale was changed last.
        skipped: steps left out because the loss or a gradient was not finite.
        bad_in_a_row: the same since the last good step; overflows that the loss scale answers do
            not count.
    """

    loss_scale: float = 1.0
    good_steps: int = 0
    skipped: int = 0
    bad_in_a_row: int = 0


@dataclass(frozen=True)
class StepResult:
    """What a step found, averaged over the whole batch.

    Attributes:
        loss: of the batch.
        gradient_norm: of all gradients together, before clipping.
        rate: of the step; SpyNet's is a part of it.
        skipped: whether the weights were left as they were.
    """

    loss: float
    gradient_norm: float
    rate: float
    skipped: bool


class TrainStep:
    """A network and what changes its weights; everything that a resumed run needs of them.

    SpyNet has an Adam of its own: its rate differs, and while it is frozen none of its moments or
    powers of beta move.

    Args:
        network: (B, T, 3, H, W) -> (B, T, 3, sH, sW), see `rvrt.models.build_network`.
        config: of the training.
        average_network: holds the moving average of the weights, filled with them here; None
            where the config wants none.
        average: of each tensor over all ranks; the tensors themselves for a single one.
    """

    def __init__(
        self,
        network: nn.Cell,
        config: TrainConfig,
        average_network: nn.Cell | None = None,
        average: Average = tuple,
    ) -> None:
        self._network, self._config, self._average = network, config, average
        everything = network.trainable_params()
        groups = {
            "main": [p for p in everything if not p.name.startswith(_FLOW)],
            "spynet": [p for p in everything if p.name.startswith(_FLOW)],
        }
        self._adams = {name: self._adam(params) for name, params in groups.items() if params}
        self._ema = [] if average_network is None else list(average_network.get_parameters())
        for mean, weight in zip(self._ema, network.get_parameters(), strict=False):
            ops.assign(mean, weight)
        half = config.train.precision == "float16"
        self.counters = Counters(loss_scale=config.train.loss_scale if half else 1.0)
        self._scaled = half
        self._gradients_of: dict[bool, Callable[..., Any]] = {}

    def __call__(self, lq: Tensor, gt: Tensor, step: int) -> StepResult:
        """Train on this rank's share of the batch of one step, counted from 0.

        Args:
            lq: (B, T, 3, h, w) float32 in 0..1.
            gt: (B, T, 3, s*h, s*w) float32 in 0..1.
            step: decides the rate, and whether SpyNet is trained.
        """
        frozen = step < self._config.frozen_steps and "spynet" in self._adams
        adams = [adam for name, adam in self._adams.items() if not (frozen and name == "spynet")]
        sums, parts = self._summed(lq, gt, frozen)
        loss, *gradients = self._average(sums)
        squares = ops.stack([(g * g).sum() for g in gradients]).sum()
        # The one place where this process waits for the device.
        numbers = ops.stack([loss, squares]).asnumpy().astype(float)
        unscale = 1 / (self.counters.loss_scale * parts)
        mean_loss, norm = numbers[0] / parts, math.sqrt(numbers[1]) * unscale
        rate = self._rate(step)
        finite = math.isfinite(mean_loss) and math.isfinite(norm)
        self._count(finite, loss_is_finite=math.isfinite(mean_loss))
        if finite:
            self._update(adams, gradients, unscale * self._clip(norm), rate)
        return StepResult(mean_loss, norm, rate, not finite)

    def tensors(self) -> dict[str, Parameter]:
        """All tensors of the state by name: weights, moments, powers of beta, average."""
        named = {f"network/{p.name}": p for p in self._network.get_parameters()}
        for group, adam in self._adams.items():
            for parameter in (*adam.moment1, *adam.moment2, adam.beta1_power, adam.beta2_power):
                named[f"{group}/{parameter.name}"] = parameter
        weights = self._network.get_parameters()
        named |= {f"ema/{p.name}": e for p, e in zip(weights, self._ema, strict=False)}
        return named

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Copies of all tensors, and the counters."""
        return {name: p.asnumpy().copy() for name, p in self.tensors().items()}, asdict(
            self.counters
        )

    def load(self, arrays: Mapping[str, NDArray[Any]], counters: Mapping[str, Any]) -> None:
        """Put back what `state` gave.

        Raises:
            CheckpointError: the arrays are those of another network or config.
        """
        tensors = self.tensors()
        expected = {name: tuple(p.shape) for name, p in tensors.items()}
        require_match(expected, {n: a.shape for n, a in arrays.items()}, "state of the training")
        for name, parameter in tensors.items():
            ops.assign(parameter, Tensor(arrays[name]))
        self.counters = Counters(**counters)

    def _adam(self, parameters: list[Parameter]) -> nn.Adam:
        how = self._config.optimiser
        return nn.Adam(parameters, how.lr, how.betas[0], how.betas[1], how.eps)

    def _rate(self, step: int) -> float:
        how = self._config.optimiser
        return cosine(step, self._config.train.steps, how.lr, how.min_lr)

    def _clip(self, norm: float) -> float:
        limit = self._config.train.clip_norm
        return 1.0 if limit is None or norm <= limit else limit / norm

    def _summed(self, lq: Tensor, gt: Tensor, frozen: bool) -> tuple[Gradients, int]:
        """Loss and gradients, added up over parts of `micro_batch`, and the number of parts."""
        gradients_of = self._gradients_of.get(frozen) or self._prepare(frozen)
        size = self._config.train.micro_batch
        scale = Tensor(self.counters.loss_scale, ms.float32)
        sums: Gradients = ()
        starts = range(0, len(lq), size)
        for start in starts:
            (_, loss), gradients = gradients_of(
                lq[start : start + size], gt[start : start + size], scale
            )
            new = (loss, *gradients)
            sums = tuple(a + b for a, b in zip(sums, new, strict=True)) if sums else new
        return sums, len(starts)

    def _prepare(self, frozen: bool) -> Callable[..., Any]:
        if "spynet" in self._adams:
            for parameter in self._adams["spynet"].parameters:
                parameter.requires_grad = not frozen  # none is computed where none is wanted
        weights = [
            parameter
            for name, adam in self._adams.items()
            if not (frozen and name == "spynet")
            for parameter in adam.parameters  # Adam's own order
        ]

        def scaled_loss(lq: Tensor, gt: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
            loss = charbonnier(self._network(lq), gt)
            return loss * scale, loss

        self._gradients_of = {frozen: ms.value_and_grad(scaled_loss, None, weights, has_aux=True)}
        return self._gradients_of[frozen]

    def _count(self, finite: bool, loss_is_finite: bool) -> None:
        counters, how = self.counters, self._config.train
        overflow = self._scaled and loss_is_finite and counters.loss_scale > 1
        if finite:
            counters.bad_in_a_row = 0
            counters.good_steps += 1
            if self._scaled and counters.good_steps >= how.loss_scale_window:
                counters.loss_scale, counters.good_steps = counters.loss_scale * 2, 0
            return
        counters.skipped += 1
        counters.good_steps = 0
        if overflow:
            counters.loss_scale = max(1.0, counters.loss_scale / 2)
        else:
            counters.bad_in_a_row += 1

    def _update(
        self, adams: list[nn.Adam], gradients: list[Tensor], factor: float, rate: float
    ) -> None:
        if factor != 1:
            gradients = [g * factor for g in gradients]
        done = 0
        for adam in adams:
            ratio = 1.0
            if adam is self._adams.get("spynet"):
                ratio = self._config.optimiser.spynet_lr_ratio
            ops.assign(adam.learning_rate, Tensor(rate * ratio, ms.float32))
            adam(tuple(gradients[done : done + len(adam.parameters)]))
            done += len(adam.parameters)
        if self._ema:
            keep = self._config.train.ema
            for mean, weight in zip(self._ema, self._network.get_parameters(), strict=True):
                ops.assign(mean, mean + (weight - mean) * (1 - keep))
