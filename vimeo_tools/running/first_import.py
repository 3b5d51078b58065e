"""What must be settled before MindSpore is imported, whichever module imports it first.

MindSpore looks for a CUDA while it is imported, and never again; oneDNN reads its instruction set
once. `import rvrt` and `import vimeo_tools.feed`, and with them any of their modules, call `watch`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from vimeo_tools.running import cuda_libraries

_MINDSPORE = "mindspore"


class _Watch(MetaPathFinder):
    """Finds MindSpore as Python does, and has it imported where it can find a CUDA."""

    def __init__(self) -> None:
        self._asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MINDSPORE or self._asking:
            return None
        self._asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking = False
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_with_cuda(module: ModuleType) -> None:
            with cuda_libraries.offered():
                run(module)

        vars(spec.loader)["exec_module"] = run_with_cuda
        return spec


@cache
def watch() -> None:
    """Settle what MindSpore and oneDNN read once; warn where a GPU is lost as it is too late."""
    # The newest instruction set that oneDNN may use. On newer processors it otherwise falls back to
    # slow reference kernels for convolutions; these networks have none and gain from AVX-512.
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    if _MINDSPORE not in sys.modules:
        sys.meta_path.insert(0, _Watch())
    elif came_too_late():
        warnings.warn(
            "mindspore was imported before rvrt or vimeo_tools.feed, which hand it the CUDA "
            "libraries of the extra [cuda11]: this process has no GPU. Put `import rvrt` before "
            "`import mindspore`",
            RuntimeWarning,
            stacklevel=3,
        )


def came_too_late() -> bool:
    """Whether MindSpore, imported already, has missed libraries that would have given it a GPU."""
    if os.environ.get("CUDA_HOME") or cuda_libraries.missing():
        return False
    with cuda_libraries.quiet():
        return not sys.modules[_MINDSPORE].device_context.gpu.is_available()
