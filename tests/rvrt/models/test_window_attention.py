import mindspore as ms
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


SHAPES = [
    ((1, 2, 8, 8), (2, 4, 4), 2),
    ((2, 2, 5, 11), (2, 4, 4), 3),
    ((2, 2, 3, 9), (2, 4, 4), 1),
    ((1, 3, 5, 6), (1, 2, 3), 2),
    ((1, 2, 1, 1), (2, 8, 8), 6),
]


def oracle(cell, x, values):
    """The attention in float64; `values` are those of the cell's parameters, in its order."""
    *table, qkv, qkv_bias, proj, proj_bias = values
    position = None
    if table:
        n = np.prod(wa.fit_window(x.shape[1:4], cell.window))
        index = rvrt_windows.position_index(cell.window)[:n, :n]
        position = table[0][index].transpose(2, 0, 1)
    weights = (qkv, qkv_bias, proj, proj_bias)
    return rvrt_windows.window_attention(
        x, weights, cell.window, cell.heads, cell.shifted, position
    )


def inputs(shape, window, heads, shifted, relative, **how):
    """A cell, rows as (B, T, H, W, C), and the values of its parameters."""
    cell = randomise(wa.WindowAttention(12, window, heads, shifted, relative, **how), scale=0.5)
    x = RNG.standard_normal((*shape, 12)).astype(np.float32)
    return cell, x, [p.asnumpy().astype(np.float64) for p in cell.get_parameters()]


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("shape", "window", "heads"), SHAPES)
def test_attention_against_the_oracle(shape, window, heads, shifted, relative):
    cell, x, values = inputs(shape, window, heads, shifted, relative)
    expected = oracle(cell, x, values)
    out = cell(Tensor(x.reshape(-1, 12)), shape).asnumpy().reshape(x.shape)
    assert np.abs(out - expected).max() < 1e-5


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize(("shape", "window", "heads"), SHAPES[:3])
def test_gradients_are_those_of_the_oracle(shape, window, heads, relative, native):
    """Padded windows too: along a direction, for the rows and for each parameter."""
    cell, x, values = inputs(shape, window, heads, True, relative, native=native)
    weight = RNG.standard_normal(x.shape)
    factors = Tensor(weight.astype(np.float32).reshape(-1, 12))
    loss = lambda rows: (cell(rows, shape) * factors).sum()  # noqa: E731
    by_rows, by_weights = ms.grad(loss, 0, cell.trainable_params())(Tensor(x.reshape(-1, 12)))
    given = [x.astype(np.float64), *values]
    for i, found in enumerate((by_rows, *by_weights)):
        direction = RNG.standard_normal(given[i].shape)
        sides = []
        for step in (-1e-5, 1e-5):
            moved = [v + step * direction if i == j else v for j, v in enumerate(given)]
            sides += [(oracle(cell, moved[0], moved[1:]) * weight).sum()]
        slopes = found.asnumpy().astype(np.float64).reshape(direction.shape)
        size = np.linalg.norm(slopes) * np.linalg.norm(direction)
        assert abs((sides[1] - sides[0]) / 2e-5 - (slopes * direction).sum()) < 5e-6 * size
