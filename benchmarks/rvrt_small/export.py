"""Weights of a training as they come with the package: half precision, and their record.

    python export.py RUN/best.safetensors METRICS.jsonl...

Writes rvrt-small.safetensors into `rvrt/weights/pretrained`, and its hash and the curve of the
validations into rvrt-small.json there. Each journal goes on where the one before it has ended.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from rvrt.weights.checkpoint import read_arrays, save_weights
from rvrt.weights.pretrained import DEFAULT, FOLDER


def main(source: Path, journals: list[Path]) -> None:
    """Read, round to float16, write, and say what came out."""
    arrays, record = read_arrays(source)
    if record is None:
        sys.exit(f"{source}: no record of its network in it")
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    weights, facts = FOLDER / f"{DEFAULT}.safetensors", FOLDER / f"{DEFAULT}.json"
    save_weights(weights, half, record)
    stored = json.loads(facts.read_text())
    stored["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    stored["curve"] = curve(journals)
    text = json.dumps(stored, indent=2, ensure_ascii=False)
    facts.write_text(text + "\n")
    worst = max(
        float(np.abs(half[n].astype(np.float32) - a).max() / max(np.abs(a).max(), 1e-12))
        for n, a in arrays.items()
    )
    count = sum(array.size for array in half.values())
    print(f"{count} numbers, {weights.stat().st_size} bytes, sha256 {stored['sha256']}")
    print(f"largest rounding, of a tensor's largest value: {worst:.1e}")


def curve(journals: list[Path]) -> dict[int, float]:
    """PSNR on Y of each validation, by the steps of all trainings so far."""
    points: dict[int, float] = {}
    before = 0
    for journal in journals:
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        points |= {before + x["step"]: round(x["psnr_y"], 3) for x in lines if "psnr_y" in x}
        before += max(line["step"] for line in lines)
    return points


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
