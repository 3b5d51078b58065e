"""A step of our Adam beside mindspore.nn.Adam's, both compiled, on all weights of a network."""

from __future__ import annotations

import argparse
import time

import rvrt  # isort: split

import numpy as np
from mindspore import Tensor, float32, nn
from timing import measure, show

from rvrt.runtime import device
from rvrt.training.adam import Adam


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", nargs="?", default="rvrt", choices=tuple(rvrt.PRESETS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="CPU", choices=device.TARGETS)
    chosen = parser.parse_args()
    device.use(chosen.device)
    parameters = rvrt.build_network(rvrt.PRESETS[chosen.preset]).trainable_params()
    rng = np.random.default_rng(0)
    gradients = tuple(Tensor(rng.standard_normal(p.shape, np.float32)) for p in parameters)
    theirs, ours = nn.Adam(parameters, 2e-4, beta2=0.99), Adam(parameters, (0.9, 0.99), 1e-8)
    rate, one = Tensor(2e-4, float32), Tensor(1.0, float32)

    def step_theirs() -> None:
        theirs(gradients)
        parameters[0].asnumpy()  # waits for it

    def step_ours() -> None:
        ours(rate, one, *gradients)
        parameters[0].asnumpy()

    steps = {"mindspore.nn.Adam": step_theirs, "ours": step_ours}
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        print(f"{name}: compiled and run in {time.perf_counter() - start:.1f} s")
    title = f"{chosen.preset}: a step on {sum(p.size for p in parameters):,} numbers"
    show(title, measure(steps, chosen.rounds), "mindspore.nn.Adam", 1e-3)


if __name__ == "__main__":
    main()
