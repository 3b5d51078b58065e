"""rvrt-eval: parse, open the sequences and the network, call one function, show the table."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from rvrt.cli.options import DEVICE, DTYPE, PATH, PLUGIN, VERSION, message_for_errors
from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import EvaluationError
from rvrt.evaluation.evaluator import Job, Restorer, evaluate, unmeasured
from rvrt.evaluation.groups import find_groups, read_groups
from rvrt.evaluation.report.page import write_report
from rvrt.evaluation.results_table import results_table
from rvrt.evaluation.sequences import (
    SequenceSet,
    holds_septuplets,
    open_folders,
    open_septuplets_at,
    open_vimeo,
)
from rvrt.restoration.restore import GRID
from rvrt.restoration.tiling import MANY_FRAMES
from vimeo_tools.cli.options import parse_shard
from vimeo_tools.data.septuplets import SPLITS
from vimeo_tools.resize.matlab import CONVENTIONS, Convention
from vimeo_tools.running.jobs import available_workers

_NO_WEIGHTS = "none"


def _parse_groups(_ctx: object, _option: object, values: tuple[str, ...]) -> dict[str, Path]:
    """For click: NAME=FILE, several times."""
    groups: dict[str, Path] = {}
    for value in values:
        name, equals, file = value.partition("=")
        if not (name and equals and file) or name in groups:
            raise click.BadParameter(f"{value!r}: give each group once, as in slow=sep_slow.txt")
        groups[name] = Path(file)
    return groups


def _check_tile(_ctx: object, _option: object, value: int | None) -> int | None:
    """For click: a side of whole steps that leaves something beside the overlap."""
    if value is not None and (value % GRID or value < 2 * GRID):
        raise click.BadParameter(f"{value}: give a multiple of {GRID} from {2 * GRID} on")
    return value


@dataclass(frozen=True)
class _Choices:
    """The options that more than one step needs; named as on the command line."""

    weights: Path | None
    preset: str | None
    data: Path | None
    split: str
    gt: Path | None
    lq: Path | None
    clip_list: Path | None
    protocol: str | None
    convention: Convention | None
    tile: int | None
    tile_frames: int
    target_device: str
    dtype: str
    save_images: bool


@click.command()
@click.option(
    "--weights",
    type=PATH,
    required=True,
    help="Made by rvrt-convert or by training; or none, for the baseline alone without MindSpore.",
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
    help="vimeo_septuplet: its list, sequences or GT database, and BIx4 or LQ database; without "
    "LQ frames they are made from GT.",
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
    type=click.Choice(["centre", "all"]),
    help="Which frames of a septuplet are measured.  [default: centre, as the published figures]",
)
@click.option(
    "--convention",
    type=click.Choice(list(CONVENTIONS)),
    help="How LQ frames are made where there are none; see vimeo-prep.  [default: double]",
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
    callback=_check_tile,
    help="Cut LQ frames into tiles of this side, which overlap by 32.  [default: whole frames]",
)
@click.option(
    "--tile-frames",
    type=click.IntRange(min=6),
    default=MANY_FRAMES,
    show_default=True,
    help="Frames that the network sees at once, at most.",
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
@DEVICE
@DTYPE
@PLUGIN
@VERSION
def main(
    groups: dict[str, Path],
    every_nth: int,
    limit: int | None,
    shard: tuple[int, int],
    output_dir: Path,
    baseline: str,
    weights: Path,
    **options: Any,
) -> None:
    """Measure restored frames against the true ones: PSNR and SSIM, on Y and RGB, beside bicubic.

    Sequences come from Vimeo90K (--data) or from any pair of folders (--lq, --gt). A run that was
    stopped goes on where it stopped when the same command is given again.
    """
    with message_for_errors():
        choices = _Choices(weights=None if str(weights) == _NO_WEIGHTS else weights, **options)
        sequences = _open(choices)
        if choices.data is not None:
            groups = find_groups(choices.data) | groups
        group_of = read_groups(groups, sequences.keys)
        keys = sequences.keys[::every_nth][:limit]
        restorer, described = _load(choices)
        settings = _settings(choices, sequences, described)
        facts = _facts(choices, sequences, described)
        facts["settings"] = {**settings, "every_nth": every_nth, "limit": limit}
        job = Job(
            output_dir, sequences, keys, group_of, settings, facts, shard, choices.save_images
        )
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
    if results["nan_frames"]:
        click.echo(
            f"{results['nan_frames']} of {results['frames']} restored frames hold NaN or infinity; "
            "means over them are NaN",
            err=True,
        )
    click.echo(f"to look at: {report}")


def _open(choices: _Choices) -> SequenceSet:
    sequences = _open_source(choices, choices.protocol or "centre", choices.convention or "double")
    if choices.convention and not sequences.lq_is_made:
        raise EvaluationError(
            f"--convention {choices.convention}: LQ frames are there already, in "
            f"{sequences.source['lq']}; to make others, give --gt without --lq"
        )
    return sequences


def _open_source(choices: _Choices, protocol: str, convention: Convention) -> SequenceSet:
    if (choices.data is None) == (choices.gt is None):
        raise EvaluationError("give either --data vimeo_septuplet, or --gt FOLDER and --lq FOLDER")
    if choices.data is not None:
        if choices.lq is not None or choices.clip_list is not None:
            raise EvaluationError("--lq and --list go with --gt; --data brings its own")
        return open_vimeo(choices.data, choices.split, protocol, convention)
    if holds_septuplets(choices.gt):
        return open_septuplets_at(choices.gt, choices.lq, choices.clip_list, protocol, convention)
    if choices.protocol == "centre" or choices.clip_list is not None:
        raise EvaluationError(
            f"{choices.gt}: holds no septuplets; --protocol centre and --list are for septuplets, "
            "of other sequences all frames are measured"
        )
    return open_folders(choices.gt, choices.lq, convention)


def _load(choices: _Choices) -> tuple[Restorer | None, dict[str, Any] | None]:
    if choices.weights is None:
        if choices.preset:
            raise EvaluationError(f"--preset {choices.preset} needs weights, not --weights none")
        return None, None
    try:
        from rvrt.evaluation.network import load_restorer
    except ModuleNotFoundError as error:
        raise EvaluationError(
            f"weights need {error.name}: pip install 'vimeo-tools[train]'; --weights none measures "
            "the baseline without it"
        ) from error

    return load_restorer(
        choices.weights,
        choices.preset,
        choices.target_device,
        choices.dtype,
        choices.tile,
        choices.tile_frames,
    )


def _settings(
    choices: _Choices, sequences: SequenceSet, weights: dict[str, Any] | None
) -> dict[str, Any]:
    """What the measurement of a sequence depends on."""
    settings: dict[str, Any] = {**sequences.source, "protocol": sequences.protocol}
    settings["save_images"] = choices.save_images
    if weights is not None:
        settings["weights_sha256"] = weights["sha256"]
        settings["device"] = choices.target_device
        settings["dtype"] = choices.dtype
        settings["tile"] = choices.tile
        settings["tile_frames"] = choices.tile_frames
    return settings


def _facts(
    choices: _Choices, sequences: SequenceSet, weights: dict[str, Any] | None
) -> dict[str, Any]:
    """What stands in results.json beside settings and measurements."""
    name = "bicubic" if weights is None else weights["preset"] or choices.weights.stem
    folder = (choices.data or choices.gt).resolve().name
    packages = ["vimeo-tools", "numpy", "scipy", "pillow"]
    packages += ["mindspore"] if weights else []
    cores = f"CPU, {available_workers()} cores"
    return {
        "title": f"{name} on {folder}" + (f" {choices.split}" if choices.data else ""),
        "protocol": sequences.protocol,
        "split": choices.split if choices.data else None,
        "weights": weights,
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "device": cores
        if weights is None or choices.target_device == "CPU"
        else choices.target_device,
        "published": sequences.published,
    }
