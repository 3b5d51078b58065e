"""Writes the expected values of this folder: `python -m tests.expected.make ... torch`."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


# --- imresize -----------------------------------------------------------------------------------

RESIZED = {
    "x4_double": lambda module, picture: module.downscale_double(picture, 4),
    "x4_uint8": lambda module, picture: module.imresize(picture, 1 / 4),
    "x3_uint8": lambda module, picture: module.imresize(picture, 1 / 3),
    "x2_replicate": lambda module, picture: module.imresize(picture, 1 / 2, border="replicate"),
    "size_17x50": lambda module, picture: module.imresize(picture, (17, 50)),
}


def picture():
    """(40, 56, 3) uint8: noise, a ramp and fine steps, by whole numbers and an old generator."""
    rng = np.random.RandomState(20)
    y, x, c = np.indices((40, 56, 3))
    noise = rng.randint(0, 256, x.shape)
    ramp = (3 * y + 2 * x + 60 * c) % 256
    steps = np.where((x // 3 + y // 5) % 2, 130, 131)
    return np.select([x < 20, x < 38], [noise, ramp], steps).astype(np.uint8)


def make_imresize():
    from tests.oracles import imresize_oracle

    values = {name: call(imresize_oracle, picture()) for name, call in RESIZED.items()}
    np.savez_compressed(FOLDER / "imresize.npz", **values)


# --- torch --------------------------------------------------------------------------------------


def make_torch():
    from tests.oracles.makers import MAKERS, textured

    torch = {maker.name: maker.make for maker in MAKERS if maker.name.startswith("torch")}
    values = {name: make(textured(0)) for name, make in torch.items()}
    np.savez_compressed(FOLDER / "torch.npz", **values)


# --- BasicSR's resize ---------------------------------------------------------------------------

BASICSR_SCALES = {"1/2": 1 / 2, "1/3": 1 / 3, "1/4": 1 / 4, "2": 2, "4": 4, "0.7": 0.7, "3": 3}


def band():
    """(8, 300, 1) float32 in 0..1: wide, so that coordinates in float32 are off at its end."""
    return np.random.RandomState(21).randint(0, 256, (8, 300, 1)).astype(np.float32) / 255


def make_basicsr():
    from basicsr.utils.matlab_functions import imresize

    values = {name: imresize(band(), scale) for name, scale in BASICSR_SCALES.items()}
    every = {name: np.ascontiguousarray(value[:, ::21]) for name, value in values.items()}
    np.savez_compressed(FOLDER / "basicsr.npz", **every)


# --- networks -----------------------------------------------------------------------------------

SIZES = {
    "embed_dim": 8,
    "window_size": (2, 4, 4),
    "num_heads": (2, 2, 2),
    "attention_heads": 2,
    "num_blocks": (1, 2, 1),
    "upsample_dim": 8,
}


def small_networks():
    """{name: config} of one network of each kind."""
    from rvrt.config.network import RVRTConfig, RVRTLightConfig

    return {
        "rvrt": RVRTConfig(**SIZES, deformable_groups=4),
        "rvrt_light": RVRTLightConfig(**SIZES),
    }


def fixed(name, shape):
    """The weights of a parameter: they depend on its name and shape alone."""
    values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("gamma"):
        values = 1 + 0.2 * values
    elif len(shape) > 1:
        values = values / np.sqrt(np.prod(shape[1:]))
    else:
        values = 0.1 * values
    return values.astype(np.float32)


def frames(seed, height, width):
    """(1, 4, 3, height, width) float32 in 0..1: waves that move, whole levels of 255."""
    rng = np.random.RandomState(seed)
    t, y, x = np.indices((4, height, width))
    colours = []
    for _ in range(3):
        fy, fx, phase = rng.uniform(0.1, 0.7, 3)
        colours.append(127 + 90 * np.sin(fy * (y - 0.8 * t) + fx * (x + 0.6 * t) + 6 * phase))
    noise = rng.uniform(-20, 20, (4, 3, height, width))
    levels = np.rint(np.clip(np.stack(colours, 1) + noise, 0, 255))
    return (levels / 255).astype(np.float32)[None]


def run_network(config):
    """Output, loss and gradient norms of `config` with fixed weights."""
    import mindspore as ms
    from mindspore import Tensor, ops

    from rvrt.models import build_network

    model = build_network(config)
    for parameter in model.get_parameters():
        parameter.set_data(Tensor(fixed(parameter.name, parameter.shape)))
    parameters = model.trainable_params()

    def loss(lq, gt):
        output = model(lq)
        return ops.sqrt((output - gt) ** 2 + 1e-9).mean(), output

    step = ms.value_and_grad(loss, None, parameters, has_aux=True)
    lq, gt = Tensor(frames(1, 33, 35)), Tensor(frames(2, 132, 140))
    (value, output), gradients = step(lq, gt)
    pairs = zip(parameters, gradients, strict=True)
    norms = {p.name: float(np.linalg.norm(g.asnumpy())) for p, g in pairs}
    return {
        "output": output.asnumpy()[..., ::7, ::7],
        "loss": np.float64(value.asnumpy()),
        "names": np.array(sorted(norms)),
        "norms": np.array([norms[name] for name in sorted(norms)], np.float32),
    }


def make_networks():
    from rvrt.runtime import device

    device.use("CPU")
    values = {
        f"{name}/{key}": value
        for name, config in small_networks().items()
        for key, value in run_network(config).items()
    }
    np.savez_compressed(FOLDER / "networks.npz", **values)


if __name__ == "__main__":
    {
        "basicsr": make_basicsr,
        "imresize": make_imresize,
        "networks": make_networks,
        "torch": make_torch,
    }[sys.argv[1]]()
