"""The CUDA 11 libraries of the extra [cuda11], handed to MindSpore, which looks for a whole CUDA.

MindSpore tries its GPU plugin while it is imported, and only where `$CUDA_HOME/bin/nvcc` tells a
version; the plugin then needs the libraries below. Both are offered here to machines that have no
CUDA of their own: a program that answers for nvcc, and the libraries, loaded beforehand.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Folder below site-packages/nvidia and what is loaded from it, each after all that it needs.
LIBRARIES = (
    ("cuda_runtime", "libcudart.so.11.0"),
    ("cuda_nvrtc", "libnvrtc.so.11.2"),
    ("cublas", "libcublasLt.so.11"),
    ("cublas", "libcublas.so.11"),
    ("cufft", "libcufft.so.10"),
    ("curand", "libcurand.so.10"),
    ("cusparse", "libcusparse.so.11"),
    ("cusolver", "libcusolver.so.11"),
    ("cudnn", "libcudnn.so.8"),
    # cuDNN opens these by name when they are needed, and finds those that are there already
    ("cudnn", "libcudnn_ops_infer.so.8"),
    ("cudnn", "libcudnn_cnn_infer.so.8"),
    ("cudnn", "libcudnn_adv_infer.so.8"),
    ("cudnn", "libcudnn_ops_train.so.8"),
    ("cudnn", "libcudnn_cnn_train.so.8"),
    ("cudnn", "libcudnn_adv_train.so.8"),
)
DRIVER = "libcuda.so.1"
_NVCC = """#!/bin/sh
echo "Cuda compilation tools, release 11.8, V11.8.89"
"""
_EXTRA = "pip install 'vimeo-tools[cuda11]'"


def missing(folders: list[str] | None = None) -> str | None:
    """What a GPU lacks here, as a sentence; None if libraries and driver are there.

    `folders` are searched instead of sys.path.
    """
    lacking = [(folder, name) for folder, name in LIBRARIES if not _path(folder, name, folders)]
    if len(lacking) == len(LIBRARIES):
        return f"The CUDA 11 libraries are not installed: {_EXTRA}"
    for folder, name in lacking:
        package = f"nvidia-{folder.replace('_', '-')}-cu11"
        return f"{name} of {package} is not installed: {_EXTRA}"
    try:
        ctypes.CDLL(DRIVER, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        return f"NVIDIA's driver is not installed: {error}"
    return None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No log of the places in which MindSpore does not find a library that it then does without."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def offered(folders: list[str] | None = None) -> Iterator[None]:
    """Import MindSpore within this, so that it finds a CUDA.

    Nothing is done where CUDA_HOME names one already, and where libraries or the driver are
    missing. `folders` are searched instead of sys.path.
    """
    if os.environ.get("CUDA_HOME") or missing(folders):
        yield
        return
    # kernels for newer cards are compiled from PTX: only those that are used
    os.environ.setdefault("CUDA_MODULE_LOADING", "LAZY")
    for folder, name in LIBRARIES:
        ctypes.CDLL(str(_path(folder, name, folders)), mode=ctypes.RTLD_GLOBAL)
    with tempfile.TemporaryDirectory(prefix="rvrt-cuda-") as home:
        nvcc = Path(home, "bin", "nvcc")
        nvcc.parent.mkdir()
        nvcc.write_text(_NVCC)
        nvcc.chmod(0o755)
        os.environ["CUDA_HOME"] = home
        try:
            with quiet():
                yield
        finally:
            del os.environ["CUDA_HOME"]


def _path(folder: str, name: str, folders: list[str] | None) -> Path | None:
    paths = (Path(start, "nvidia", folder, "lib", name) for start in folders or sys.path)
    return next((path for path in paths if path.is_file()), None)
