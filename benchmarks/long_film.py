"""Does rvrt-restore's memory stay where it is over a long film?

    python benchmarks/long_film.py FRAMES WIDTHxHEIGHT

Draws a film in scenes of 1,000 frames, restores it with rvrt-small by the command itself, and
prints the memory of the process (MiB, resident) at each tenth of its time, its largest, the seconds
of it all, and how many frames the output has.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rvrt.restoration.encoding import Encoding, choose_encoder
from rvrt.restoration.film import Film
from rvrt.restoration.media import open_frames, write_video
from vimeo_tools.data.video_sequence import Timing

SCENE = 1000


def drawn(count: int, height: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """Patches that move, others in each scene."""
    for index in range(count):
        if index % SCENE == 0:
            rng = np.random.default_rng(index)
            scene = rng.integers(0, 256, (height + 16, width + SCENE // 4 + 1, 3), np.uint8)
            scene = scene[::4, ::4].repeat(4, 0).repeat(4, 1)
        left = index % SCENE // 4
        yield np.ascontiguousarray(scene[:height, left : left + width])


def resident(process: int) -> float:
    """MiB."""
    status = Path(f"/proc/{process}/statm").read_text().split()
    return int(status[1]) * 4096 / 2**20


def main(count: int, size: str) -> None:
    """Restore and print."""
    width, height = map(int, size.split("x"))
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name, "in.mp4"), Path(name, "out.mp4")
        film = Film(Timing.even(Fraction(25), count))
        encoder = choose_encoder(Encoding(), ".mp4", 8)
        write_video(source, drawn(count, height, width), film, encoder)
        command = ["rvrt-restore", str(source), str(target)]
        began, memory = time.monotonic(), []
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
            while running.poll() is None:
                memory.append(resident(running.pid))
                time.sleep(1)
        seconds = time.monotonic() - began
        if running.returncode:
            sys.exit(f"rvrt-restore ended with {running.returncode}")
        tenths = [round(max(part)) for part in np.array_split(memory, 10)]
        out = len(open_frames(target).names)
    print(f"{count} frames of {size}: {seconds:.0f} s, {count / seconds:.1f} frames a second")
    print(f"resident MiB by tenths of the time: {tenths}; {out} frames came out")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
