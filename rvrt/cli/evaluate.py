"""rvrt-eval: parse, open the sequences and the network, call one function, show the table."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rvrt.cli.options import DEVICE, DTYPE, PATH, PLUGIN, VERSION, message_for_errors
from rvrt.config.network import MODEL_PRESETS
from rvrt.errors import EvaluationError
from rvrt.evaluation.evaluator import Job, evaluate, unmeasured
from rvrt.evaluation.groups import find_groups, read_groups
from rvrt.evaluation.protocol import Protocol
from rvrt.evaluation.report.page import write_report
from rvrt.evaluation.results_table import results_table
from rvrt.evaluation.sequences import (
    SequenceSet,
    holds_septuplets,
    open_folders,
    open_septuplets_at,
    open_vimeo,
)
from rvrt.evaluation.summary import Facts, NetworkRun, Scalar, Settings, Weights
from rvrt.restoration.frames import Padding
from rvrt.restoration.tiling import GRID, MANY_FRAMES
from rvrt.weights.pretrained import NAMES
from vimeo_tools.cli.options import parse_shard
from vimeo_tools.data.septuplets import SPLITS
from vimeo_tools.resize.matlab import CONVENTIONS, Convention
from vimeo_tools.running.jobs import available_workers

if TYPE_CHECKING:
    from rvrt.restoration.network import OpenNetwork
    from rvrt.restoration.restorer import Restorer

_NO_WEIGHTS = "none"
# Figures are compared with the authors', so frames grow as in their test program.
_PADDING: Padding = "authors"


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
    protocol: Protocol | None
    scale: int | None
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
    help="Made by rvrt-convert or by training; or "
    f"{', '.join(NAMES)}, which comes with the package; or none, for the "
    "baseline alone without MindSpore.",
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
        _check(choices)
        network = _open_network(choices)
        sequences = _open_sequences(choices, network)
        if choices.data is not None:
            groups = find_groups(choices.data) | groups
        group_of = read_groups(groups, sequences.keys)
        keys = sequences.keys[::every_nth][:limit]
        settings = _settings(choices, sequences, network)
        chosen = {**settings.to_json(), "every_nth": every_nth, "limit": limit}
        facts = _facts(choices, sequences, network, chosen)
        job = Job(output_dir, sequences, keys, group_of, settings, facts, shard)
        results = evaluate(job, _restorer(choices, network))
        if results is None:
            click.echo(
                f"{output_dir}: part {shard[0]} of {shard[1]} is done, {unmeasured(job)} sequences "
                "are left to the others; the last of them writes the results"
            )
            return
        report = write_report(output_dir)
    for line in results_table(results):
        click.echo(line)
    if results.nan_frames:
        click.echo(
            f"{results.nan_frames} of {results.frames} restored frames hold NaN or infinity; "
            "means over them are NaN",
            err=True,
        )
    click.echo(f"to look at: {report}")


def _check(choices: _Choices) -> None:
    """What contradicts itself, before a network is loaded."""
    if (choices.data is None) == (choices.gt is None):
        raise EvaluationError("give either --data vimeo_septuplet, or --gt FOLDER and --lq FOLDER")
    if choices.data is not None and (choices.lq is not None or choices.clip_list is not None):
        raise EvaluationError("--lq and --list go with --gt; --data brings its own")
    if choices.weights is None and choices.preset:
        raise EvaluationError(f"--preset {choices.preset} needs weights, not --weights none")


def _open_network(choices: _Choices) -> OpenNetwork | None:
    if choices.weights is None:
        return None
    try:
        from rvrt.restoration.network import open_network
    except ModuleNotFoundError as error:
        raise EvaluationError(
            f"weights need {error.name}: pip install 'vimeo-tools[train]'; --weights none measures "
            "the baseline without it"
        ) from error
    network = open_network(choices.weights, choices.preset, choices.target_device, choices.dtype)
    if choices.scale not in (None, network.config.upscale):
        raise EvaluationError(
            f"--scale {choices.scale}: the network enlarges {network.config.upscale} times"
        )
    return network


def _restorer(choices: _Choices, network: OpenNetwork | None) -> Restorer | None:
    if network is None:
        return None
    from rvrt.restoration.restorer import Cutting, Restorer

    cutting = Cutting(choices.tile, choices.tile_frames, padding=_PADDING)
    return Restorer(network.cell, cutting)


def _open_sequences(choices: _Choices, network: OpenNetwork | None) -> SequenceSet:
    scale = network.config.upscale if network else choices.scale
    sequences = _open_source(choices, scale)
    source = sequences.source
    if choices.convention and source.lq is not None:
        raise EvaluationError(
            f"--convention {choices.convention}: LQ frames are there already, in {source.lq}; to "
            "make others, give --gt without --lq"
        )
    return sequences


def _open_source(choices: _Choices, scale: int | None) -> SequenceSet:
    protocol, convention = choices.protocol or "centre", choices.convention or "double"
    if choices.data is not None:
        return open_vimeo(choices.data, choices.split, protocol, convention, scale)
    assert choices.gt is not None
    if holds_septuplets(choices.gt):
        return open_septuplets_at(
            choices.gt, choices.lq, choices.clip_list, protocol, convention, scale
        )
    if choices.protocol == "centre" or choices.clip_list is not None:
        raise EvaluationError(
            f"{choices.gt}: holds no septuplets; --protocol centre and --list are for septuplets, "
            "of other sequences all frames are measured"
        )
    return open_folders(choices.gt, choices.lq, convention, scale)


def _settings(choices: _Choices, sequences: SequenceSet, network: OpenNetwork | None) -> Settings:
    run = None
    if network is not None:
        how = choices.target_device, choices.dtype, choices.tile, choices.tile_frames
        run = NetworkRun(network.sha256, *how, _PADDING)
    return Settings(sequences.source, sequences.protocol, choices.save_images, run)


def _device(choices: _Choices, network: OpenNetwork | None) -> str:
    """What the work is done by, in words."""
    if network is None:
        return f"CPU, {available_workers()} cores"
    if choices.target_device != "CPU":
        return choices.target_device
    return f"CPU, {available_workers()} cores, {network.computed_by.removeprefix('CPU, ')}"


def _facts(
    choices: _Choices,
    sequences: SequenceSet,
    network: OpenNetwork | None,
    settings: Mapping[str, Scalar],
) -> Facts:
    folder = (choices.data or sequences.source.gt).resolve().name
    packages = ["vimeo-tools", "numpy", "scipy", "pillow"]
    packages += ["mindspore"] if network else []
    return Facts(
        title=f"{network.name if network else 'bicubic'} on {folder}"
        + (f" {choices.split}" if choices.data else ""),
        protocol=sequences.protocol,
        split=choices.split if choices.data else None,
        weights=Weights(str(network.path), network.sha256, network.preset) if network else None,
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        device=_device(choices, network),
        published=sequences.published,
        settings=settings,
    )
