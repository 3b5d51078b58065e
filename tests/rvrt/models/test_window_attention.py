import numpy as np
import pytest
from mindspore import Tensor

from rvrt.models import window_attention as wa
from tests.oracles import rvrt_windows
from tests.rvrt.conftest import randomise

RNG = np.random.RandomState(2)


def test_mask_and_position_index_golden(golden):
    data = golden("ops")
    index = wa.plan_position_index((2, 4, 4))
    assert np.array_equal(index, data["rel_pos_index_2x4x4"])
    plan = wa.plan_windows((2, 10, 13), (2, 4, 4), True)
    assert np.array_equal(plan.masks_MNN[plan.kind_S], data["attn_mask"])


@pytest.mark.parametrize("window", [(1, 2, 3), (2, 4, 4), (3, 1, 2)])
def test_position_index_against_the_oracle(window):
    assert np.array_equal(wa.plan_position_index(window), rvrt_windows.position_index(window))


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(2, 8, 8), (2, 10, 13), (1, 3, 5), (3, 4, 9)])
def test_every_pixel_lies_in_one_window(size, shifted):
    plan = wa.plan_windows(size, (2, 4, 4), shifted)
    pixels = plan.tokens_SN[plan.tokens_SN >= 0]
    assert np.array_equal(np.sort(pixels), np.arange(np.prod(size)))
    assert plan.kind_S.shape == (len(plan.tokens_SN),)


def test_split_and_merge_are_inverse():
    key = ((2, 2, 5, 7), (2, 4, 4), True, 3)
    split, merge = wa.plan_split(*key, 1), wa.plan_merge(*key)
    rows = np.arange(2 * 2 * 5 * 7)
    assert np.array_equal(split.reshape(-1)[merge] // 9, np.repeat(rows[:, None], 3, 1))


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(
    ("shape", "window", "heads"),
    [
        ((1, 2, 8, 8), (2, 4, 4), 2),
        ((2, 2, 5, 11), (2, 4, 4), 3),
        ((2, 2, 3, 9), (2, 4, 4), 1),
        ((1, 3, 5, 6), (1, 2, 3), 2),
        ((1, 2, 1, 1), (2, 8, 8), 6),
    ],
)
def test_attention_against_the_oracle(shape, window, heads, shifted, relative):
    cell = randomise(wa.WindowAttention(12, window, heads, shifted, relative), scale=0.5)
    x = RNG.standard_normal((*shape, 12)).astype(np.float32)
    position = None
    if relative:
        n = np.prod(wa.fit_window(shape[1:], window))
        index = rvrt_windows.position_index(window)[:n, :n]
        position = cell.relative_position_bias_table.asnumpy()[index].transpose(2, 0, 1)
    parts = (cell.qkv_self.weight, cell.qkv_self.bias, cell.proj.weight, cell.proj.bias)
    weights = [part.asnumpy().astype(np.float64) for part in parts]
    expected = rvrt_windows.window_attention(x, weights, window, heads, shifted, position)
    out = cell(Tensor(x.reshape(-1, 12)), shape).asnumpy().reshape(x.shape)
    assert np.abs(out - expected).max() < 1e-5
