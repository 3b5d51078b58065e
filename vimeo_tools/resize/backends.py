"""Who does the sums: the compiled part or, where it was not built, NumPy. The samples are equal."""

from __future__ import annotations

import os
from typing import Literal

from vimeo_tools.errors import SettingsError
from vimeo_tools.resize import compiled

Backend = Literal["compiled", "numpy"]
VARIABLE = "VIMEO_TOOLS_BACKEND"


def backend() -> Backend:
    """Which of the two is used: "compiled" where it was built, "numpy" elsewhere.

    The environment variable VIMEO_TOOLS_BACKEND forces one of them.

    Raises:
        SettingsError: the variable has another value, or asks for what was not built.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "numpy":
        return "numpy"
    if wanted not in ("", "compiled"):
        raise SettingsError(f"{VARIABLE}={wanted}: allowed are compiled and numpy")
    if compiled.AVAILABLE:
        return "compiled"
    if wanted:
        raise SettingsError(
            f"{VARIABLE}=compiled, but the compiled part cannot be loaded ({compiled.REASON}); "
            f"install with a C compiler at hand, or unset {VARIABLE} to use NumPy"
        )
    return "numpy"


def describe_backend() -> str:
    """For people: "compiled (avx2)" or "numpy"."""
    chosen = backend()
    return f"compiled ({compiled.instruction_set()})" if chosen == "compiled" else chosen
