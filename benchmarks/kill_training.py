"""A small training, killed again and again at random moments and resumed, against one left alone.

    python benchmarks/kill_training.py [--kills 200] [--seed 0]

A state is saved after every step, so that many kills fall into a write. Each run is killed until it
ends by itself; then every tensor of its last state and every line of its journal, but times, must
be that of the run left alone. Exit code 1 where one is not.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from rvrt.config.loading import override
from rvrt.config.presets import TRAIN_PRESETS
from rvrt.config.training import TrainConfig
from rvrt.training.journal import read
from rvrt.training.state import CHECKPOINTS, Checkpoints, read_state
from rvrt.training.trainer import Trainer
from vimeo_tools.data.png import FrameSize
from vimeo_tools.preparation.synthetic import synthesize

STEPS = 12
TIMES = ("seconds_per_step", "waiting_share")


def small(root: Path) -> TrainConfig:
    """RVRT Light with some 20,000 numbers."""
    model = {
        "embed_dim": 8,
        "num_blocks": [1, 1, 1],
        "depths": [1, 1, 1],
        "num_heads": [1, 1, 1],
        "attention_heads": 2,
        "upsample_dim": 8,
        "mlp_ratio": 1,
    }
    sections = {
        "model": model,
        "data": {"root": str(root), "crop": 8, "frames": 4, "workers": 1},
        "train": {"steps": STEPS, "batch_size": 1, "ema": 0.9},
        "validation": {"clips": 1, "every": 4},
        "checkpoints": {"every": 1, "keep": 2},
        "journal": {"every": 1},
    }
    return override(TRAIN_PRESETS["rvrt-light-debug"], sections)


def start(config: TrainConfig, folder: Path) -> int:
    """The training in a forked process, which has all modules already; its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with (folder.with_suffix(".txt")).open("a") as said:
            os.dup2(said.fileno(), 2)
            Trainer(config, folder).fit()
        code = 0
    finally:
        os._exit(code)


def until_it_ends(config: TrainConfig, folder: Path, longest: float, rng: random.Random) -> Counter:
    """Kill and resume; where the kills came."""
    kills: Counter[str] = Counter()
    while True:
        child = start(config, folder)
        deadline = time.monotonic() + rng.uniform(0, longest)
        ended = status = 0
        while not ended and time.monotonic() < deadline:
            time.sleep(0.002)
            ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            if status:
                sys.exit(f"{folder}: a training ended by itself with {status >> 8}")
            return kills
        writing = any(folder.rglob("*.part*")) if folder.exists() else False
        kills["inside a write" if writing else "elsewhere"] += 1


def untimed(line: dict[str, float]) -> dict[str, float]:
    """Without what no two runs share."""
    return {name: value for name, value in line.items() if name not in TIMES}


def differences(one: Path, other: Path) -> list[str]:
    """Names of tensors and numbers of journal lines that differ."""
    a, b = (read_state(Checkpoints(f / CHECKPOINTS, 1).newest()).arrays for f in (one, other))
    different = [name for name in a | b if not np.array_equal(a.get(name, ()), b.get(name, ()))]
    lines = [
        [{k: v for k, v in line.items() if k not in TIMES} for line in read(f)]
        for f in (one, other)
    ]
    pairs = enumerate(zip(*lines, strict=False))
    different += [f"journal line {n}" for n, (x, y) in pairs if x != y]
    return different + ["length of the journal"] * (len(lines[0]) != len(lines[1]))


def main() -> None:
    """Kill until there were enough."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    kills: Counter[str] = Counter()
    wrong = runs = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthesize(folder / "data", 3, test_clips=1, size=FrameSize(32, 48), seed=5)
        config = small(folder / "data")
        began = time.monotonic()
        os.waitpid(start(config, folder / "alone"), 0)
        whole = time.monotonic() - began
        while kills.total() < arguments.kills:
            runs += 1
            run = folder / f"run_{runs}"
            kills += until_it_ends(config, run, whole / 3, rng)
            different = differences(folder / "alone", run)
            wrong += bool(different)
            print(
                f"run {runs}: {dict(kills)} so far; differs: {different or 'nothing'}", flush=True
            )
    print(f"{kills.total()} kills, {dict(kills)}; {runs} runs, {wrong} of them differ")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
