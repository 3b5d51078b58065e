import numpy as np
import pytest
from mindspore import Tensor

from rvrt.models import propagation
from tests.oracles import rvrt_sampling
from tests.rvrt.conftest import from_rows, to_rows

RNG = np.random.RandomState(4)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("batch", "frames"), [(1, 2), (1, 6), (2, 8)])
def test_flows_between_clips_are_composed(batch, frames, backward):
    h, w = 5, 6
    flow = RNG.standard_normal((batch, frames - 1, 2, h, w)).astype(np.float32)
    steps = propagation.compose_flows(to_rows(flow), (batch, frames, h, w), backward)
    assert len(steps) == frames // 2 - 1
    order = range(frames - 1, -1, -1) if backward else range(-1, frames - 1)
    for i, (first, second) in enumerate(steps, 1):
        n01, n12, n23 = (flow[:, order[2 * i - 1 + lag]] for lag in range(3))
        n02 = n12 + rvrt_sampling.warp(n01, n12)
        n13 = n23 + rvrt_sampling.warp(n12, n23)
        n03 = n23 + rvrt_sampling.warp(n02, n23)
        for got, pair in ((first, (n02, n13)), (second, (n12, n03))):
            expected = np.stack(pair, 1)
            assert np.abs(from_rows(got, (batch, 2, h, w)) - expected).max() < 1e-5


@pytest.mark.parametrize("branch", propagation.BRANCHES)
def test_a_branch_visits_clips_in_order(branch):
    """Frames numbered 1..6; the backbone repeats its newest input, the alignment adds 100."""
    frames = np.repeat(np.arange(1.0, 7), 3).astype(np.float32).reshape(3, 6, 1)
    seen = []

    def align(q, k, v, flow):
        seen.append((q[0].asnumpy().item(), k[0].asnumpy().item(), flow))
        return v * 0 + 100, flow + 1

    out, flows = propagation.propagate(
        branch, [[Tensor(clip) for clip in frames]], lambda maps: maps[0][:, :1], align, [10, 20], 1
    )
    first, second = (6.0, 4.0), (4.0, 2.0)
    if not branch.backward:
        first, second = (1.0, 3.0), (3.0, 5.0)
    assert seen == [(first[1], first[0], 10), (second[1], second[0], 20)]
    assert flows == [11, 21]
    aligned = np.full((3, 6, 1), 100.0)
    aligned[-1 if branch.backward else 0] = 0
    assert np.array_equal(np.stack([x.asnumpy() for x in out]), frames + aligned)
