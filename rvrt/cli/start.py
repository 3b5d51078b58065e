"""The installed commands: each module of this folder, or one line that says what to install."""

from __future__ import annotations

import importlib
import signal
import sys

from vimeo_tools._version import __version__
from vimeo_tools.errors import missing_extra


def convert() -> None:
    """rvrt-convert."""
    _start("convert")


def restore() -> None:
    """rvrt-restore."""
    _start("restore")


def evaluate() -> None:
    """rvrt-eval."""
    _start("evaluate", "rvrt-eval")


def train() -> None:
    """rvrt-train."""
    _start("train")


def check() -> None:
    """rvrt-check."""
    _start("check")


def _start(module: str, command: str | None = None) -> None:
    command = command or f"rvrt-{module}"
    try:  # the imports take seconds, in which no command has its own answer to Ctrl-C yet
        importlib.import_module(f"rvrt.cli.{module}").main(prog_name=command)
    except ModuleNotFoundError as error:
        message = missing_extra(error, command)
        if message is None:
            raise
        if sys.argv[1:] == ["--version"]:
            sys.stdout.write(f"{command}, version {__version__}\n")
            return
        sys.exit(f"Error: {message}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
