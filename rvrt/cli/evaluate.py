"""rvrt-eval: parse, open the sequences and the network, call one function, show the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rvrt.cli.evaluate_job import (
    NO_WEIGHTS,
    TILINGS,
    Choices,
    make_facts,
    make_restorer,
    make_settings,
    open_network,
    open_sequences,
)
from rvrt.cli.options import DEVICE, DTYPE, PATH, PLUGIN, VERSION, computing, message_for_errors
from rvrt.config.network import MODEL_PRESETS
from rvrt.evaluation.evaluator import Job, evaluate, unmeasured
from rvrt.evaluation.groups import find_groups, read_groups
from rvrt.evaluation.lpips import Lpips
from rvrt.evaluation.metrics import MORE_METRICS
from rvrt.evaluation.protocol import PROTOCOLS
from rvrt.evaluation.recipes import look_at, warnings
from rvrt.evaluation.report.page import write_comparison, write_report
from rvrt.evaluation.results_table import results_table
from rvrt.evaluation.temporal import PAIR_METRICS
from rvrt.evaluation.verify import verification_lines
from rvrt.evaluation.verify import verify as verify_results
from rvrt.weights.pretrained import NAMES
from vimeo_tools.cli.options import parse_shard
from vimeo_tools.data.septuplets import SPLITS
from vimeo_tools.degradations import DEGRADATIONS
from vimeo_tools.resize.matlab import CONVENTIONS


def _parse_groups(_ctx: object, _option: object, values: tuple[str, ...]) -> dict[str, Path]:
    """For click: NAME=FILE, several times."""
    groups: dict[str, Path] = {}
    for value in values:
        name, equals, file = value.partition("=")
        if not (name and equals and file) or name in groups:
            raise click.BadParameter(f"{value!r}: give each group once, as in slow=sep_slow.txt")
        groups[name] = Path(file)
    return groups


@click.command()
@click.argument("folders", nargs=-1, type=PATH, metavar="[RESULTS]...")
@click.option(
    "--weights",
    type=PATH,
    help="Made by rvrt-convert or by training; or "
    f"{', '.join(NAMES)}, which comes with the package; or none, for the "
    "baseline alone without MindSpore.",
)
@click.option(
    "--restored",
    type=PATH,
    metavar="FOLDER",
    help="Instead of --weights: frames that any other program has restored, as "
    "FOLDER/sequence/frame.png, by the names of the true ones.",
)
@click.option(
    "--preset",
    type=click.Choice(list(MODEL_PRESETS)),
    help="Refuse weights of another network. The network itself is told from the file.",
)
@click.option(
    "--data",
    type=PATH,
    metavar="FOLDER",
    help="vimeo_septuplet: its list, sequences or GT database, and BIx4 or LQ database; or REDS, "
    "Vid4 and so on as published. Without LQ frames they are made from GT.",
)
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True)
@click.option(
    "--gt",
    type=PATH,
    metavar="FOLDER",
    help="Instead of --data: true frames as FOLDER/sequence/frame.png or FOLDER/frame.png, or "
    "septuplets as a folder or a database.",
)
@click.option("--lq", type=PATH, metavar="FOLDER", help="LQ frames of --gt; without it made of GT.")
@click.option("--list", "clip_list", type=PATH, help="The clips, when --gt holds septuplets.")
@click.option(
    "--protocol",
    metavar="NAME",
    help=f"What is measured and averaged: {', '.join(PROTOCOLS)}.  [default: vimeo-centre of "
    "septuplets; vid4 and reds4 of their sequences; frames of all others]",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Beside PSNR and SSIM and what the protocol has: "
    f"{', '.join([*MORE_METRICS, *PAIR_METRICS])}.",
)
@click.option(
    "--lpips",
    "lpips_files",
    type=PATH,
    nargs=2,
    metavar="ALEXNET.PTH ALEX.PTH",
    help="Measure LPIPS too, by weights of yours: torchvision's of AlexNet, and alex.pth (0.1) of "
    "the package lpips.",
)
@click.option(
    "--degradation",
    metavar="NAME",
    help=f"How LQ frames are made: {', '.join(DEGRADATIONS)}, as bd (sigma 1.2), or one of a "
    "plugin. Where there are none they are made so; those whose record says otherwise are "
    "refused.  [default: bicubic]",
)
@click.option(
    "--convention",
    type=click.Choice(list(CONVENTIONS)),
    help="How LQ frames are made where there are none; see vimeo-prep.  [default: double]",
)
@click.option(
    "--scale",
    type=click.IntRange(2),
    help="How many times smaller LQ frames are.  [default: what the network enlarges; without one, "
    "that of the frames that are there, or 4]",
)
@click.option(
    "--baseline",
    type=click.Choice(["bicubic"]),
    default="bicubic",
    show_default=True,
    help="Measured beside the network: MATLAB's bicubic enlargement.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=LIST",
    callback=_parse_groups,
    help="Means of these clips by themselves. Lists as sep_slow.txt beside --data are found.",
)
@click.option("--every-nth", type=click.IntRange(1), default=1, help="Take each Nth sequence.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many of them.")
@click.option(
    "--tile",
    type=int,
    metavar="PIXELS",
    help="Cut LQ frames into tiles of this side, which overlap by 32.  [default: whole frames]",
)
@click.option(
    "--tile-frames",
    type=click.IntRange(min=6),
    help="Frames that the network sees at once, at most.  [default: 30]",
)
@click.option(
    "--tiling",
    type=click.Choice(TILINGS),
    default=TILINGS[0],
    show_default=True,
    help="authors: as by their test program, with tiles of --tile and --tile-frames, all frames at "
    "once without the latter.",
)
@click.option("--save-images", is_flag=True, help="Keep every restored frame that is measured.")
@click.option(
    "--shard",
    metavar="I/N",
    default="1/1",
    callback=lambda _ctx, _option, value: parse_shard(value),
    help="Measure part I of N; the last to end writes the results.",
)
@click.option(
    "--output-dir",
    type=PATH,
    default="rvrt-eval",
    show_default=True,
    help="Gets everything that is written; a stopped run goes on where it stopped.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Measure nothing: show the folders RESULTS side by side, in compare.html of --output-dir.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Measure saved pictures of the folder RESULTS, or of its results.json, again; exit code 1 "
    "where a score differs.",
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="For --verify: how many pictures, drawn at random.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="For --verify: of the sample.")
@DEVICE
@computing
@DTYPE
@PLUGIN
@VERSION
def main(
    folders: tuple[Path, ...],
    compare: bool,
    verify: bool,
    sample: int,
    seed: int,
    lpips_files: tuple[Path, Path] | None,
    groups: dict[str, Path],
    every_nth: int,
    limit: int | None,
    shard: tuple[int, int],
    output_dir: Path,
    baseline: str,
    weights: Path | None,
    **options: Any,
) -> None:
    """Measure restored frames against the true ones: PSNR and SSIM, on Y and RGB, beside bicubic.

    Sequences come from Vimeo90K (--data) or from any pair of folders (--lq, --gt). A run that was
    stopped goes on where it stopped when the same command is given again.

    rvrt-eval --compare RESULTS RESULTS and rvrt-eval --verify RESULTS look at results that are
    there.
    """
    if compare or verify:
        _look_at(folders, compare, verify, output_dir, options["gt"], sample, seed)
        return
    if folders:
        raise click.UsageError(f"{folders[0]}: results are given with --compare or --verify")
    if weights is None and options["restored"] is None:
        raise click.UsageError("Missing option '--weights', or '--restored'.")
    with message_for_errors():
        if lpips_files is not None:
            MORE_METRICS["lpips"] = Lpips.of_files(*lpips_files)
            options["metrics"] = (*options["metrics"], "lpips")
        of_network = None if str(weights) == NO_WEIGHTS else weights
        choices = Choices(weights=of_network, **options)
        network = open_network(choices)
        sequences = open_sequences(choices, network)
        if choices.data is not None:
            groups = find_groups(choices.data) | groups
        group_of = read_groups(groups, sequences.keys)
        keys = sequences.keys[::every_nth][:limit]
        settings = make_settings(choices, sequences, network)
        chosen = {**settings.to_json(), "every_nth": every_nth, "limit": limit}
        facts = make_facts(choices, sequences, network, chosen)
        found = look_at(sequences, keys)
        recipe = network.degradation if network else None
        for warning in warnings(sequences.source, found, recipe):
            click.echo(f"Warning: {warning}", err=True)
        job = Job(output_dir, sequences, keys, group_of, settings, facts, shard)
        restorer = make_restorer(choices, network)
        results = evaluate(job, restorer)
        if results is None:
            click.echo(
                f"{output_dir}: part {shard[0]} of {shard[1]} is done, {unmeasured(job)} sequences "
                "are left to the others; the last of them writes the results"
            )
            return
        report = write_report(output_dir)
    for line in results_table(results):
        click.echo(line)
    if restorer and restorer.told:
        click.echo(restorer.told)
    if results.nan_frames:
        click.echo(
            f"{results.nan_frames} of {results.frames} restored frames hold NaN or infinity; "
            "means over them are NaN",
            err=True,
        )
    click.echo(f"to look at: {report}")


def _look_at(
    folders: tuple[Path, ...],
    compare: bool,
    verify: bool,
    output: Path,
    gt: Path | None,
    sample: int,
    seed: int,
) -> None:
    """Results that are there: side by side, or measured again."""
    wanted = 2 if compare else 1
    if compare and verify:
        raise click.UsageError("give --compare or --verify, not both")
    if len(folders) < wanted or (verify and len(folders) > 1):
        raise click.UsageError(
            "--compare takes two folders of results or more" if compare else "--verify takes one"
        )
    with message_for_errors():
        if compare:
            click.echo(f"to look at: {write_comparison(folders, output)}")
            return
        found = verify_results(folders[0], sample, seed, gt)
    for line in verification_lines(found):
        click.echo(line)
    if found.differences:
        raise SystemExit(1)
