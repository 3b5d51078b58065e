"""This process among those that train together."""

from __future__ import annotations

import atexit
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mindspore import Parameter, Tensor, communication, jit, nn, ops

from rvrt.errors import WorldError
from rvrt.runtime.device import reason

_BUFFER_NUMBERS = 2**22  # 16 MiB of float32


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
        """Each tensor averaged over the ranks; any shapes, float32. They travel in the order in
        which they come, in few flat buffers.

        An infinity or NaN of one rank reaches all of them, so that all skip the step together.
        """
        if self.size == 1:
            return tuple(tensors)
        one = _averaging(self.size)
        out: list[Tensor] = []
        for buffer in buffers(tuple(tensors)):
            out += one(*buffer)
        return tuple(out)

    def broadcast(self, parameters: Iterable[Parameter]) -> None:
        """Give every rank the values of rank 0."""
        if self.size > 1:
            send = ops.Broadcast(0)
            for parameter in parameters:
                parameter.set_data(send((parameter,))[0])

    def any(self, flag: bool) -> bool:
        """Whether `flag` holds on at least one rank. It also waits for all of them."""
        return flag if self.size == 1 else ops.AllReduce()(Tensor([float(flag)])).item() > 0


class _Averaging(nn.Cell):
    """The tensors of one buffer, joined, summed over all ranks and parted again, as one graph."""

    def __init__(self, size: int) -> None:
        super().__init__(auto_prefix=False)
        self.add, self.share = ops.AllReduce(), 1 / size

    @jit
    def construct(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Float32 of any shapes."""
        flat = self.add(ops.cat([x.reshape(-1) for x in tensors], 0)) * self.share
        out: tuple[Tensor, ...] = ()
        start = 0
        for x in tensors:
            out = (*out, flat[start : start + x.size].reshape(x.shape))
            start += x.size
        return out


_averaging = lru_cache(_Averaging)


def buffers(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """The tensors in their order, parted so that each part but those of one tensor fits a buffer.

    So many numbers are worth the while of a message; more would only take memory.
    """
    parts: list[list[Tensor]] = []
    room = 0
    for tensor in tensors:
        if not parts or tensor.size > room:
            parts, room = [*parts, []], _BUFFER_NUMBERS
        parts[-1].append(tensor)
        room -= tensor.size
    return parts


def init_world() -> World:
    """Join the processes that MindSpore's launcher msrun has started; alone without it.

    Call it after `use` and before anything is written: msrun also starts a scheduler from the same
    command, which stays inside this call and ends there. Raises WorldError when they do not meet.
    """
    if "MS_ROLE" not in os.environ:
        return World()
    try:
        communication.init()
        world = World(communication.get_rank(), communication.get_group_size())
    except RuntimeError as error:
        if os.environ["MS_ROLE"] == "MS_SCHED":
            raise WorldError(f"not every process ended well: {reason(error)}") from error
        raise WorldError(f"cannot reach the others: {reason(error)}") from error
    os.environ["RANK_ID"] = str(world.rank)  # msrun knows it only where nodes are numbered
    _name_the_dead(world)
    return world


def _name_the_dead(world: World) -> None:
    """Have this process's rank told if it is killed; msrun tells its number at the most.

    A small process waits for a word on a pipe that closes with this one. msrun kills it along with
    the processes that it ends itself, so that it speaks for the first one only.
    """
    message = f"Error: rank {world.rank} of {world.size} was killed; memory may have run out"
    script = 'read -r word || echo "$0" >&2'
    watch = subprocess.Popen(["sh", "-c", script, message], stdin=subprocess.PIPE)
    if watch.stdin:
        os.register_at_fork(after_in_child=watch.stdin.close)  # no data worker must hold it open
    atexit.register(watch.communicate, b"done\n")
