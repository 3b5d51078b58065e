"""A wider upsampler for a trained network: what it computes stays almost the same.

    python widen.py WEIGHTS CHANNELS TARGET

New channels begin as fresh ones, and what reads them at a tenth of that, so that they do little at
first. Shuffled channels are (c, r1, r2), so those of old channels stay the first.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rvrt.weights.checkpoint import read_arrays, save_weights

READERS = ("upsampler.0.weight", "upsampler.5.weight", "upsampler.10.weight", "conv_last.weight")
QUIET = 0.1


def grown(
    old: NDArray[np.float32], shape: tuple[int, ...], first_new: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """`old` in the corner of a fresh array; of channels from `first_new` on it reads little."""
    bound = np.sqrt(1 / np.prod(shape[1:])) if len(shape) > 1 else 0.0
    new = rng.uniform(-bound, bound, shape).astype(np.float32)
    if len(shape) > 1:
        new[: len(old), first_new:] *= QUIET
    new[tuple(slice(0, n) for n in old.shape)] = old
    return new


def main(source: Path, channels: int, target: Path) -> None:
    """Read, widen, write."""
    arrays, record = read_arrays(source)
    if record is None:
        raise SystemExit(f"{source}: no record of the network in it")
    old = record.config.upsample_dim
    rng = np.random.default_rng(0)
    wide = dict(arrays)
    for name, array in arrays.items():
        if not name.startswith(("conv_before_upsampler.", "upsampler.", "conv_last.")):
            continue
        shape = list(array.shape)
        if not name.startswith("conv_last."):
            shape[0] = shape[0] * channels // old
        if name in READERS:
            shape[1] = channels
        wide[name] = grown(array, tuple(shape), old, rng)
    config = dataclasses.replace(record.config, upsample_dim=channels)
    save_weights(target, wide, dataclasses.replace(record, config=config))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
