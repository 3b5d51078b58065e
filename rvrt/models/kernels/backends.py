"""Who computes the layers on a CPU: the compiled part or, where it was not built, MindSpore.

They agree to float32's rounding. The compiled part knows the gradients of convolutions and of
Swin layers; of the rest, where gradients are wanted, MindSpore's operators do the work.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from rvrt.config.network import Execution, require

try:
    import rvrt.models.kernels._kernels as _kernels
except ModuleNotFoundError:
    AVAILABLE = False
    REASON = "it was not built"
except ImportError as error:  # built for another system
    AVAILABLE = False
    REASON = str(error)
else:
    AVAILABLE = True
    REASON = ""

Backend = Literal["compiled", "mindspore"]
VARIABLE = "RVRT_BACKEND"
INSTRUCTIONS = "RVRT_INSTRUCTIONS"
OPERATORS = "MindSpore's operators"


def backend() -> Backend:
    """Which of the two is used on a CPU: "compiled" where it was built, "mindspore" elsewhere.

    The environment variable RVRT_BACKEND forces one of them.

    Raises:
        ConfigError: the variable has another value, or asks for what was not built.
    """
    wanted = os.environ.get(VARIABLE, "")
    require(
        wanted in ("", "compiled", "mindspore"),
        f"{VARIABLE}={wanted}: allowed are compiled and mindspore",
    )
    require(
        AVAILABLE or wanted != "compiled",
        f"{VARIABLE}=compiled, but the compiled part cannot be loaded ({REASON}); install with a C "
        f"compiler at hand, or unset {VARIABLE} to use MindSpore's operators",
    )
    return "compiled" if AVAILABLE and wanted != "mindspore" else "mindspore"


@lru_cache(maxsize=1)
def instruction_set() -> str:
    """The one in use: this processor's best, or what RVRT_INSTRUCTIONS names (for measurements)."""
    known = _kernels.instruction_sets()
    wanted = os.environ.get(INSTRUCTIONS) or known[-1]
    require(wanted in known, f"{INSTRUCTIONS}={wanted}: allowed here are {', '.join(known)}")
    _kernels.use_instruction_set(wanted)
    return wanted


def describe_backend() -> str:
    """For people: "compiled (avx2)" or "MindSpore's operators"."""
    return f"compiled ({instruction_set()})" if backend() == "compiled" else OPERATORS


def settled(execution: Execution) -> Execution:
    """An execution that asks for the compiled part only where it can be had."""
    if execution.kernels and backend() == "compiled":
        instruction_set()
        return execution
    return replace(execution, kernels=False)
