"""The figures of the README and the documents that a CPU can give, measured again.

    python benchmarks/figures.py [--output build/figures] [NAME ...]      # or: make figures

One text file a name: what was measured, where and when, and what the command printed. Which
documents quote it stands in FIGURES. A quiet machine and an hour are needed for all.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PACKAGES = ("numpy", "pillow", "scipy", "mindspore", "isal", "opencv-python-headless", "torch")


class Figure(NamedTuple):
    """Where it is quoted, and the arguments of Python; {out} is a folder of its own."""

    quoted: str
    command: tuple[str, ...]


def _bench(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(HERE / f"{name}.py"), *arguments)


def _roofline(preset: str, what: str) -> tuple[str, ...]:
    return _bench("bench_rvrt", "roofline", preset, "--what", what, "--way", "kernels")


FIGURES = {
    "imresize": Figure("README, docs/imresize.md", _bench("bench_imresize")),
    "imresize_numpy": Figure("docs/imresize.md", _bench("bench_imresize", "--backend", "numpy")),
    "imresize_elsewhere": Figure("README, docs/imresize.md", _bench("imresize_elsewhere")),
    "threads": Figure("docs/imresize.md", _bench("bench_threads")),
    "prepare": Figure("README, docs/data.md", _bench("bench_prepare")),
    "prepare_bd": Figure("docs/degradations.md", _bench("bench_prepare", "--degradation", "bd")),
    "blur": Figure("docs/degradations.md", _bench("bench_blur")),
    "makers": Figure("docs/degradations.md", ("-m", "tests.oracles.makers")),
    "feed": Figure("docs/data.md", _bench("bench_feed")),
    "metrics": Figure("docs/evaluation.md", _bench("metrics_elsewhere")),
    "rvrt_forward": Figure("README, docs/performance.md", _roofline("rvrt", "forward")),
    "rvrt_step": Figure("docs/performance.md", _roofline("rvrt", "step")),
    "light_forward": Figure("docs/performance.md", _roofline("rvrt-light", "forward")),
    "light_step": Figure("docs/performance.md", _roofline("rvrt-light", "step")),
    "restore": Figure(
        "docs/restoring.md, docs/pretrained.md",
        _bench("bench_restore", "rvrt-small", "160x120", "60"),
    ),
    "video_kinds": Figure("docs/restoring.md", _bench("video_kinds", "{out}")),
    "long_film": Figure("docs/restoring.md", _bench("long_film", "4000", "64x48")),
    "kills": Figure("docs/training.md", _bench("kill_training")),
}


def machine() -> str:
    """Processor, its vector instructions, cores, Python and packages."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    model = next((x.partition(":")[2].strip() for x in text.splitlines() if "model name" in x), "")
    vectors = next((name for name in ("avx512f", "avx2") if f" {name} " in text), "")
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    processor = model or platform.processor()
    load = os.getloadavg()[0]
    return (
        f"{processor} {vectors}, {os.cpu_count()} cores, load {load:.1f} before; "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def measure(name: str, folder: Path) -> bool:
    """Run one command; whether it ended well."""
    figure = FIGURES[name]
    own = folder / name
    own.mkdir(parents=True, exist_ok=True)
    call = [part.format(out=own) for part in figure.command]
    head = (
        f"{name}: quoted in {figure.quoted}\n"
        f"command: python {' '.join(call)}\n"
        f"{time.strftime('%Y-%m-%d')}, {machine()}\n\n"
    )
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, *call], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    seconds = time.monotonic() - start
    (folder / f"{name}.txt").write_text(f"{head}{done.stdout}\n[{seconds:.0f} s]\n")
    print(f"{name:20} {seconds:5.0f} s  {'' if done.returncode == 0 else 'FAILED'}", flush=True)
    return done.returncode == 0


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--output", type=Path, default=Path("build/figures"))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - FIGURES.keys():
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(FIGURES)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = [measure(name, arguments.output) for name in arguments.names or FIGURES]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
