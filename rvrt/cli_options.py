"""What the commands of rvrt share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from vimeo_tools.errors import VimeoToolsError

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


@contextlib.contextmanager
def message_for_errors() -> Iterator[None]:
    """Turn the errors that a user can cause into a message and exit code 1."""
    try:
        yield
    except VimeoToolsError as error:
        raise click.ClickException(str(error)) from error
