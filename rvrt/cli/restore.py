"""rvrt-restore: parse, call one function."""

from fractions import Fraction
from pathlib import Path

import click

from rvrt.cli.options import DEVICE, DTYPE, PATH, PLUGIN, VERSION, message_for_errors

# What is not free now, the system and other programs need.
_SHARE_OF_FREE_MEMORY = 0.75
_NO_WEIGHTS = """--weights is missing, and without weights there is no picture. Weights come from
  - the authors: https://github.com/JingyunLiang/RVRT/releases, for example
    002_RVRT_videosr_bi_Vimeo_14frames.pth;
  - mindediting's RVRT and RVRT Light, as .ckpt;
  - your own training.
Convert what others made first: rvrt-convert THEIRS.pth WEIGHTS.safetensors"""


@click.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.argument("target", metavar="OUTPUT", type=PATH)
@click.option("--weights", type=PATH, help="Made by rvrt-convert or by training.")
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
        if weights is None:
            raise click.ClickException(_NO_WEIGHTS)
        from rvrt.restoration.network import open_network
        from rvrt.restoration.restore import Job, restore
        from rvrt.restoration.restorer import Cutting, Restorer

        limit = _free_memory() if max_memory is None else max_memory * 2**30
        job = Job(source, target, weights, sound, Fraction(rate).limit_denominator(1001))
        network = open_network(weights, target=target_device, dtype=dtype)
        cutting = Cutting(
            tile_frames=tile_frames, max_memory=limit, padding="borders", scratch=job.folder
        )
        done = restore(job, Restorer(network.cell, cutting))
    found = f", {done.found} were there already" if done.found else ""
    click.echo(f"{target}: {done.restored} frames restored{found}")


def _free_memory() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, value, *_ = line.split()
        if name == "MemAvailable:":
            return int(value) * 1024 * _SHARE_OF_FREE_MEMORY
    raise click.ClickException("how much memory is free is not known here; give --max-memory")
