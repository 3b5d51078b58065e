"""--layout, and where GT and LQ lie by it when a command is not told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click

from vimeo_tools.cli.options import show_text
from vimeo_tools.data.data_sets import AUTO, find_data_set, find_lq, gt_roots
from vimeo_tools.data.layouts import LAYOUTS, VIMEO90K, Layout, choose_layout, split_root
from vimeo_tools.errors import SettingsError

_USUAL_LQ = Path("BIx4")


def _find_layout(_ctx: click.Context, _option: click.Parameter, name: str) -> Layout | None:
    if name == AUTO:
        return None
    try:
        return choose_layout(name)
    except SettingsError as error:
        raise click.BadParameter(f"{error}, {AUTO}") from None


LAYOUT = click.option(
    "--layout",
    metavar="NAME",
    default="vimeo90k",
    callback=_find_layout,
    help=f"Where frames and lists lie: {', '.join(LAYOUTS)}, one of a plugin, or {AUTO}, which "
    "looks and says what it has found.",
)


class Found(NamedTuple):
    """What a command works on: the layout, and the roots of GT and LQ."""

    layout: Layout
    gt: Path
    lq: Path


def locate(
    layout: Layout | None,
    gt: Path | None,
    lq: Path | None,
    say: Callable[[str], None] = show_text,
) -> Found:
    """The layout and roots that are meant.

    Args:
        layout: None to look which it is.
        gt, lq: as given; None for the usual names of the layout in the working directory.
        say: is told what was found.

    Raises:
        SettingsError: no layout is found.
    """
    if layout is None:
        found = find_data_set(Path(), AUTO, gt)
        say(str(found))
        layout, gt = found.layout, found.gt
    if gt is None:
        roots = gt_roots(Path(), layout) if layout != VIMEO90K else []
        gt = next((root for root in roots if root != Path()), Path(layout.gt_folder))
    if lq is None:
        trees = [] if _USUAL_LQ.is_dir() else find_lq(beside(gt), layout)
        lq = trees[0].root if len(trees) == 1 else _USUAL_LQ
    return Found(layout, gt, lq)


def beside(gt: Path) -> Path:
    """The folder that a root of GT lies in, where its lists are."""
    return split_root(gt)[0].parent
