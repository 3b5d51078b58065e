import numpy as np
import pytest

from rvrt.config.network import MODEL_PRESETS, Execution, RVRTLightConfig
from rvrt.models.clip_attention import ClipAttention
from tests.oracles import rvrt_sampling
from tests.rvrt.conftest import from_rows, randomise, to_rows


def test_golden(golden, load):
    data = golden("light_attention")
    config = MODEL_PRESETS["rvrt-light-debug"]
    cell = load(ClipAttention(config, Execution()), "deform_align.backward_1.")
    out = cell(*(to_rows(data[name]) for name in "qkv"), (1, 7, 9))
    assert np.abs(from_rows(out, (1, 2, 7, 9)) - data["out"]).max() < 1e-5


@pytest.mark.parametrize("window", [(3, 3), (1, 5)])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 7), (9, 3)])
def test_against_the_oracle(size, window):
    config = RVRTLightConfig(
        embed_dim=6, num_heads=(1, 1, 1), attention_heads=3, attention_window=window
    )
    cell = randomise(ClipAttention(config, Execution()))
    x = np.random.RandomState(0).standard_normal((3, 2, 2, 6, *size)).astype(np.float32)
    q, k, v = x
    out = from_rows(cell(*(to_rows(a) for a in x), (2, *size)), (2, 2, *size))

    def linear(layer, a):
        moved = np.moveaxis(a, -3, -1) @ layer.weight.asnumpy().T + layer.bias.asnumpy()
        return np.moveaxis(moved, -1, -3)

    for b in range(2):
        projected = (
            linear(layer[0], a[b])
            for layer, a in ((cell.proj_q, q), (cell.proj_k, k), (cell.proj_v, v))
        )
        mixed = rvrt_sampling.clip_attention(*projected, 3, window)
        aligned = linear(cell.proj[0], mixed)
        hidden = linear(cell.mlp[0].fc1, aligned)
        hidden = hidden * 0.5 * (1 + np.tanh((2 / np.pi) ** 0.5 * (hidden + 0.044715 * hidden**3)))
        expected = aligned + linear(cell.mlp[0].fc2, hidden)
        assert np.abs(out[b] - expected).max() < 1e-5
