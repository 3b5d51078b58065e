"""The commands of vimeo-prep beside the main job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vimeo_tools.annotations import read_list
from vimeo_tools.cli_options import (
    DASK,
    FILE,
    FOLDER,
    LISTS,
    WORKERS,
    add_options,
    choose_lists,
    finish,
    make_executor,
    parse_size,
    report_failures,
)
from vimeo_tools.errors import SettingsError
from vimeo_tools.imresize import CONVENTIONS
from vimeo_tools.pack import CONTENTS, PackPlan, pack
from vimeo_tools.septuplets import GT_FOLDER, KEY_PROFILES, SPLITS, usual_size
from vimeo_tools.synthetic import synthesize
from vimeo_tools.verify import verify
from vimeo_tools.video import CutSettings, cut_videos


@click.command("pack-lmdb")
@click.option(
    "--images-root", type=FOLDER, default=Path(GT_FOLDER), show_default=True, help="GT frames."
)
@click.option("--lq-root", type=FOLDER, default=Path("BIx4"), show_default=True, help="LQ frames.")
@add_options(*LISTS)
@click.option(
    "--split",
    "splits",
    type=click.Choice(SPLITS),
    multiple=True,
    help="May be repeated.  [default: train]",
)
@click.option(
    "--content",
    "contents",
    type=click.Choice(list(CONTENTS)),
    multiple=True,
    help="gt-all: all seven GT frames; gt-centre: im4 alone; lq: all seven LQ frames. May "
    "be repeated.  [default: gt-all, and lq where there are LQ frames]",
)
@click.option(
    "--profile",
    type=click.Choice(list(KEY_PROFILES)),
    default="basicsr",
    show_default=True,
    help="Keys as 00001/0001/im1 or as 00001_0001_1.",
)
@click.option("--output-dir", type=FOLDER, default=Path(), show_default=True)
@click.option("--name", help="Of the database, if it is one.  [default: the trainers' name]")
@click.option("--overwrite", is_flag=True, help="Replace databases that are there.")
@click.pass_context
def pack_lmdb(
    ctx: click.Context,
    /,
    images_root: Path,
    lq_root: Path,
    output_dir: Path,
    train_annotation: Path | None,
    test_annotation: Path | None,
    splits: Sequence[str],
    contents: Sequence[str],
    profile: str,
    name: str | None,
    overwrite: bool,
) -> None:
    """Pack frames into LMDB, PNG bytes unchanged.

    Inside a septuplet folder

    \b
        vimeo-prep pack-lmdb

    makes vimeo90k_train_GT_all.lmdb and, from BIx4, vimeo90k_train_LR7frames.lmdb. A database has
    its name only when it is whole; until then it is NAME.lmdb.partial. Run again, it goes on there.
    """
    lists = choose_lists(images_root.parent, train_annotation, test_annotation)
    contents = contents or (["gt-all", "lq"] if lq_root.is_dir() else ["gt-all"])
    splits = splits or ["train"]
    if name and len(contents) * len(splits) > 1:
        raise SettingsError("--name needs one --content and one --split")
    failed = False
    for split in splits:
        if split not in lists:
            raise SettingsError(f"there is no {split} list; name it with --{split}-annotation")
        clips = read_list(lists[split])
        for content in (CONTENTS[content] for content in contents):
            source = lq_root if content.low_quality else images_root
            target = output_dir / (name or content.name_template.format(split=split))
            plan = PackPlan(
                source, target, clips.keys, content.numbers, usual_size(source, clips.keys), profile
            )
            summary = pack(plan, overwrite=overwrite)
            missing = f"; kept as {plan.partial.name} until they are mended" * bool(
                summary.failures
            )
            summary.failures += clips.failures
            click.echo(f"{target}: {summary}{missing}")
            report_failures(summary.failures, output_dir / f"{target.name}.failures.txt")
            failed |= bool(summary.failures)
    ctx.exit(int(failed))


@click.command("verify")
@click.argument("gt", type=click.Path(path_type=Path), default=Path(GT_FOLDER))
@click.argument("lq", type=click.Path(path_type=Path), default=Path("BIx4"))
@click.option("--scale", type=click.IntRange(2), default=4, show_default=True)
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


@click.command("from-video")
@click.argument("videos", type=FILE, nargs=-1, required=True)
@click.option("--output-dir", type=FOLDER, default=Path("vimeo_septuplet"), show_default=True)
@click.option(
    "--size", type=parse_size, metavar="WIDTHxHEIGHT", default=CutSettings.size, show_default=True
)
@click.option(
    "--stride",
    type=click.IntRange(1),
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
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Threads that encode frames.",
)
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


@click.command("synthesize")
@click.option("--output-dir", type=FOLDER, default=Path("vimeo_septuplet"), show_default=True)
@click.option("--clips", type=click.IntRange(1), default=8, show_default=True)
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
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@add_options(WORKERS)
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
