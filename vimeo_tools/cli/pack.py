"""vimeo-prep pack-lmdb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from vimeo_tools.cli.data_set import LAYOUT, beside, locate
from vimeo_tools.cli.options import (
    COMMON,
    FOLDER,
    LISTS,
    add_options,
    choose_lists,
    report_failures,
    show_text,
    show_values,
    summary_values,
)
from vimeo_tools.data.layouts import Layout
from vimeo_tools.data.lists import ClipList, read_list
from vimeo_tools.data.septuplets import KEY_PROFILES, SPLITS, common_size
from vimeo_tools.errors import SettingsError
from vimeo_tools.preparation.pack import pack
from vimeo_tools.preparation.pack_plan import (
    CONTENTS,
    FORMATS,
    PackPlan,
    check_name,
    database_name,
    frame_numbers,
)


@click.command("pack-lmdb")
@click.option("--images-root", type=FOLDER, help="GT frames.  [default: sequences]")
@click.option("--lq-root", type=FOLDER, help="LQ frames.  [default: BIx4]")
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
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="lmdb, or a folder of MindRecord files, one clip a record.",
)
@click.option("--output-dir", type=FOLDER, default=Path(), show_default=True)
@click.option("--name", help="Of the database, if it is one.  [default: the trainers' name]")
@click.option("--overwrite", is_flag=True, help="Replace databases that are there.")
@add_options(LAYOUT, *COMMON)
@click.pass_context
def pack_lmdb(
    ctx: click.Context,
    /,
    images_root: Path | None,
    lq_root: Path | None,
    output_dir: Path,
    train_annotation: Path | None,
    test_annotation: Path | None,
    splits: Sequence[str],
    contents: Sequence[str],
    profile: str,
    form: str,
    layout: Layout | None,
    name: str | None,
    overwrite: bool,
) -> None:
    """Pack frames into LMDB or MindRecord, their bytes unchanged.

    Inside a septuplet folder

    \b
        vimeo-prep pack-lmdb

    makes vimeo90k_train_GT_all.lmdb and, from BIx4, vimeo90k_train_LR7frames.lmdb. A database has
    its name only when it is whole; until then it is NAME.lmdb.partial. Run again, it goes on there.
    """
    layout, images_root, lq_root = locate(layout, images_root, lq_root)
    lists = choose_lists(beside(images_root), train_annotation, test_annotation, layout)
    contents = contents or (["gt-all", "lq"] if lq_root.is_dir() else ["gt-all"])
    clips = _clips_of(layout, images_root, lists)
    splits = splits or [next(iter(clips), "train")]
    if name and len(contents) * len(splits) > 1:
        raise SettingsError("--name needs one --content and one --split")
    if name is not None:
        check_name(name)
    databases = []
    for split in splits:
        if split not in clips:
            raise SettingsError(f"there is no {split} list; name it with --{split}-annotation")
        keys, bad_lines = clips[split]
        for content in (CONTENTS[content] for content in contents):
            source = lq_root if content.low_quality else images_root
            usual = database_name(content, split, source, layout)
            target = output_dir / (name or usual.replace(".lmdb", f".{form}"))
            numbers = frame_numbers(content, layout)
            size = common_size(source, keys, layout)
            plan = PackPlan(source, target, keys, numbers, size, profile, layout, form)
            summary = pack(plan, overwrite=overwrite)
            missing = f"; kept as {plan.partial.name} until they are mended" * bool(
                summary.failures
            )
            summary.failures += bad_lines
            report = output_dir / f"{target.name}.failures.txt"
            show_text(f"{target}: {summary}{missing}")
            report_failures(summary.failures, report)
            databases.append({"database": str(target), **summary_values(summary, report)})
    failed = sum(database["failed"] for database in databases)
    show_values({"databases": databases, "failed": failed})
    ctx.exit(int(failed > 0))


def _clips_of(layout: Layout, gt: Path, lists: Mapping[str, Path]) -> dict[str, ClipList]:
    """The clips of each split: those of its list, or by the layout where there is none."""
    if lists or layout.numbers is not None:
        return {split: read_list(path, layout) for split, path in lists.items()}
    found = layout.splits_of(layout.find_keys(gt))
    return {split: ClipList(keys, []) for split, keys in found.items()}
