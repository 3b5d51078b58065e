"""What the commands of rvrt share."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from rvrt.runtime import settings
from vimeo_tools._version import __version__
from vimeo_tools.cli.plugin import import_plugins, plugin_option
from vimeo_tools.errors import VimeoToolsError

__all__ = [
    "DEVICE",
    "DTYPE",
    "EXIT_OF_SIGNAL",
    "PATH",
    "PLUGIN",
    "VERSION",
    "computing",
    "message_for_errors",
]

EXIT_OF_SIGNAL = 128  # plus the number of the signal, as shells count
_LONGEST_PATH = 200
PATH = click.Path(path_type=Path)
DEVICE = click.option(
    "--device",
    "target_device",
    type=click.Choice(["CPU", "GPU", "Ascend"]),
    default="CPU",
    show_default=True,
)
DTYPE = click.option(
    "--dtype", type=click.Choice(["float32", "float16"]), default="float32", show_default=True
)


def _setting(name: str, variable: str, allowed: Sequence[str], text: str) -> Callable[..., Any]:
    """An option that becomes a variable of this process's environment, for those that it starts."""

    def keep(_ctx: click.Context, _option: click.Parameter, value: str | None) -> None:
        if value is not None:
            os.environ[variable] = value

    return click.option(
        name, type=click.Choice(allowed), expose_value=False, callback=keep, help=text
    )


def computing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of how a card computes."""
    jit = _setting(
        "--jit",
        settings.JIT,
        settings.JIT_LEVELS,
        "Of the graphs that a card runs: as they are, or with operators fused.  [default: O0]",
    )
    products = _setting(
        "--products",
        settings.PRODUCTS,
        settings.KINDS_OF_PRODUCTS,
        "Of float32 on a card: short has factors of 10 bits, TF32 on a GPU, HF32 on Ascend.  "
        "[default: float32]",
    )
    windows = _setting(
        "--windows",
        settings.WINDOWS,
        settings.KINDS_OF_WINDOWS,
        "Of attention: plain, or fused, by one operator of Ascend's from A2 on; float16, not in "
        "training.  [default: plain]",
    )
    with_all: Callable[..., Any] = jit(products(windows(command)))
    return with_all


def _import_plugins(names: Sequence[str]) -> None:
    if names:
        # Its settings come before MindSpore, which a plugin may import; the baseline needs neither.
        with contextlib.suppress(ModuleNotFoundError):
            import rvrt.runtime.device  # noqa: F401
    import_plugins(names)


PLUGIN = plugin_option(_import_plugins)


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    text = f"{ctx.find_root().info_name}, version {__version__}"
    with contextlib.suppress(ModuleNotFoundError):  # measuring needs no MindSpore
        from rvrt.models.kernels.backends import describe_backend

        try:
            text += f"; networks on a CPU: {describe_backend()}"
        except VimeoToolsError as error:
            raise click.ClickException(str(error)) from None
    click.echo(text)
    ctx.exit()


VERSION = click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version, and what computes networks on a CPU, and exit.",
)


@contextlib.contextmanager
def message_for_errors() -> Iterator[None]:
    """Turn the errors that a user can cause into a message and exit code 1, Ctrl-C into 130.

    Under msrun the message names the rank.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nInterrupted. What is done is kept: run the same command again.", err=True)
        sys.exit(EXIT_OF_SIGNAL + signal.SIGINT)
    except OSError as error:
        where = _short(f"{error.filename}: ") if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from error
    except VimeoToolsError as error:
        ranked = os.environ.get("MS_ROLE") == "MS_WORKER" and "RANK_ID" in os.environ
        where = f"rank {os.environ['RANK_ID']}: " if ranked else ""
        raise click.ClickException(f"{where}{error}") from error


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_PATH else f"{text[:_LONGEST_PATH]}...: "
