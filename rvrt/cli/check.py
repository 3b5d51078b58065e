"""rvrt-check: parse, run, show the table."""

import sys
from pathlib import Path

import click

from rvrt.cli.options import DEVICE, PATH, VERSION, computing, message_for_errors


@click.command()
@DEVICE
@computing
@click.option(
    "--output",
    type=PATH,
    default="rvrt-check",
    show_default=True,
    metavar="FOLDER",
    help="Gets rvrt-check.json and rvrt-check.txt.",
)
@click.option("--quick", is_flag=True, help="Without training and the published sizes: seconds.")
@VERSION
def main(target_device: str, output: Path, quick: bool) -> None:
    """See whether a device runs the networks: run this first on a new card.

    Each operator, in float32 and float16, and both networks, forward and a step of training:
    are their numbers right, what memory and how many seconds do they take? Seconds are those of
    a later call; those of the first beyond them stand under compiling. The published sizes are
    for a card: on a CPU they take long. The exit code is 1 where a line has failed.
    """
    with message_for_errors():
        from rvrt.checking.check import check, facts
        from rvrt.checking.lines import table, write
        from rvrt.runtime import device

        device.use(target_device)
        lines = []
        for line in check(target_device, quick):
            lines.append(line)
            click.echo(f"{line.what} {line.dtype}: {line.problem or 'ok'}", err=True)
            write(output, facts(target_device), lines)
    click.echo(table(facts(target_device), lines))
    failed = [f"{line.what} {line.dtype}" for line in lines if line.problem]
    if failed:
        click.echo(f"Failed: {', '.join(failed)}", err=True)
        sys.exit(1)
