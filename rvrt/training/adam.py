"""Adam as its paper and PyTorch have it, in MindSpore's fused kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, jit, nn, ops

_change = ops.MultitypeFuncGraph("adam")


@_change.register("Function", *["Tensor"] * 11)
def _change_one(
    kernel: Any,
    power1: Tensor,
    power2: Tensor,
    rate: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    factor: Tensor,
    parameter: Parameter,
    moment1: Parameter,
    moment2: Parameter,
    gradient: Tensor,
) -> Tensor:
    used = gradient * factor
    done = kernel(parameter, moment1, moment2, power1, power2, rate, beta1, beta2, eps, used)
    return ops.depend(True, done)


class Adam(nn.Cell):
    """Adam with bias correction: Kingma and Ba 2015, Algorithm 1.

    `m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)` times the rate is what a step takes away, with
    `m` and `v` the running means of the gradient and its square. `mindspore.nn.Adam` adds epsilon
    to sqrt(v) before the correction, as the paper's closing remark has it with another epsilon:
    ten times as large at the first step, 1.26 times at the hundredth. Its kernel is used here with
    `eps * sqrt(1 - b2^t)`, which is the same as epsilon after the correction.

    Args:
        parameters: what it changes.
        betas: decays of the two means.
        eps: epsilon.

    Attributes:
        parameters: what it changes.
        moment1, moment2: the two means of each, named moment1.NAME and moment2.NAME.
        beta1_power, beta2_power: the betas to the power of the steps done.
    """

    def __init__(
        self, parameters: Sequence[Parameter], betas: tuple[float, float], eps: float
    ) -> None:
        super().__init__(auto_prefix=False)
        self.parameters = ParameterTuple(parameters)
        self.moment1 = self.parameters.clone("moment1", "zeros")
        self.moment2 = self.parameters.clone("moment2", "zeros")
        self.beta1_power = Parameter(Tensor(1.0, ms.float32), name="beta1_power")
        self.beta2_power = Parameter(Tensor(1.0, ms.float32), name="beta2_power")
        self.betas = tuple(Tensor(beta, ms.float32) for beta in betas)
        self.eps = eps
        self.kernel = ops.Adam()
        self.each = ops.HyperMap()

    @jit
    def construct(self, rate: Tensor, factor: Tensor, *gradients: Tensor) -> Tensor:
        """One step at `rate` by `factor` times the gradients, which come as `parameters`.

        Both are float32 scalars. Compiled whole.
        """
        beta1, beta2 = self.betas
        power1, power2 = self.beta1_power * beta1, self.beta2_power * beta2
        self.beta1_power, self.beta2_power = power1, power2
        eps = ops.sqrt(1.0 - power2) * self.eps
        change = ops.partial(_change, self.kernel, power1, power2, rate, beta1, beta2, eps, factor)
        done = self.each(change, self.parameters, self.moment1, self.moment2, gradients)
        return ops.depend(True, done)
