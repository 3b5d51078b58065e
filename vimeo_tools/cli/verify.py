"""vimeo-prep verify."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vimeo_tools.cli.options import (
    DASK,
    FILE,
    WORKERS,
    add_options,
    make_executor,
    report_failures,
)
from vimeo_tools.data.septuplets import GT_FOLDER
from vimeo_tools.preparation.verify import verify
from vimeo_tools.resize.matlab import CONVENTIONS


@click.command("verify")
@click.argument("gt", type=click.Path(path_type=Path), default=Path(GT_FOLDER))
@click.argument("lq", type=click.Path(path_type=Path), default=Path("BIx4"))
@click.option("--scale", type=click.IntRange(2, 64), default=4, show_default=True)
@click.option(
    "--convention",
    type=click.Choice(CONVENTIONS),
    help="[default: the recorded one, else the one that fits best]",
)
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Compare N clips only.")
@click.option("--report", type=FILE, help="Write all failures into this file.")
@add_options(WORKERS, DASK)
@click.pass_context
def verify_command(
    ctx: click.Context,
    /,
    gt: Path,
    lq: Path,
    report: Path | None,
    workers: int | None,
    dask: str | None,
    **options: Any,
) -> None:
    """Compare LQ with imresize of GT: every clip whole, every sample equal?

    GT and LQ are septuplet trees, databases or plain folders of pictures.

    \b
        vimeo-prep verify                      # sequences against BIx4
        vimeo-prep verify Set5/HR Set5/LRx4

    Says which convention LQ was made with, how many samples differ and where. Exit code 1 when
    anything is off.
    """
    with make_executor(workers, dask) as executor:
        if dask:  # its workers have other working directories
            gt, lq = gt.absolute(), lq.absolute()
        result = verify(gt, lq, executor=executor, **options)
    click.echo(f"{result}\n  {len(result.failures)} failed")
    report_failures(result.failures, report)
    ctx.exit(int(bool(result.failures)))
