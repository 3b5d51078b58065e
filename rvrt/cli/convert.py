"""rvrt-convert: parse, call one function."""

from pathlib import Path

import click

from rvrt.cli.options import PATH, PLUGIN, VERSION, message_for_errors
from rvrt.config.network import SkeletonConfig


@click.command()
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
@click.option(
    "--to",
    "form",
    type=click.Choice(["mindspore", "pytorch"]),
    default="mindspore",
    show_default=True,
    help="mindspore: TARGET is .ckpt or .safetensors; pytorch: .pth for the authors' code.",
)
@click.option(
    "--model", metavar="PRESET", help="rvrt, rvrt-light, ...; told from the file if absent."
)
@click.option(
    "--origin",
    type=click.Choice(["authors", "mindediting"]),
    help="Who trained: sets GELU and epsilon. Without it: mindediting for .ckpt and Light.",
)
@click.option(
    "--degradation",
    metavar="NAME",
    help="What the weights were trained on, such as bicubic or bd; rvrt-eval warns of other "
    "frames.  [default: by the authors' name of the file]",
)
@click.option("--entry", help="Entry of a PyTorch file; without it params, params_ema, state_dict.")
@PLUGIN
@VERSION
def main(
    source: Path,
    target: Path,
    form: str,
    model: str | None,
    origin: str | None,
    degradation: str | None,
    entry: str | None,
) -> None:
    """Convert weights of RVRT, RVRT Light or SpyNet from SOURCE to TARGET.

    SOURCE is the authors' or KAIR's .pth, mindediting's .ckpt, or a file of this package. PyTorch
    is not needed, and nothing in SOURCE is run.
    """
    with message_for_errors():
        from rvrt.runtime import device
        from rvrt.weights.convert import convert

        device.use("CPU")  # MindSpore otherwise takes memory of a card that is there
        done = convert(source, target, form, model, origin, entry, degradation)
    config = done.record.config
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    how = ""
    if isinstance(config, SkeletonConfig):
        how = f": {config.gelu} GELU, epsilon {config.layer_norm_eps:g}"
    click.echo(
        f"{target}: {done.parameters} parameters, {done.numbers:,} numbers of {config.title} "
        f"({done.record.part}), trained by {done.record.origin}"
        + f" on {done.record.degradation}" * bool(done.record.degradation)
        + how
    )
