"""What the commands of vimeo-prep share: options, where work runs, how it is reported."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar

import click

from vimeo_tools.cli.plugin import plugin_option
from vimeo_tools.data.layouts import Layout
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import SPLITS
from vimeo_tools.degradations import DEGRADATIONS, Degradation, choose_degradation
from vimeo_tools.degradations.blur import BORDERS, Blur
from vimeo_tools.errors import SettingsError
from vimeo_tools.preparation.prepare import find_lists
from vimeo_tools.preparation.verification import counted
from vimeo_tools.resize.matlab import CONVENTIONS
from vimeo_tools.running.failures import Failure, write_failures
from vimeo_tools.running.jobs import Summary, available_workers, dask_executor, process_pool
from vimeo_tools.running.progress import silence

_FAILURES_SHOWN = 10
_MOST_WORKERS, _MOST_SHARDS = 256, 1_000_000
Function = TypeVar("Function", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
WORKERS = click.option(
    "--workers",
    type=click.IntRange(1, _MOST_WORKERS),
    help="Processes.  [default: one per processor]",
)
DASK = click.option("--dask", metavar="ADDRESS", help="Work on this dask cluster instead.")
DEGRADATION = click.option(
    "--degradation",
    metavar="NAME",
    default="bicubic",
    show_default=True,
    help=f"How LQ frames are made: {', '.join(DEGRADATIONS)}, or one of a plugin.",
)
CONVENTION = click.option(
    "--convention",
    type=click.Choice(CONVENTIONS),
    help="Of bicubic. double: as BasicSR, KAIR and the published RVRT; uint8: as mindediting.  "
    "[default: double]",
)
PARAMETERS = (
    click.option(
        "--sigma", type=float, help="Of bd, in GT pixels; of noise, in levels.  [default: 25]"
    ),
    click.option("--kernel", type=click.IntRange(1, 99), metavar="TAPS", help="Of bd, an axis."),
    click.option(
        "--phase",
        type=click.IntRange(0, 63),
        metavar="PIXEL",
        help="Of bd: the GT pixel under the middle of the kernel for the first sample.",
    ),
    click.option("--border", type=click.Choice(BORDERS), help="Of bd: what lies outside a frame."),
    click.option("--seed", type=int, help="Of noise; each frame has its own.  [default: 0]"),
)


LISTS = (
    click.option("--train-annotation", type=FILE, help="[default: sep_trainlist.txt]"),
    click.option("--test-annotation", type=FILE, help="[default: sep_testlist.txt]"),
)


def add_options(*chosen: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """A decorator that adds click options in the order given."""

    def add_all(function: Function) -> Function:
        for option in reversed(chosen):
            function = option(function)
        return function

    return add_all


def take_degradation(options: dict[str, Any]) -> Degradation:
    """Take the options of DEGRADATION, CONVENTION and PARAMETERS out: what they mean."""
    name = options.pop("degradation")
    given = {option: options.pop(option) for option in ("convention", *Blur._fields, "seed")}
    return choose_degradation(name, **{k: v for k, v in given.items() if v is not None})


def parse_size(value: str | FrameSize) -> FrameSize:
    """For click: ``448x256``."""
    try:
        return value if isinstance(value, FrameSize) else FrameSize.parse(value)
    except SettingsError as error:
        raise click.BadParameter(str(error)) from None


def parse_shard(value: str | tuple[int, int]) -> tuple[int, int]:
    """For click: ``3/8``."""
    if isinstance(value, tuple):
        return value
    index, slash, count = value.partition("/")
    numbers = [int(n) for n in (index, count) if n.isascii() and n.isdecimal() and len(n) < 9]
    if not (slash and len(numbers) == 2 and 1 <= numbers[0] <= numbers[1] <= _MOST_SHARDS):
        raise click.BadParameter(
            f"{value[:99]!r}: give I/N with I from 1 to N, as in 3/8; at most {_MOST_SHARDS:,}"
        )
    return numbers[0], numbers[1]


def _note(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[f"{__name__}.{option.name}"] = value
        if option.name == "quiet":
            silence()


def _noted(name: str) -> bool:
    return f"{__name__}.{name}" in click.get_current_context().meta


_FLAG: dict[str, Any] = {"is_flag": True, "expose_value": False, "callback": _note}
# What every command has.
COMMON = (
    plugin_option(),
    click.option("--json", "as_json", help="The summary as one JSON object.", **_FLAG),
    click.option("--quiet", help="No summary, no progress; failures alone.", **_FLAG),
)


def show(text: str, values: Mapping[str, Any]) -> None:
    """What was done, on standard output: as text, with --json as an object, or --quiet not."""
    show_text(text)
    show_values(values)


def show_text(text: str) -> None:
    """Unless --json or --quiet is given."""
    if not _noted("as_json") and not _noted("quiet"):
        click.echo(text)


def show_values(values: Mapping[str, Any]) -> None:
    """Where --json is given."""
    if _noted("as_json"):
        click.echo(json.dumps(values))


def summary_values(summary: Summary, failures_path: Path | None) -> dict[str, Any]:
    """A summary for `show`."""
    return {
        "clips": summary.clips,
        "done": summary.done,
        "skipped": summary.skipped,
        "ties": summary.ties,
        "seconds": round(summary.seconds, 3),
        "notes": summary.notes,
        **failure_values(summary.failures, failures_path),
    }


def failure_values(failures: Sequence[Failure], path: Path | None) -> dict[str, Any]:
    """Failures for `show`: how many, the first of them, and the file that lists all."""
    return {
        "failed": len(failures),
        "failures": [failure._asdict() for failure in failures[:_FAILURES_SHOWN]],
        "failures_file": str(path) if path is not None and failures else None,
    }


@contextlib.contextmanager
def make_executor(workers: int | None, dask: str | None) -> Iterator[Executor | None]:
    """Where tasks run: a dask cluster, processes of this machine, or (None) this thread."""
    if dask and workers:
        raise SettingsError(
            "--dask and --workers: the cluster has its own workers; give one of both"
        )
    context = dask_executor(dask) if dask else process_pool(workers or available_workers())
    with context as executor:
        yield executor


def choose_lists(
    folder: Path, train: Path | None, test: Path | None, layout: Layout
) -> dict[str, Path]:
    """Split lists: those named; or, where none is named those found in ``folder``."""
    named = {split: path for split, path in zip(SPLITS, (train, test), strict=True) if path}
    return named or find_lists(folder, layout)


def finish(ctx: click.Context, summary: Summary, failures_path: Path) -> None:
    """Show the summary, list the failures, exit with 1 if there are any."""
    show(str(summary), summary_values(summary, failures_path))
    report_failures(summary.failures, failures_path)
    ctx.exit(int(bool(summary.failures)))


def report_failures(failures: Sequence[Failure], path: Path | None) -> None:
    """The first failures on the terminal, all of them in the file."""
    if path is not None and not path.parent.is_dir():
        path = None  # nothing was written there
    for failure in failures[:_FAILURES_SHOWN]:
        click.echo(f"  {failure}", err=True)
    if path is not None:
        write_failures(path, failures)
    if failures and path is not None:
        click.echo(f"  {counted(len(failures), 'failure')} in all, listed in {path}", err=True)
    elif len(failures) > _FAILURES_SHOWN:
        click.echo(f"  and {len(failures) - _FAILURES_SHOWN} more", err=True)
