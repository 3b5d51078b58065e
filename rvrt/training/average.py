"""The moving average of the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, jit, nn, ops

_move = ops.MultitypeFuncGraph("average")


@_move.register("Tensor", "Tensor", "Tensor")
def _move_one(share: Tensor, mean: Parameter, weight: Tensor) -> Tensor:
    return ops.depend(True, ops.assign(mean, mean + (weight - mean) * share))


class MovingAverage(nn.Cell):
    """Means that follow weights: each call moves them by 1 - `decay` of the way.

    Args:
        means: of a network of the same kind.
        weights: what they follow.
        decay: between 0 and 1.
    """

    def __init__(
        self, means: Sequence[Parameter], weights: Sequence[Parameter], decay: float
    ) -> None:
        super().__init__(auto_prefix=False)
        self.means, self.weights = ParameterTuple(means), ParameterTuple(weights)
        self.share = Tensor(1 - decay, ms.float32)
        self.each = ops.HyperMap()

    def follow(self) -> None:
        """One step."""
        with _renamed(self.means):  # a compiled graph knows each name once
            self()

    @jit
    def construct(self) -> Tensor:
        """See `follow`, which calls it. Compiled whole."""
        done = self.each(ops.partial(_move, self.share), self.means, self.weights)
        return ops.depend(True, done)


@contextlib.contextmanager
def _renamed(parameters: Sequence[Parameter]) -> Iterator[None]:
    names = [parameter.name for parameter in parameters]
    for parameter, name in zip(parameters, names, strict=True):
        parameter.name = f"average.{name}"
    try:
        yield
    finally:
        for parameter, name in zip(parameters, names, strict=True):
            parameter.name = name
