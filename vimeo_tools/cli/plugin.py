"""--plugin: code of the user's own that adds to the tables before options are understood."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def import_plugins(names: Sequence[str]) -> None:
    """Import modules, also those that lie in the working directory.

    Raises:
        click.BadParameter: a module is not there, or ends with an error.
    """
    here = str(Path.cwd())
    if names and here not in sys.path:
        sys.path.append(here)  # last: it shadows nothing; worker processes are given the path too
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and f"{name}.".startswith(f"{error.name}."):
                raise click.BadParameter(
                    f"{name}: there is no such module, neither installed nor in {here}; give a "
                    "module's name, as my_losses for my_losses.py"
                ) from None
            raise click.BadParameter(f"{name}: it needs the module {error.name}") from None
        except Exception as error:  # noqa: BLE001  whatever a user's module raises
            raise click.BadParameter(f"{name!r}: {_described(error)}") from None


def _described(error: Exception) -> str:
    """The error, and where in the user's code it came from."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}: {type(error).__name__}: {error}"


def plugin_option(importer: Callable[[Sequence[str]], None] = import_plugins) -> Decorator:
    """The option; the names are given to ``importer`` before other options are looked at."""
    return click.option(
        "--plugin",
        metavar="MODULE",
        multiple=True,
        is_eager=True,
        expose_value=False,
        callback=lambda _ctx, _option, names: importer(names),
        help="Import this Python module first: it may add to DEGRADATIONS and the other tables.",
    )
