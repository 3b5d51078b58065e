"""Time and memory of small designs, as restored: a table.

    OMP_NUM_THREADS=1 taskset -c 0 python designs.py [FRAMESxHEIGHTxWIDTH]

Each design in a process of its own, with fresh weights, through `rvrt.Restorer`: CPU time of all
threads a frame, the better of two, and the most memory that the process took.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np

EQUAL = {"num_blocks": (1, 1, 1), "attention_heads": 1, "relative_position": True}
DESIGNS = [  # embedding, window, depths, heads, upsampler
    (16, (2, 4, 4), 1, 2, 16),
    (24, (2, 4, 4), 1, 2, 16),
    (24, (2, 8, 8), 1, 2, 16),
    (24, (2, 4, 4), 2, 2, 16),
    (24, (2, 4, 4), 1, 1, 16),
    (24, (2, 4, 4), 1, 1, 24),
    (24, (2, 4, 4), 1, 1, 32),
    (32, (2, 4, 4), 1, 2, 24),
    (48, (2, 8, 8), 2, 2, 32),
]
REPEATS = 2


def measure(design: list, frames: int, height: int, width: int) -> None:
    """Print parameters, CPU milliseconds a frame and MiB of one design, as JSON."""
    from rvrt import Restorer, build_network
    from rvrt.config.network import RVRTLightConfig
    from rvrt.runtime import device

    device.use("CPU")
    embed, window, depth, heads, upsampler = design
    config = RVRTLightConfig(
        embed_dim=embed,
        window_size=tuple(window),
        depths=(depth,) * 3,
        num_heads=(heads,) * 3,
        upsample_dim=upsampler,
        **EQUAL,
    )
    network = build_network(config, device.execution("CPU")).set_train(False)
    clip = np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), np.uint8)
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in Restorer(network).restore(clip):
            pass
        times.append((time.process_time() - started) / frames)
    count = sum(parameter.size for parameter in network.get_parameters())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps([count, 1000 * min(times), peak]))


def main(size: str) -> None:
    """Print the table."""
    print("| embed | window | depths | heads | upsampler | parameters | CPU ms | MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for design in DESIGNS:
        call = [sys.executable, __file__, size, json.dumps(design)]
        done = subprocess.run(call, stdout=subprocess.PIPE, check=True, text=True)
        count, milliseconds, peak = json.loads(done.stdout.splitlines()[-1])
        embed, window, depth, heads, upsampler = design
        cells = [embed, ",".join(map(str, window)), depth, heads, upsampler]
        print("| " + " | ".join(map(str, cells)), end="")
        print(f" | {count:,} | {milliseconds:.0f} | {peak:,.0f} |", flush=True)


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "30x120x160"
    if len(sys.argv) > 2:
        measure(json.loads(sys.argv[2]), *map(int, chosen.split("x")))
    else:
        main(chosen)
