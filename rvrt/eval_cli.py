"""rvrt-eval: parse, open the sequences and the network, call one function, show the table."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import resource
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from rvrt.cli_options import DEVICE, DTYPE, PATH, message_for_errors
from rvrt.config import MODEL_PRESETS, NetworkConfig
from rvrt.errors import EvaluationError
from rvrt.evaluator import Job, Restorer, evaluate, unmeasured
from rvrt.groups import find_groups, read_groups
from rvrt.report import write_report
from rvrt.restore import GRID, smallest_side
from rvrt.results import METRICS
from rvrt.sequences import (
    SequenceSet,
    holds_septuplets,
    open_folders,
    open_septuplets_at,
    open_vimeo,
)
from rvrt.tiling import MANY_FRAMES
from vimeo_tools.cli_options import parse_shard
from vimeo_tools.imresize import CONVENTIONS, Convention
from vimeo_tools.jobs import available_workers
from vimeo_tools.septuplets import SPLITS

_NO_WEIGHTS = "none"
# Belong to the weights, not to the preset: the authors' and mindediting's differ in them.
_OF_THE_WEIGHTS = ("gelu", "layer_norm_eps")


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
    convention: Convention
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
    default="double",
    show_default=True,
    help="How LQ frames are made where there are none; see vimeo-prep.",
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
        digest = _sha256(choices.weights) if choices.weights else None
        restorer, known = _load(choices, digest)
        settings = _settings(choices, sequences, digest)
        facts = _facts(choices, sequences, known)
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
    _show(results)
    click.echo(f"{output_dir / 'results.json'}, per_sequence.csv; to look at: {report}")


def _open(choices: _Choices) -> SequenceSet:
    if (choices.data is None) == (choices.gt is None):
        raise EvaluationError("give either --data vimeo_septuplet, or --gt FOLDER and --lq FOLDER")
    protocol = choices.protocol or "centre"
    if choices.data is not None:
        if choices.lq is not None or choices.clip_list is not None:
            raise EvaluationError("--lq and --list go with --gt; --data brings its own")
        return open_vimeo(choices.data, choices.split, protocol, choices.convention)
    if holds_septuplets(choices.gt):
        return open_septuplets_at(
            choices.gt, choices.lq, choices.clip_list, protocol, choices.convention
        )
    if choices.protocol == "centre" or choices.clip_list is not None:
        raise EvaluationError(
            f"{choices.gt}: holds no septuplets; --protocol centre and --list are for septuplets, "
            "of other sequences all frames are measured"
        )
    return open_folders(choices.gt, choices.lq, choices.convention)


def _load(
    choices: _Choices, digest: str | None
) -> tuple[Restorer | None, dict[str, Any] | None]:
    """The network ready to run, and what results say of its weights."""
    if choices.weights is None:
        if choices.preset:
            raise EvaluationError(f"--preset {choices.preset} needs weights, not --weights none")
        return None, None
    from rvrt import device
    from rvrt.checkpoint import load_network
    from rvrt.windowed import WindowedNetwork

    device.use(choices.target_device)
    device.check_dtype(choices.dtype)
    execution = device.execution(choices.target_device, dtype=choices.dtype)
    network, config = load_network(choices.weights, execution)
    network.set_train(False)
    preset = _preset_of(config)
    if choices.preset and choices.preset != preset:
        raise EvaluationError(
            f"{choices.weights}: weights of {preset or 'a network of no preset'}, not of "
            f"{choices.preset}; leave --preset out, or give its weights"
        )
    restorer = Restorer(
        WindowedNetwork(network),
        config.upscale,
        smallest_side(config),
        choices.tile,
        choices.tile_frames,
        _peak_memory(choices.target_device),
    )
    return restorer, {"path": str(choices.weights), "sha256": digest, "preset": preset}


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise EvaluationError(
            f"{path}: weights cannot be read: {error.strerror}; --weights none measures the "
            "baseline alone"
        ) from error


def _preset_of(config: NetworkConfig) -> str | None:
    for name, preset in MODEL_PRESETS.items():
        if type(preset) is type(config):
            taken = {field: getattr(config, field) for field in _OF_THE_WEIGHTS}
            if dataclasses.replace(preset, **taken) == config:
                return name
    return None


def _peak_memory(target: str) -> Callable[[], int]:
    """Gives the most bytes so far: of the device, or on a CPU of the whole process."""
    if target != "CPU":
        import mindspore

        return lambda: int(mindspore.runtime.max_memory_allocated())
    unit = 1 if platform.system() == "Darwin" else 1024
    return lambda: unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _settings(
    choices: _Choices, sequences: SequenceSet, digest: str | None
) -> dict[str, Any]:
    """What the measurement of a sequence depends on."""
    settings: dict[str, Any] = {**sequences.source, "protocol": sequences.protocol}
    settings["save_images"] = choices.save_images
    if choices.weights is not None:
        settings["weights_sha256"] = digest
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
        "device": cores if weights is None or choices.target_device == "CPU" else choices.target_device,
        "published": sequences.published,
    }


def _show(results: dict[str, Any]) -> None:
    """The summary on the terminal."""
    click.echo(f"{results['title']}, protocol {results['protocol']}, mean of")
    click.echo(f"{'':<36}{'PSNR-Y':>9}{'SSIM-Y':>9}{'PSNR-RGB':>10}{'SSIM-RGB':>10}")
    parts = {f"all {results['sequences']}": results["means"]}
    for name, part in results["groups"].items():
        parts[f"{name} {part['sequences']}"] = part
    for name, part in parts.items():
        for kind in ("ours", "bicubic"):
            if isinstance(part[kind], dict):
                click.echo(_row(f"{name}, {kind}", part[kind]))
    for figures in results["published"]:
        click.echo(_row(f"published ({figures['protocol']}): {figures['name']}", figures))
    if results["seconds_per_call"] is not None:
        click.echo(
            f"{results['seconds_per_call']:.2f} s in the network for a sequence (median), peak "
            f"memory {results['peak_memory_bytes'] / 1e9:.1f} GB, {results['device']}"
        )
    if results["nan_frames"]:
        click.echo(
            f"{results['nan_frames']} of {results['frames']} restored frames hold NaN or infinity; "
            "means over them are NaN",
            err=True,
        )


def _row(name: str, figures: dict[str, float | None]) -> str:
    cells = []
    for metric, width in zip(METRICS, (9, 9, 10, 10), strict=True):
        value = figures.get(metric)
        digits = 2 if metric.startswith("psnr") else 4
        cells.append(f"{'':>{width}}" if value is None else f"{value:>{width}.{digits}f}")
    return f"{name:<36}" + "".join(cells).rstrip()
