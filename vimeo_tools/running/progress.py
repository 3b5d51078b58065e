"""The one line on a terminal that says how far a piece of work is."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

_LINE_EVERY = 0.2
_silent = False


def silence() -> None:
    """From now on, nothing is shown in this process."""
    global _silent
    _silent = True


def progress(
    total: int | None,
    unit: str,
    label: str = "",
    *,
    done: int = 0,
    form: str | None = None,
    log_every: float | None = None,
) -> Any:
    """A context manager with ``update(n=1)`` and ``set_postfix_str(text)``.

    Args:
        total: how many there are; None where that is not known.
        unit: what is counted.
        label: stands before.
        done: how many were done before.
        form: tqdm's ``bar_format``.
        log_every: seconds between lines where stderr is no terminal; None: nothing is shown there.
    """
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=label or None,
        unit=unit,
        disable=True if _silent else None if log_every is None else False,
        bar_format=form,
        dynamic_ncols=True,
        smoothing=0.1,
        mininterval=_LINE_EVERY if terminal or log_every is None else log_every,
    )
