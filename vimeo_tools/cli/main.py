"""vimeo-prep: options in, one function called, messages out. The main job; see also commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from vimeo_tools._version import __version__
from vimeo_tools.cli.data_set import LAYOUT, beside, locate
from vimeo_tools.cli.detect import detect_command
from vimeo_tools.cli.options import (
    COMMON,
    CONVENTION,
    DASK,
    DEGRADATION,
    FOLDER,
    LISTS,
    PARAMETERS,
    WORKERS,
    add_options,
    choose_lists,
    finish,
    make_executor,
    parse_shard,
    show,
    show_text,
    take_degradation,
)
from vimeo_tools.cli.pack import pack_lmdb
from vimeo_tools.cli.slurm import slurm_script
from vimeo_tools.cli.synthetic import synthesize_command
from vimeo_tools.cli.verify import verify_command
from vimeo_tools.cli.video import from_video
from vimeo_tools.data.codecs import choose_codec
from vimeo_tools.data.lists import ANNOTATION_FORMS, in_both
from vimeo_tools.errors import SettingsError, VimeoToolsError
from vimeo_tools.preparation.prepare import PrepareSettings, describe, prepare
from vimeo_tools.preparation.regroup import regroup as regroup_reds
from vimeo_tools.resize.backends import describe_backend

_INTERRUPTED = 130


class _Group(click.Group):
    """Turns the errors a user can cause into a message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except VimeoToolsError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from None
        except MemoryError as error:
            raise click.ClickException(f"memory ran out: {error}") from None
        except KeyboardInterrupt:
            click.echo("\nInterrupted. What is done is kept: run the same command again.", err=True)
            ctx.exit(_INTERRUPTED)


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    try:
        words = f"resize: {describe_backend()}; pictures: {choose_codec()}"
        click.echo(f"vimeo-prep, version {__version__}; {words}")
    except VimeoToolsError as error:
        raise click.ClickException(str(error)) from None
    ctx.exit()


@click.group(cls=_Group, invoke_without_command=True)
@add_options(*LISTS)
@click.option(
    "--images-root",
    type=FOLDER,
    help="GT frames: the folder of 00001/0001/im1.png.  [default: sequences]",
)
@click.option(
    "--output-dir",
    type=FOLDER,
    help="Gets all output.  [default: BIx4 with --generate-lq, else .]",
)
@click.option("--generate-lq", is_flag=True, help="Make the LQ frames too.")
@click.option(
    "--scale",
    type=click.IntRange(1, 64),
    help="How many times smaller.  [default: 4; 1 for noise and none]",
)
@add_options(LAYOUT, DEGRADATION, CONVENTION, *PARAMETERS)
@click.option(
    "--annotation-form",
    type=click.Choice(list(ANNOTATION_FORMS)),
    default="basicsr",
    show_default=True,
)
@add_options(WORKERS, DASK)
@click.option(
    "--shard",
    type=parse_shard,
    metavar="I/N",
    default="1/1",
    help="Do part I of N, for job arrays; part 1 writes the annotations.",
)
@click.option(
    "--slurm",
    type=click.IntRange(2, 10_000),
    metavar="N",
    help="Print a script for sbatch that does this in N parts, then merges and verifies.",
)
@click.option("--overwrite", is_flag=True, help="Make LQ frames again that are there.")
@click.option(
    "--regroup",
    is_flag=True,
    help="Of REDS: first link the validation clips as 240 to 269 beside the training clips.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@add_options(*COMMON)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version, whether the resize is compiled, and what decodes and encodes.",
)
@click.pass_context
def main(
    ctx: click.Context,
    /,
    workers: int | None,
    dask: str | None,
    slurm: int | None,
    regroup: bool,
    dry_run: bool,
    train_annotation: Path | None,
    test_annotation: Path | None,
    **options: Any,
) -> None:
    """Prepare Vimeo90K: annotations and MATLAB-exact LQ frames.

    Inside an unpacked vimeo_septuplet folder

    \b
        vimeo-prep --generate-lq --output-dir BIx4

    writes BIx4/00001/0001/im1.png and so on and BIx4/meta_info_Vimeo90K_{train,test}_GT.txt.
    Without --generate-lq only the annotations are written. Run again, it does what is missing.
    """
    if ctx.invoked_subcommand:
        _refuse_options_before_command(ctx)
        return
    made = take_degradation(options)
    if options["scale"] is not None:
        made.check_scale(options["scale"])
    if slurm and (dask or options["overwrite"] or options["shard"] != (1, 1)):
        raise SettingsError("--slurm: goes without --shard, --dask and --overwrite")
    if regroup and not dry_run and not slurm:
        show_text(f"regrouped: {regroup_reds(_data_folder(options['images_root']))}")
    options["layout"], options["images_root"], _ = locate(
        options["layout"], options["images_root"], None, _quiet if slurm else show_text
    )
    if options["output_dir"] is None:
        usual = made.folder(options["scale"] or made.usual_scale) if options["generate_lq"] else "."
        options["output_dir"] = Path(usual)
    if dask:  # its workers have other working directories
        for name in ("images_root", "output_dir"):
            options[name] = options[name].absolute()
    if slurm:
        lq = options["output_dir"] if options["generate_lq"] else None
        click.echo(slurm_script(sys.argv[1:], slurm, options["images_root"], lq), nl=False)
        return
    lists = choose_lists(
        beside(options["images_root"]), train_annotation, test_annotation, options["layout"]
    )
    settings = PrepareSettings(lists=lists, degradation=made, **options)
    if leak := in_both(lists, options["layout"]):
        click.echo(f"Warning: leak: {leak}", err=True)
    if dry_run:
        text = describe(settings)
        show(text, {"dry_run": text.splitlines()})
        return
    with make_executor(workers, dask) as executor:
        summary = prepare(settings, executor)
    index, count = settings.shard
    part = f"-{index}-of-{count}" if count > 1 else ""
    finish(ctx, summary, settings.output_dir / f"vimeo-prep-failures{part}.txt")


for command in (pack_lmdb, verify_command, detect_command, from_video, synthesize_command):
    main.add_command(command)
main.add_command(pack_lmdb, "pack")


def _quiet(_text: str) -> None:
    """What else would be said is not for a script."""


def _data_folder(images_root: Path | None) -> Path:
    """The folder of REDS: above train_sharp, and above train in front of that."""
    if images_root is None:
        return Path()
    folder = beside(images_root)
    return folder.parent if folder.name == "train" else folder


def _refuse_options_before_command(ctx: click.Context) -> None:
    given = [
        name
        for name in ctx.params
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        option = "--" + given[0].replace("_", "-")
        command = ctx.invoked_subcommand
        raise click.UsageError(
            f"{option} stands before {command!r}: options of a command follow it"
        )
