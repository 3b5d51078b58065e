"""Where and how networks run. Import this before MindSpore runs its first operation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# The newest instruction set that oneDNN may use, read once. On newer processors it otherwise falls
# back to slow reference kernels for convolutions; these networks have none and gain from AVX-512.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")

import mindspore as ms
from mindspore import Parameter, Tensor, communication, ops

from rvrt.config import Execution
from rvrt.errors import ConfigError, WorldError

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
    accelerators compile blocks. Training computes every part again in the backward pass.
    """
    if target not in TARGETS:
        raise ConfigError(f"device target {target!r}: expected one of {', '.join(TARGETS)}")
    return Execution(
        compile_blocks=target != "CPU", recompute=("all",) if training else (), dtype=dtype
    )


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


@dataclass(frozen=True)
class World:
    """This process among those that train together. Every rank calls the same methods in turn.

    On a CPU MindSpore sums float32 and float16 between processes, and little else.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, the only one that writes files."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
        """Each tensor averaged over the ranks; any shapes, float32.

        An infinity or NaN of one rank reaches all of them, so that all skip the step together.
        """
        if self.size == 1:
            return tuple(tensors)
        add = ops.AllReduce()
        return tuple(add(x) * (1 / self.size) for x in tensors)

    def broadcast(self, parameters: Iterable[Parameter]) -> None:
        """Give every rank the values of rank 0."""
        if self.size > 1:
            send = ops.Broadcast(0)
            for parameter in parameters:
                parameter.set_data(send((parameter,))[0])

    def any(self, flag: bool) -> bool:
        """Whether `flag` holds on at least one rank. It also waits for all of them."""
        return flag if self.size == 1 else ops.AllReduce()(Tensor([float(flag)])).item() > 0


def init_world() -> World:
    """Join the processes that MindSpore's launcher msrun has started; alone without it.

    Call it after `use` and before anything is written: msrun also starts a scheduler from the same
    command, which stays inside this call and ends there. Raises WorldError when they do not meet.
    """
    if "MS_ROLE" not in os.environ:
        return World()
    try:
        communication.init()
        return World(communication.get_rank(), communication.get_group_size())
    except RuntimeError as error:
        name = f"process {os.environ.get('MS_NODE_ID', '?')} of {os.environ.get('MS_WORKER_NUM')}"
        reason = str(error).strip().splitlines()[0]
        raise WorldError(f"{name} cannot reach the others: {reason}") from error
