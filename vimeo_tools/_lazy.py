"""Public names of a package that are loaded when they are used (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from vimeo_tools.errors import missing_extra


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
        package: its name.
        homes: of each public name, the module below the package and the name in it, as
            ``resize.matlab.imresize``.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, inside = homes[name].rpartition(".")
        try:
            value = getattr(importlib.import_module(f"{package}.{module}"), inside)
        except ModuleNotFoundError as error:
            message = missing_extra(error, f"{package}.{name}")
            if message is None:
                raise
            raise ModuleNotFoundError(message, name=error.name) from None
        vars(sys.modules[package])[name] = value
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return load, names
