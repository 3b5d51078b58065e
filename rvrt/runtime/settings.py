"""How graphs and products are computed on a card, as this process and those that it starts have it.

Environment variables, so that processes that MindSpore or a trial starts have them too; the options
`--jit`, `--products` and `--windows` of the commands set them.
"""

from __future__ import annotations

import os

from rvrt.errors import ConfigError

JIT = "RVRT_JIT"
JIT_LEVELS = ("O0", "O1")
PRODUCTS = "RVRT_PRODUCTS"
KINDS_OF_PRODUCTS = ("float32", "short")

WINDOWS = "RVRT_WINDOWS"
KINDS_OF_WINDOWS = ("plain", "fused")


def jit_level() -> str:
    """How far MindSpore optimises a whole graph: "O0", as it is written, or "O1", fused.

    Raises:
        ConfigError: RVRT_JIT has another value.
    """
    return _chosen(JIT, JIT_LEVELS)


def products() -> str:
    """How a card multiplies matrices of float32: "float32", or "short", with factors of 10 bits.

    "short" is TF32 on a GPU and HF32 on Ascend. A CPU has no such thing.

    Raises:
        ConfigError: RVRT_PRODUCTS has another value.
    """
    return _chosen(PRODUCTS, KINDS_OF_PRODUCTS)


def windows() -> str:
    """How a card attends in windows: "plain", or "fused", by one operator of Ascend's.

    Raises:
        ConfigError: RVRT_WINDOWS has another value.
    """
    return _chosen(WINDOWS, KINDS_OF_WINDOWS)


def _chosen(variable: str, allowed: tuple[str, ...]) -> str:
    """The first of the allowed values where nothing is set."""
    value = os.environ.get(variable) or allowed[0]
    if value not in allowed:
        raise ConfigError(f"{variable}={value}: allowed are {', '.join(allowed)}")
    return value
