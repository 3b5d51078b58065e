import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor, grad, ops

from rvrt.config.network import Execution
from rvrt.models import rows, upsampler
from rvrt.models.linear import Conv, leaky_relu
from tests.rvrt.conftest import from_rows, randomise, to_rows

RNG = np.random.RandomState(0)


def convolve(x, weight, bias):
    """(N, C, H, W), zeros beyond the border, one pixel at a time."""
    n, _, h, w = x.shape
    k = weight.shape[-1]
    padded = np.pad(x, ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    out = np.zeros((n, len(weight), h, w))
    for y, z in np.ndindex(h, w):
        patch = padded[:, :, y : y + k, z : z + k].reshape(n, -1)
        out[:, :, y, z] = patch @ weight.reshape(len(weight), -1).T + bias
    return out


@pytest.mark.parametrize(("kernel", "video"), [(1, True), (3, True), (7, False)])
def test_conv_is_a_zero_padded_convolution(kernel, video):
    cell = randomise(Conv(5, 4, kernel, video=video))
    x = RNG.standard_normal((3, 5, 6, 9)).astype(np.float32)
    out = from_rows(cell(to_rows(x), (3, 6, 9)), (3, 6, 9))
    expected = convolve(x, cell.weight.asnumpy(), cell.bias.asnumpy())
    assert np.abs(out - expected).max() < 1e-5


def test_conv_in_pieces_gives_the_same():
    cell = randomise(Conv(5, 4, 3))
    x = to_rows(RNG.standard_normal((5, 5, 6, 9)).astype(np.float32))
    whole = cell(x, (5, 6, 9)).asnumpy()
    cell.chunk_floats = 2 * 6 * 9 * 9 * 5
    assert np.array_equal(cell(x, (5, 6, 9)).asnumpy(), whole)


def test_conv_gradients_are_those_of_the_convolution():
    """The backward pass is written by hand: against finite differences of a linear map."""
    cell = randomise(Conv(2, 3, 3))
    x = RNG.standard_normal((2, 2, 4, 5)).astype(np.float32)
    out = RNG.standard_normal((2, 3, 4, 5)).astype(np.float32)

    def loss(rows_, weight):
        y = cell.convolve(rows_, weight, cell.bias, (2, 4, 5))
        return (y * to_rows(out)).sum()

    weight = cell.weight.asnumpy()
    rows_grad, weight_grad = grad(loss, (0, 1))(to_rows(x), Tensor(weight))
    for i in np.ndindex(*weight.shape):
        unit = np.zeros_like(weight)
        unit[i] = 1
        assert abs((convolve(x, unit, 0) * out).sum() - weight_grad.asnumpy()[i]) < 1e-4
    got = from_rows(rows_grad, (2, 4, 5))
    for i in np.ndindex(*x.shape):
        unit = np.zeros_like(x)
        unit[i] = 1
        assert abs((convolve(unit, weight, 0) * out).sum() - got[i]) < 1e-4


def test_flip_swaps_the_frames_of_each_clip():
    x = RNG.standard_normal((2, 2, 3, 4, 5)).astype(np.float32)
    out = from_rows(rows.flip_clips(to_rows(x), 2), (2, 2, 4, 5))
    assert np.array_equal(out, x[:, ::-1])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=6, max_size=6), st.sampled_from([(6,), (2, 3)]), st.data()
)
def test_a_moves_gradient_is_the_gathers(taken, shape, data):
    """Rows taken once, several times or not at all; row 6 is one of zeros where there is one."""
    padded = data.draw(st.booleans())
    table = np.minimum(taken, 6 if padded else 5).reshape(shape).astype(np.int32)
    tables = rows.as_tables(lambda: table)
    cell = rows.PaddedMove() if padded else rows.Move()
    x = Tensor(RNG.standard_normal((6, 2)).astype(np.float32))
    factors = Tensor(RNG.standard_normal((*shape, 2)).astype(np.float32))

    def plain(x):
        return rows.gather_rows(rows.with_zero_row(x) if padded else x, tables(6)[0])

    def found(x):
        return cell(x, *tables(6))

    assert np.array_equal(found(x).asnumpy(), plain(x).asnumpy())
    one, other = (grad(lambda x, f=f: (f(x) * factors).sum())(x).asnumpy() for f in (found, plain))
    assert np.abs(one - other).max() < 2e-6


def test_leaky_relu():
    x = Tensor(np.array([-2.0, 0, 3], np.float32))
    assert np.allclose(leaky_relu(x, 0.1).asnumpy(), [-0.2, 0, 3])
    assert np.array_equal(leaky_relu(x, 0.0).asnumpy(), [0, 0, 3])


def test_upsampler_golden(golden, load):
    data = golden("upsample")
    cell = load(upsampler.Upsampler(64, 4, Execution()), "upsampler.")
    x = np.moveaxis(data["x"], 2, 1)[0]
    out = from_rows(cell(to_rows(x), (2, 4, 5)), (2, 16, 20))
    assert np.abs(out - np.moveaxis(data["out"], 2, 1)[0]).max() < 1e-5


def test_pixel_shuffle_golden(golden):
    """The two tables together are the official shuffle of channels (c, r, r)."""
    data = golden("ops")
    x = data["pixelshuffle_in"].reshape(1, 8, 2, 3)
    order = upsampler.plan_shuffle_channels(2)
    half = to_rows(x[:, order]).reshape(-1, 4)
    out = ops.gather(half, Tensor(upsampler.plan_shuffle_rows(1, 2, 3)), 0)
    assert np.array_equal(from_rows(out, (1, 4, 6)), data["pixelshuffle_out"].reshape(1, 2, 4, 6))
