"""Where and how networks run. Import this before MindSpore runs its first operation."""

from __future__ import annotations

import os
from collections.abc import Callable

# The newest instruction set that oneDNN may use, read once. On newer processors it otherwise falls
# back to slow reference kernels for convolutions; these networks have none and gain from AVX-512.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")

import mindspore as ms

from rvrt.config import Execution
from rvrt.errors import ConfigError

TARGETS = ("CPU", "GPU", "Ascend")


def use(target: str = "CPU") -> str:
    """Select the device target of this process and return its name.

    Raises ConfigError, a ValueError, for an unknown target or one that this machine or this build
    of MindSpore does not have, and when another target is already in use.
    """
    if target not in TARGETS:
        raise ConfigError(f"device target {target!r}: expected one of {', '.join(TARGETS)}")
    try:
        ms.set_device(target)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"device target {target} cannot be used: {reason} Use a target that this MindSpore "
            f"supports, and select it before any other work"
        ) from error
    if target == "CPU":
        ms.runtime.launch_blocking()  # no queue to overlap with: 1.1 to 2 times faster
    return target


def execution(target: str, *, dtype: str = "float32", training: bool = False) -> Execution:
    """How to run a network on `target`.

    A CPU runs operator by operator, as compiling costs seconds for each new input shape;
    accelerators compile blocks. Training recomputes blocks in the backward pass.
    """
    if target not in TARGETS:
        raise ConfigError(f"device target {target!r}: expected one of {', '.join(TARGETS)}")
    return Execution(compile_blocks=target != "CPU", recompute=training, dtype=dtype)


def check_dtype(dtype: str) -> None:
    """Run one matrix product in `dtype`; raise ConfigError where the target has no kernel for it.

    Call it after `use`.
    """
    x = ms.ops.ones((2, 2), getattr(ms, dtype))
    try:
        ms.ops.matmul(x, x).asnumpy()
    except (RuntimeError, TypeError) as error:
        target = ms.get_context("device_target")
        raise ConfigError(f"{target} has no {dtype} kernels here: use float32") from error


def compile_graph(model: ms.nn.Cell) -> Callable[[ms.Tensor], ms.Tensor]:
    """`model`, built with Execution(whole_graph=True), as one compiled graph: for debug sizes.

    Loops are unrolled, so compiling takes minutes and much memory on a larger network.
    """
    ms.set_recursion_limit(10_000)  # the unrolled branches nest deeper than the default of 1,000
    return ms.jit(model.construct)
