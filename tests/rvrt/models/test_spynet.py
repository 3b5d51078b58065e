import numpy as np
import pytest
from mindspore import Tensor

from rvrt.config.network import Execution
from rvrt.models.spynet import SpyNet, to_planes
from tests.rvrt.conftest import from_rows


@pytest.fixture
def net(load):
    return load(SpyNet(), "spynet.")


def frames(data, name):
    return Tensor(data[name].astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(("suffix", "size"), [("", (3, 34, 38)), ("_noresize", (1, 64, 112))])
def test_flow_golden(golden, net, suffix, size):
    data = golden("spynet")
    flow = net(frames(data, "ref" + suffix), frames(data, "supp" + suffix))
    assert np.abs(from_rows(flow, size) - data["flow" + suffix]).max() < 1e-5


def test_smaller_pieces_give_the_same_flow(golden, load, net):
    data = golden("spynet")
    pair = frames(data, "ref"), frames(data, "supp")
    pieces = load(SpyNet(Execution(chunk_mb=1)), "spynet.")
    assert np.abs(pieces(*pair).asnumpy() - net(*pair).asnumpy()).max() < 1e-6


def test_planes_undo_rows():
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2 * 4 * 5, 3)
    assert to_planes(Tensor(x), (2, 4, 5)).asnumpy()[1, 2, 3, 4] == x[-1, 2]
