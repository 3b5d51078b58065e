"""Where five steps of training lead by Adam's paper, in float64, from the network's own gradients.

`python -m tests.oracles.five_steps` writes tests/rvrt/training/five_steps.npy, which the training
step is held against: what each tensor has moved, in units of the largest rate, as float16, one
behind the other.
"""

from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Tensor

from rvrt.config.network import RVRTLightConfig
from rvrt.models import build_network
from rvrt.runtime import device
from rvrt.training.losses import charbonnier
from tests.oracles.adam import NumpyAdam
from tests.rvrt.conftest import randomise

FILE = Path(__file__).parents[1] / "rvrt" / "training" / "five_steps.npy"
# A smooth network: no flow whose samples jump. Its position bias tables have the least gradients.
CONFIG = RVRTLightConfig(
    embed_dim=8,
    window_size=(2, 4, 4),
    num_blocks=(1, 1, 1),
    num_heads=(1, 1, 1),
    attention_heads=2,
    upsample_dim=8,
    mlp_ratio=1,
    relative_position=True,
)
LR, MIN_LR, STEPS = 4e-4, 1e-7, 100


def network():
    """The network that all begins with."""
    return randomise(build_network(CONFIG))


def batch():
    """LQ and GT, noise."""
    rng = np.random.RandomState(3)
    shapes = (1, 4, 3, 9, 10), (1, 4, 3, 36, 40)
    return tuple(Tensor(rng.random_sample(shape).astype(np.float32)) for shape in shapes)


def visible(name, move):
    """What of a tensor's move means something.

    The bias of k adds the same to all scores of a query, so that its gradient is zero, and what is
    computed of it rounding.
    """
    if not name.endswith("qkv_self.bias"):
        return move
    q, _, v = np.split(move, 3)
    return np.concatenate([q, v])


def moves():
    """What each tensor has moved after five steps, in units of LR, by name."""
    cell = network()
    parameters = cell.trainable_params()
    start = {p.name: p.asnumpy().astype(np.float64) for p in parameters}
    values, twins = dict(start), {name: NumpyAdam() for name in start}
    gradients_of = ms.value_and_grad(lambda lq, gt: charbonnier(cell(lq), gt), None, parameters)
    for step in range(1, 6):
        rate = MIN_LR + (LR - MIN_LR) * (1 + np.cos(np.pi * step / STEPS)) / 2
        _, gradients = gradients_of(*batch())
        for p, gradient in zip(parameters, gradients, strict=True):
            change = twins[p.name].change(gradient.asnumpy().astype(np.float64), rate)
            values[p.name] = values[p.name] + change
            p.set_data(Tensor(values[p.name].astype(np.float32)))
    return {name: (values[name] - start[name]) / LR for name in start}


if __name__ == "__main__":
    device.use("CPU")
    np.save(FILE, np.concatenate([move.ravel() for move in moves().values()]).astype(np.float16))
