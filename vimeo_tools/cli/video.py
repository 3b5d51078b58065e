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
@click.option(
    "--output-dir", type=FOLDER, help="[default: vimeo_septuplet, of long sequences REDS]"
)
@click.option(
    "--layout",
    type=click.Choice(["vimeo90k", "reds"]),
    default="vimeo90k",
    show_default=True,
    help="vimeo90k: septuplets; reds: long sequences.",
)
@click.option("--add", is_flag=True, help="Behind the videos that the folder was cut from before.")
@click.option(
    "--size",
    type=parse_size,
    metavar="WIDTHxHEIGHT",
    help="[default: 448x256; of long sequences the video's, cropped to multiples of 8]",
)
@click.option(
    "--frames",
    type=click.IntRange(2, 1_000_000),
    default=CutSettings.frames,
    show_default=True,
    help="Of a long sequence, at most.",
)
@click.option(
    "--least",
    type=click.IntRange(2, 1_000_000),
    default=CutSettings.least,
    show_default=True,
    help="Frames of a long sequence, at least.",
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
    ctx: click.Context,
    /,
    videos: Sequence[Path],
    output_dir: Path | None,
    add: bool,
    workers: int,
    **options: Any,
) -> None:
    """Cut videos into septuplets, or into long sequences, with train and test lists.

    \b
        vimeo-prep from-video holiday.mp4 bikes.mp4 --output-dir my_septuplets

        vimeo-prep from-video --layout reds --frames 60 holiday.mp4

    No clip crosses a scene cut. Pictures are scaled down to cover the size, then cropped.
    """
    settings = CutSettings(**options)
    output_dir = output_dir or Path("REDS" if settings.is_long else "vimeo_septuplet")
    summary = cut_videos(videos, output_dir, settings, add=add, threads=workers)
    finish(ctx, summary, output_dir / "vimeo-prep-failures.txt")
