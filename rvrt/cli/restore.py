"""rvrt-restore: parse, call one function."""

from fractions import Fraction
from pathlib import Path

import click

from rvrt.cli.options import DEVICE, DTYPE, PATH, PLUGIN, VERSION, message_for_errors
from rvrt.weights.pretrained import DEFAULT, OF_THE_AUTHORS, pretrained, weights_path

# What is not free now, the system and other programs need.
_SHARE_OF_FREE_MEMORY = 0.75


@click.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="OUTPUT", type=PATH)
@click.option(
    "--weights",
    type=PATH,
    help="Made by rvrt-convert or by training.  "
    f"[default: {DEFAULT}, which comes with the package]",
)
@click.option(
    "--max-memory",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GIB",
    help="Cut the video into tiles that need no more. Without it: 3/4 of what is free now.",
)
@click.option(
    "--tile-frames",
    type=click.IntRange(min=6),
    default=30,
    show_default=True,
    help="Frames seen at once, at most: more are slower to reach the disk, fewer lose quality.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=25,
    show_default=True,
    help="Frames a second of a video made from a folder.",
)
@click.option("--sound/--no-sound", default=True, help="Copy the sound of a video, or leave it.")
@DEVICE
@DTYPE
@PLUGIN
@VERSION
def main(
    source: Path,
    target: Path,
    weights: Path | None,
    max_memory: float | None,
    tile_frames: int,
    rate: float,
    sound: bool,
    target_device: str,
    dtype: str,
) -> None:
    """Enlarge a video by the network's scale (4 for published weights).

    INPUT is a folder of frames or a video file, of any length and size. OUTPUT is a folder of PNG
    frames, or a video file (.mp4, .mkv, .mov; needs PyAV). A run that was stopped goes on where it
    stopped when the same command is given again.
    """
    with message_for_errors():
        from rvrt.restoration.network import open_network
        from rvrt.restoration.restore import Job, restore
        from rvrt.restoration.restorer import Cutting, Restorer

        limit = _free_memory() if max_memory is None else max_memory * 2**30
        weights = _default_weights() if weights is None else weights_path(weights)
        job = Job(source, target, weights, sound, Fraction(rate).limit_denominator(1001))
        network = open_network(weights, target=target_device, dtype=dtype)
        cutting = Cutting(
            tile_frames=tile_frames, max_memory=limit, padding="borders", scratch=job.folder
        )
        done = restore(job, Restorer(network.cell, cutting))
    found = f", {done.found} were there already" if done.found else ""
    click.echo(f"{target}: {done.restored} frames restored{found} ({network.computed_by})")


def _default_weights() -> Path:
    """Those that come with the package; who expects more of them is told where to go."""
    chosen = pretrained(DEFAULT)
    click.echo(
        f"weights: {DEFAULT}, a small network, trained on {chosen.trained_on}\n"
        f"The published quality needs RVRT's own: take 002_RVRT_videosr_bi_Vimeo_14frames.pth of "
        f"{OF_THE_AUTHORS}, rvrt-convert it, and give it as --weights",
        err=True,
    )
    return chosen.path


def _free_memory() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, value, *_ = line.split()
        if name == "MemAvailable:":
            return int(value) * 1024 * _SHARE_OF_FREE_MEMORY
    raise click.ClickException("how much memory is free is not known here; give --max-memory")
