import numpy as np
import pytest
from mindspore import Tensor

from rvrt.models import flow_warp
from tests.oracles import rvrt_sampling
from tests.rvrt.conftest import from_rows, to_rows

RNG = np.random.RandomState(1)


def run_warp(x, flow, border):
    n, _, h, w = x.shape
    out = flow_warp.warp(to_rows(x), to_rows(flow), (n, h, w), border)
    return from_rows(out, (n, h, w))


@pytest.mark.parametrize("border", [False, True])
def test_warp_golden(golden, border):
    data = golden("ops")
    out = run_warp(data["warp_x"], np.moveaxis(data["warp_flow"], -1, 1), border)
    assert np.abs(out - data["warp_border" if border else "warp_zeros"]).max() < 1e-5


@pytest.mark.parametrize("border", [False, True])
@pytest.mark.parametrize("reach", [0.7, 5, 1e6])
def test_warp_against_the_oracle(border, reach):
    x = RNG.standard_normal((2, 3, 5, 4)).astype(np.float32)
    flow = (reach * RNG.standard_normal((2, 2, 5, 4))).astype(np.float32)
    flow[0, :, 0] = np.round(flow[0, :, 0])
    assert np.abs(run_warp(x, flow, border) - rvrt_sampling.warp(x, flow, border)).max() < 1e-5


def test_warp_by_nothing_and_by_whole_pixels():
    x = RNG.standard_normal((1, 2, 4, 6)).astype(np.float32)
    flow = np.zeros((1, 2, 4, 6), np.float32)
    assert np.array_equal(run_warp(x, flow, False), x)
    flow[:, 0] = 2
    shifted = np.zeros_like(x)
    shifted[..., :-2] = x[..., 2:]
    assert np.array_equal(run_warp(x, flow, False), shifted)


def test_warp_clip_swaps_frames_for_the_second_flow():
    x = RNG.standard_normal((4, 3, 5, 6)).astype(np.float32)
    flows = RNG.standard_normal((2, 4, 2, 5, 6)).astype(np.float32)
    out = flow_warp.warp_clip(to_rows(x), to_rows(flows[0]), to_rows(flows[1]), (4, 5, 6))
    swapped = x[[1, 0, 3, 2]]
    for got, frames, flow in zip(out, (x, swapped), flows, strict=True):
        assert np.array_equal(from_rows(got, (4, 5, 6)), run_warp(frames, flow, False))


def test_resize_goldens(golden):
    data = golden("ops")
    x = Tensor(data["up_in"][0])
    up = flow_warp.resize(x, 10, 14, align_corners=True).asnumpy()
    assert np.abs(up - data["up2_align_corners_true"][0]).max() < 1e-6
    square = flow_warp.resize(x, 32, 32).asnumpy()
    assert np.abs(square - data["resize_32x32_align_corners_false"][0]).max() < 1e-6
    frames = Tensor(data["trilinear_in"][0].reshape(-1, 5, 7))
    larger = flow_warp.resize(frames, 20, 28).asnumpy().reshape(data["trilinear_x4"].shape)
    assert np.abs(larger - data["trilinear_x4"]).max() < 1e-6


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("length", "target"), [(1, 4), (5, 20), (7, 3), (33, 64), (6, 6)])
def test_resize_keeps_constants_and_inner_lines(length, target, align_corners):
    matrix = flow_warp.plan_resize(length, target, align_corners)
    assert np.allclose(matrix.sum(1), 1) and (matrix >= 0).all()
    if length == target:
        assert np.array_equal(matrix, np.eye(length, dtype=np.float32))
