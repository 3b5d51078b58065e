"""Between MindSpore's tensors and the compiled part's arrays, which share their memory."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor
from mindspore.graph.api import _pynative_executor

from rvrt.models.kernels.calls import Array


def wanted() -> bool:
    """Whether results are wanted and no gradients: not while MindSpore records what is done.

    So a training's first pass through parts that it computes again later is the compiled part's.
    """
    return not (_pynative_executor.grad_flag() and _pynative_executor.enable_grad())


def array(x: Tensor) -> Array:
    """Contiguous, of the same memory where the tensor is so."""
    return np.ascontiguousarray(x.asnumpy())


def tensor(x: Array) -> Tensor:
    """Of the same memory."""
    return Tensor.from_numpy(x)
