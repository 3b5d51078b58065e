"""vimeo-prep verify."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vimeo_tools.cli.data_set import LAYOUT, beside, locate
from vimeo_tools.cli.options import (
    COMMON,
    DASK,
    FILE,
    WORKERS,
    add_options,
    failure_values,
    make_executor,
    report_failures,
    show,
)
from vimeo_tools.data.layouts import SPLITS, Layout
from vimeo_tools.errors import SettingsError
from vimeo_tools.preparation.verify import verify
from vimeo_tools.resize.matlab import CONVENTIONS


@click.command("verify")
@click.argument("gt", type=click.Path(path_type=Path), required=False)
@click.argument("lq", type=click.Path(path_type=Path), required=False)
@click.option("--scale", type=click.IntRange(1, 64), help="[default: the recorded one, else 4]")
@click.option("--degradation", metavar="NAME", help="[default: the recorded one, else bicubic]")
@click.option(
    "--convention",
    type=click.Choice(CONVENTIONS),
    help="Of bicubic.  [default: the recorded one, else the one that fits best]",
)
@click.option("--list", "clip_list", type=FILE, help="Compare the clips of this list.")
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="Compare the clips of this official list beside GT.  [default: what the database says, "
    "both lists where they are, or all clips]",
)
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Compare N clips only.")
@click.option("--report", type=FILE, help="Write all failures into this file.")
@add_options(LAYOUT, WORKERS, DASK, *COMMON)
@click.pass_context
def verify_command(
    ctx: click.Context,
    /,
    gt: Path | None,
    lq: Path | None,
    layout: Layout | None,
    clip_list: Path | None,
    split: str | None,
    report: Path | None,
    workers: int | None,
    dask: str | None,
    **options: Any,
) -> None:
    """Compare LQ with what should be made of GT: every clip whole, every sample equal?

    GT and LQ are septuplet trees, databases or plain folders of pictures.

    \b
        vimeo-prep verify                      # sequences against BIx4
        vimeo-prep verify Set5/HR Set5/LRx4

    Says which convention of bicubic LQ was made with, how many samples differ and where. Exit code
    1 when anything is off.
    """
    layout, gt, lq = locate(layout, gt, lq)
    if split:
        if clip_list:
            raise SettingsError("--list and --split: give one of them")
        clip_list = layout.list_path(beside(gt.absolute()), split)
    with make_executor(workers, dask) as executor:
        if dask:  # its workers have other working directories
            gt, lq = gt.absolute(), lq.absolute()
        result = verify(gt, lq, clip_list=clip_list, layout=layout, executor=executor, **options)
    show(str(result), {**result.values(), **failure_values(result.failures, report)})
    report_failures(result.failures, report)
    ctx.exit(int(bool(result.failures)))
