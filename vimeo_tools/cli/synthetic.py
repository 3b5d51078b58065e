"""vimeo-prep synthesize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vimeo_tools.cli.options import (
    COMMON,
    FOLDER,
    WORKERS,
    add_options,
    finish,
    make_executor,
    parse_size,
)
from vimeo_tools.preparation.synthetic import synthesize


@click.command("synthesize")
@click.option("--output-dir", type=FOLDER, default=Path("vimeo_septuplet"), show_default=True)
@click.option("--clips", type=click.IntRange(1, 1_000_000), default=8, show_default=True)
@click.option(
    "--test-clips",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="How many of them, the last, stand in the test list.",
)
@click.option(
    "--size", type=parse_size, metavar="WIDTHxHEIGHT", default="448x256", show_default=True
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@add_options(WORKERS, *COMMON)
@click.pass_context
def synthesize_command(
    ctx: click.Context, /, output_dir: Path, clips: int, workers: int | None, **options: Any
) -> None:
    """Draw septuplets of moving, turning and zooming textures, to try things without a download.

    \b
        vimeo-prep synthesize --clips 20 --output-dir vimeo_septuplet
    """
    with make_executor(workers, None) as executor:
        summary = synthesize(output_dir, clips, executor=executor, **options)
    finish(ctx, summary, output_dir / "vimeo-prep-failures.txt")
