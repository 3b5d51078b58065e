"""Weights of a training in half precision, with their record: half the size.

python export.py RUN/last.safetensors rvrt-small.safetensors
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np

from rvrt.weights.checkpoint import read_arrays, save_weights


def main(source: Path, target: Path) -> None:
    """Read, round to float16, write, and say what came out."""
    arrays, record = read_arrays(source)
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    save_weights(target, half, record)
    count = sum(array.size for array in half.values())
    worst = max(
        float(np.abs(half[n].astype(np.float32) - a).max() / max(np.abs(a).max(), 1e-12))
        for n, a in arrays.items()
    )
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    print(f"{count} numbers, {target.stat().st_size} bytes, sha256 {digest}")
    print(f"largest rounding, of a tensor's largest value: {worst:.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
