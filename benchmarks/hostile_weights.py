"""Weights files and settings, damaged and made up by the thousand: each must end in a result or in
one line, within bounded memory and time, and without ending the process.

    python benchmarks/hostile_weights.py --count 2000 --seed 1

Each kind of file is made from whole ones (bytes flipped, cut, put in, repeated, replaced by numbers
at the edge of their type) and from its own grammar (protocol buffers of any dims, headers of any
shape, pickles of any operations, YAML of any signs), and read by a second process whose address
space is limited. A file on which that process dies, hangs or shows a traceback is kept, named, and
makes the exit code 1.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hostile_files import content_of, whole_files

SUFFIXES = {
    "ckpt": "ckpt",
    "safetensors": "safetensors",
    "pth": "pth",
    "legacy": "pth",
    "yaml": "yaml",
    "setting": "txt",
}
# The process that reads.


def read(kind: str, path: Path, rng: random.Random) -> None:
    """As the commands do, up to where a network would be built."""
    from rvrt.config.loading import load_config
    from rvrt.weights.checkpoint import read_arrays, require_size
    from rvrt.weights.torch_pickle import read_torch_file

    if kind == "yaml":
        load_config("rvrt-debug", path)
    elif kind == "setting":
        key = rng.choice(("train.steps", "data.root", "model.num_heads", "optimiser.lr", "train"))
        load_config(
            "rvrt-debug", None, [f"{key}={path.read_bytes().decode('utf-8', 'surrogateescape')}"]
        )
    elif kind in ("pth", "legacy"):
        read_torch_file(path)
    else:
        arrays, record = read_arrays(path)
        if record is not None:
            require_size(record.config, arrays, path)


def work(given: argparse.Namespace, kinds: list[str], folder: Path) -> None:
    """Print for each file its kind, how it ended, and how many seconds it took."""
    import rvrt.config.loading
    import rvrt.weights.checkpoint  # before time and memory are measured
    import rvrt.weights.torch_pickle  # noqa: F401
    from rvrt.errors import RvrtError

    whole = whole_files(folder)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (given.memory_mb << 20),) * 2)
    for place in range(given.start, given.count * len(kinds)):
        kind, number = kinds[place // given.count], place % given.count
        rng = random.Random(f"{kind} {given.seed} {number}")
        path = folder / f"{kind}_{given.seed}_{number}.{SUFFIXES[kind]}"
        path.write_bytes(content_of(kind, whole[kind], rng))
        # Both end the process; the first counts processor time, as the machine may be busy.
        signal.setitimer(signal.ITIMER_PROF, given.seconds)
        signal.alarm(10 * given.seconds)
        begun = time.process_time()
        try:
            read(kind, path, rng)
            outcome = "read"
        except RvrtError as error:
            outcome = "refused" if str(error).isprintable() else "unprintable"
        except MemoryError:
            outcome = "memory"
        except Exception as error:  # noqa: BLE001
            outcome = type(error).__name__
        taken = time.process_time() - begun
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        if outcome in ("read", "refused"):
            path.unlink()
        print(outcome, f"{taken:.4f}", flush=True)


# The process that counts.


def campaign(
    given: argparse.Namespace, kinds: list[str], folder: Path
) -> tuple[dict[str, Counter[str]], dict[str, float]]:
    """How the files of each kind ended, and the longest that one of them took, in seconds."""
    outcomes = {kind: Counter[str]() for kind in kinds}
    slowest = dict.fromkeys(kinds, 0.0)
    place = 0
    while place < given.count * len(kinds):
        command = [sys.executable, __file__, *sys.argv[1:], "--worker", f"--start={place}"]
        command += ["--folder", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            outcome, taken = line.split()
            kind = kinds[place // given.count]
            outcomes[kind][outcome] += 1
            slowest[kind] = max(slowest[kind], float(taken))
            place += 1
        if not done.stdout:
            sys.exit(f"the reading process does not start:\n{done.stderr}")
        if place < given.count * len(kinds):
            kind = kinds[place // given.count]
            outcomes[kind][f"died ({done.returncode})"] += 1
            print(f"{kind} {place % given.count}: died ({done.returncode}): {done.stderr[-300:]}")
            place += 1
    return outcomes, slowest


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kinds", default=",".join(SUFFIXES))
    parser.add_argument("--count", type=int, default=500, help="files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory-mb", type=int, default=1024, help="beside what is loaded")
    parser.add_argument("--seconds", type=int, default=10, help="for one file")
    parser.add_argument("--folder", type=Path, help="where bad files are kept")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    kinds = given.kinds.split(",")
    folder = given.folder or Path(tempfile.mkdtemp(prefix="hostile_"))
    folder.mkdir(parents=True, exist_ok=True)
    if given.worker:
        work(given, kinds, folder)
        return
    outcomes, slowest = campaign(given, kinds, folder)
    bad = 0
    for kind, counted in outcomes.items():
        bad += counted.total() - counted["read"] - counted["refused"]
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counted.items()))
        print(f"{kind}: {counted.total()} files: {counts}; slowest {slowest[kind]:.2f} s")
    print(f"{bad} bad" + (f", kept in {folder}" if bad else ""))
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
