"""One branch of the recurrence over clips of two frames: Liang et al. 2022, section 3.1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, ops

from rvrt.models.flow_warp import warp
from rvrt.models.rows import Move, Shape, Table, as_tables, flip_clips

Clips = list[Tensor]
# Where the frames of a clip lie in the clip before: maps (R, 2) of (dx, dy) in pixels to the same
# frame of it and to the other one. Empty for a network without flow.
Flow = tuple[Tensor, ...]


@dataclass(frozen=True)
class Branch:
    """One pass over the clips. The second pass of a direction reuses the flows of the first."""

    name: str
    backward: bool
    reuse_flow: bool


BRANCHES = (
    Branch("backward_1", backward=True, reuse_flow=False),
    Branch("forward_1", backward=False, reuse_flow=False),
    Branch("backward_2", backward=True, reuse_flow=True),
    Branch("forward_2", backward=False, reuse_flow=True),
)


def propagate(
    branch: Branch,
    features: list[Clips],
    backbone: Callable[[tuple[Tensor, ...]], Tensor],
    align: Callable[[Tensor, Tensor, Tensor, Flow], tuple[Tensor, Flow]],
    flows: list[Flow],
    batch: int,
) -> tuple[Clips, list[Flow]]:
    """Run one branch.

    `features` are those of the shallow layer and of every earlier branch, each a list of T/2 clips
    (R, C). `flows[i]` leads from clip i+1 of the branch's order to clip i. Returns the branch's
    features by clip and the flows as the alignment has updated them. Backward branches see clips
    from last to first with their two frames swapped.
    """
    steps = len(features[0])
    order = list(range(steps))[::-1] if branch.backward else list(range(steps))
    out: Clips = []
    updated: list[Flow] = []
    previous = None
    for i in range(steps):
        current = [clips[order[i]] for clips in features]
        if branch.backward:
            current = [flip_clips(x, batch) for x in current]
        if i == 0:
            start = ops.zeros_like(current[0])
        else:
            start, flow = align(current[-1], previous, out[i - 1], flows[i - 1])
            updated = [*updated, flow]
        previous = current[-1]
        out = [*out, start + backbone((*current, start))]
    if branch.backward:
        out = [flip_clips(x, batch) for x in out[::-1]]
    return out, updated


def plan_flow_steps(batch: int, frames: int, backward: bool, lag: int) -> Table:
    """Flow maps (b, t) that step i reads as its n01, n12 or n23 (lag 0, 1, 2): (T/2-1, B) int32.

    Flow t lies between frames t and t+1; a backward branch takes them from the last one on.
    """
    i = np.arange(1, frames // 2)
    taken = 2 * i - 2 + lag  # the how-manieth single flow on the way
    t = frames - 2 - taken if backward else taken
    return (np.arange(batch) * (frames - 1) + t[:, None]).reshape(-1).astype(np.int32)


_flow_steps = as_tables(plan_flow_steps)
_take = Move()


def compose_flows(
    flow_R2: Tensor,
    shape_BTHW: tuple[int, int, int, int],
    backward: bool,
    warp: Callable[[Tensor, Tensor, Shape], Tensor] = warp,
) -> list[Flow]:
    """Flows from each clip to the one before it in a branch's order.

    `flow_R2` are the B*(T-1) flows between neighbouring frames, in the branch's direction.
    For each of the T/2-1 steps: flow of the clip's frames to the same frame of the
    other clip, and to the other frame, each (R, 2). All steps are composed at once.
    """
    batch, frames, h, w = shape_BTHW
    steps = frames // 2 - 1
    if steps == 0:
        return []
    count = batch * (frames - 1)
    maps = flow_R2.reshape(count, -1)
    n01, n12, n23 = (
        _take(maps, *_flow_steps(count, batch, frames, backward, lag)).reshape(-1, 2)
        for lag in range(3)
    )
    size = (steps * batch, h, w)
    n02 = n12 + warp(n01, n12, size)
    n13 = n23 + warp(n12, n23, size)
    n03 = n23 + warp(n02, n23, size)

    same, other = _interleave(n02, n13, steps, batch), _interleave(n12, n03, steps, batch)
    return [(same[step].reshape(-1, 2), other[step].reshape(-1, 2)) for step in range(steps)]


def _interleave(first: Tensor, second: Tensor, steps: int, batch: int) -> Tensor:
    """Flows of the first and of the second frame of each clip: (steps, B, 2, H*W*2)."""
    shape = (steps, batch, 1, -1)
    return ops.cat((first.reshape(shape), second.reshape(shape)), 2)
