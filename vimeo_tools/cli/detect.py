"""vimeo-prep detect."""

from __future__ import annotations

from pathlib import Path

import click

from vimeo_tools.cli.options import COMMON, FOLDER, add_options, show
from vimeo_tools.preparation.detect import USUAL_SAMPLE, detect


@click.command("detect")
@click.argument("lq", type=FOLDER)
@click.option(
    "--gt",
    type=FOLDER,
    help="What LQ was made of.  [default: sequences, GT or the like beside LQ]",
)
@click.option("--scale", type=click.IntRange(2, 64), help="[default: what the sizes say]")
@click.option(
    "--sample",
    type=click.IntRange(1, 1000),
    default=USUAL_SAMPLE,
    show_default=True,
    metavar="N",
    help="Look at N frames, spread over all.",
)
@add_options(*COMMON)
@click.pass_context
def detect_command(
    ctx: click.Context, /, lq: Path, gt: Path | None, scale: int | None, sample: int
) -> None:
    """Find out how LQ frames were made: by whom, with which kernel, phase, border, channel order.

    LQ and GT are trees of pictures of any depth, or databases.

    \b
        vimeo-prep detect BIx4                   # GT is sequences, beside it
        vimeo-prep detect Vid4/BDx4 --gt Vid4/GT

    Exit code 1 where the record beside LQ says otherwise.
    """
    found = detect(lq, gt, scale=scale, sample=sample)
    show(str(found), found.values())
    ctx.exit(int(bool(found.contradiction)))
