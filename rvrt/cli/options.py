"""What the commands of rvrt share."""

from __future__ import annotations

import contextlib
import os
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
    """Turn the errors that a user can cause into a message and exit code 1.

    Under msrun the message names the rank.
    """
    try:
        yield
    except VimeoToolsError as error:
        ranked = os.environ.get("MS_ROLE") == "MS_WORKER" and "RANK_ID" in os.environ
        where = f"rank {os.environ['RANK_ID']}: " if ranked else ""
        raise click.ClickException(f"{where}{error}") from error
