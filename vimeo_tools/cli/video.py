"""vimeo-prep from-video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vimeo_tools.cli.options import (
    COMMON,
    FILE,
    FOLDER,
    add_options,
    finish,
    parse_size,
)
from vimeo_tools.preparation.video import CutSettings, cut_videos


@click.command("from-video")
@click.argument("videos", type=FILE, nargs=-1, required=True)
@click.option("--output-dir", type=FOLDER, default=Path("vimeo_septuplet"), show_default=True)
@click.option(
    "--size", type=parse_size, metavar="WIDTHxHEIGHT", default=CutSettings.size, show_default=True
)
@click.option(
    "--stride",
    type=click.IntRange(1, 1_000_000),
    default=CutSettings.stride,
    show_default=True,
    help="Frames from one septuplet's start to the next one's.",
)
@click.option(
    "--scene-threshold",
    type=click.FloatRange(0, 1),
    show_default=True,
    default=CutSettings.scene_threshold,
    help="FFmpeg's score of a scene cut; 1: none.",
)
@click.option(
    "--test-fraction",
    type=click.FloatRange(0, 1),
    show_default=True,
    default=CutSettings.test_fraction,
    help="Last part of each video, for the test list.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Threads that encode frames.",
)
@add_options(*COMMON)
@click.pass_context
def from_video(
    ctx: click.Context, /, videos: Sequence[Path], output_dir: Path, workers: int, **options: Any
) -> None:
    """Cut videos into septuplets in the official layout, with train and test lists.

    \b
        vimeo-prep from-video holiday.mp4 bikes.mp4 --output-dir my_septuplets

    No septuplet crosses a scene cut. Pictures are scaled down to cover the size, then cropped.
    """
    summary = cut_videos(videos, output_dir, CutSettings(**options), threads=workers)
    finish(ctx, summary, output_dir / "vimeo-prep-failures.txt")
