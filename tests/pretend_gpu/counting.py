"""What a process on the pretend GPU has asked of its card."""

from __future__ import annotations

import ctypes
import os
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

# Kernels by name: MindSpore's own are C++ functions; of the libraries, what starts work.
_LAUNCH = re.compile(
    r"_Z|cuLaunchKernel|cublas(Gemm|S|D)(?!et)|"
    r"cudnn(Softmax|OpTensor|Reduce|Pool|Activ|Batch|Conv)(?!.*Descriptor)"
)


@dataclass(frozen=True)
class Counts:
    """Since the last `reset`: numbers of things, and `peak` in bytes; `calls` by name."""

    launches: int
    uploads: int
    downloads: int
    copies: int
    waits: int
    refused: int
    peak: int
    calls: Counter[str]


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(os.environ["PRETEND_GPU"])


def reset() -> None:
    """Count from here on."""
    _library().pretend_reset()


def counts() -> Counts:
    """What was counted."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "counts")
        _library().pretend_write(str(path).encode())
        return read(path)


def read(path: Path) -> Counts:
    """Counts that a process has written."""
    lines = [line.split() for line in path.read_text().splitlines()]
    calls = Counter({name: int(n) for n, kind, name in lines if kind == "call"})
    seen = {name: int(n) for n, kind, name in lines if kind == "seen"}
    fields = ("uploads", "downloads", "copies", "waits", "refused", "peak")
    launches = sum(n for name, n in calls.items() if _LAUNCH.match(name))
    return Counts(launches, *(seen[field] for field in fields), calls)
