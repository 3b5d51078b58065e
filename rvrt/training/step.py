"""One step of training: gradients, loss scale, clipping, skipping, average of the weights."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from numpy.typing import NDArray

from rvrt.config.network import Execution
from rvrt.config.training import LoopConfig
from rvrt.runtime import device, settings
from rvrt.training.average import MovingAverage
from rvrt.training.losses import Loss
from rvrt.training.optimiser import Optimiser
from rvrt.weights.checkpoint import Arrays, require_match

Gradients = tuple[Tensor, ...]
Average = Callable[[Iterable[Tensor]], Gradients]


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
        rate: of the step, for all but the optical flow.
        skipped: whether the weights were left as they were.
        part_norms: of the gradients of each part that was trained, as names begin.
    """

    loss: float
    gradient_norm: float
    rate: float
    skipped: bool
    part_norms: Mapping[str, float] = field(default_factory=dict)


_square = ops.MultitypeFuncGraph("square")


@_square.register("Tensor")
def _sum_of_squares(x: Tensor) -> Tensor:
    return (x * x).sum()


def _loss_and_squares(loss: Tensor, *gradients: Tensor) -> Tensor:
    """The loss, and the sum of squares of each gradient: (1 + N,)."""
    squares = ops.HyperMap()(_square, gradients)
    return ops.stack((loss, *squares))


def _sums(parts: Gradients, more: Gradients) -> Gradients:
    """The sum of each pair."""
    sums: Gradients = ops.HyperMap()(ops.add, parts, more)
    return sums


def _as_one_graph(run: Callable[..., Any]) -> Callable[..., Any]:
    device.allow_deep_graphs()

    @ms.jit(jit_level=settings.jit_level())
    def graph(lq: Tensor, gt: Tensor, scale: Tensor) -> Any:
        return run(lq, gt, scale)

    whole: Callable[..., Any] = graph
    return whole


class TrainStep:
    """A network and what changes its weights; everything that a resumed run needs of them.

    Args:
        network: (B, T, 3, H, W) -> (B, T, 3, sH, sW), see `rvrt.models.build_network`.
        loss: what is made small, see `rvrt.training.losses`.
        optimiser: of the network's weights.
        loop: clipping, precision, parts of a batch.
        average_network: holds the moving average of the weights, filled with them here; None
            where `loop.ema` wants none.
        average: of each tensor over all ranks; the tensors themselves for a single one.
    """

    def __init__(
        self,
        network: nn.Cell,
        loss: Loss,
        optimiser: Optimiser,
        loop: LoopConfig,
        average_network: nn.Cell | None = None,
        average: Average = tuple,
    ) -> None:
        self._network, self._loss, self._optimiser = network, loss, optimiser
        self._loop, self._average = loop, average
        self._whole_graph = getattr(network, "execution", Execution()).whole_graph
        self._ema = [] if average_network is None else list(average_network.get_parameters())
        for mean, weight in zip(self._ema, network.get_parameters(), strict=False):
            ops.assign(mean, weight)
        self._moving: MovingAverage | None = None
        if loop.ema is not None:
            weights = list(network.get_parameters())
            self._moving = MovingAverage(self._ema, weights, loop.ema)
        half = loop.precision == "float16"
        self.counters = Counters(loss_scale=loop.loss_scale if half else 1.0)
        self._scaled = half
        self._gradients_of: dict[bool, Callable[..., Any]] = {}
        self._part_of: list[str] = []  # of each gradient
        # On a card each of what follows the gradients is one graph; Adam is one everywhere.
        self._measure: Callable[..., Tensor] = _loss_and_squares
        self._add: Callable[..., Gradients] = _sums
        if self._whole_graph:
            self._measure, self._add = ms.jit(_loss_and_squares), ms.jit(_sums)

    def __call__(self, lq: Tensor, gt: Tensor, step: int) -> StepResult:
        """Train on this rank's share of the batch of one step, counted from 0.

        Args:
            lq: (B, T, 3, h, w) float32 in 0..1.
            gt: (B, T, 3, s*h, s*w) float32 in 0..1.
            step: decides the rate, and whether SpyNet is trained.
        """
        sums, parts = self._summed(lq, gt, self._optimiser.frozen(step))
        loss, *gradients = self._average(sums)
        # The one place where this process waits for the device.
        numbers = self._measure(loss, *gradients).asnumpy().astype(float)
        unscale = 1 / (self.counters.loss_scale * parts)
        mean_loss, norm = numbers[0] / parts, math.sqrt(numbers[1:].sum()) * unscale
        finite = math.isfinite(mean_loss) and math.isfinite(norm)
        self._count(finite, loss_is_finite=math.isfinite(mean_loss))
        if finite:
            self._update(gradients, unscale * self._clip(norm), step)
        rate, norms = self._optimiser.rate(step), self._part_norms(numbers[1:], unscale)
        return StepResult(mean_loss, norm, rate, not finite, norms)

    def tensors(self) -> dict[str, Parameter]:
        """All tensors of the state by name: weights, moments, powers of beta, average."""
        named = {f"network/{p.name}": p for p in self._network.get_parameters()}
        named |= self._optimiser.tensors()
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

    def _clip(self, norm: float) -> float:
        limit = self._loop.clip_norm
        return 1.0 if limit is None or norm <= limit else limit / norm

    def _part_norms(self, squares: NDArray[np.float64], unscale: float) -> dict[str, float]:
        """Norms by the first word of the parameters' names, of squares in the order of weights."""
        sums: defaultdict[str, float] = defaultdict(float)
        for part, square in zip(self._part_of, squares, strict=True):
            sums[part] += square
        return {part: math.sqrt(square) * unscale for part, square in sums.items()}

    def _summed(self, lq: Tensor, gt: Tensor, frozen: bool) -> tuple[Gradients, int]:
        """Loss and gradients, added up over parts of `micro_batch`, and the number of parts."""
        gradients_of = self._gradients_of.get(frozen) or self._prepare(frozen)
        size = self._loop.micro_batch
        scale = Tensor(self.counters.loss_scale, ms.float32)
        sums: Gradients = ()
        starts = range(0, len(lq), size)
        for start in starts:
            (_, loss), gradients = gradients_of(
                lq[start : start + size], gt[start : start + size], scale
            )
            new = (loss, *gradients)
            sums = self._add(sums, new) if sums else new
        return sums, len(starts)

    def _prepare(self, frozen: bool) -> Callable[..., Any]:
        weights = self._optimiser.weights(frozen)
        self._part_of = [weight.name.partition(".")[0] for weight in weights]

        def scaled_loss(lq: Tensor, gt: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
            loss = self._loss(self._network(lq), gt)
            return loss * scale, loss

        run = ms.value_and_grad(scaled_loss, None, weights, has_aux=True)
        self._gradients_of = {frozen: _as_one_graph(run) if self._whole_graph else run}
        return self._gradients_of[frozen]

    def _count(self, finite: bool, loss_is_finite: bool) -> None:
        counters, how = self.counters, self._loop
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

    def _update(self, gradients: list[Tensor], factor: float, step: int) -> None:
        self._optimiser.update(gradients, step, factor)
        if self._moving is not None:
            self._moving.follow()
