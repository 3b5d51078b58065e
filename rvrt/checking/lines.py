"""What a check found: lines, as JSON and as a table that people can send."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rvrt.runtime.device import reason
from vimeo_tools.running.atomic import write_text

JSON_FILE, TABLE_FILE = "rvrt-check.json", "rvrt-check.txt"


@dataclass(frozen=True)
class Line:
    """One thing that was run.

    Attributes:
        what: it was, and in which size.
        dtype: it ran in.
        problem: why it does not do; "" where it does.
        difference, allowed: the largest from what is expected, and the bound; None: not compared.
        compiling: seconds of the first call beyond those of a later one; None: not timed.
        seconds: of one call, the median of several.
        memory: most bytes in use so far, of the device, or on a CPU of the process.
    """

    what: str
    dtype: str
    problem: str = ""
    difference: float | None = None
    allowed: float | None = None
    compiling: float | None = None
    seconds: float | None = None
    memory: int | None = None


def judged(line: Line) -> Line:
    """The line with a problem where its difference is larger than allowed, or no number."""
    found, allowed = line.difference, line.allowed
    if line.problem or found is None or allowed is None or found <= allowed:
        return line
    what = "not finite" if not math.isfinite(found) else f"differs by {found:.2g}"
    return replace(line, problem=f"{what}, {allowed:.2g} is allowed")


def tried(what: str, dtype: str, run: Callable[[], Line]) -> Line:
    """The line that `run` gives, or one that names what was raised by the device."""
    try:
        return judged(run())
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        return Line(what, dtype, problem=reason(error))


def table(facts: Mapping[str, str], lines: Sequence[Line]) -> str:
    """Facts and lines for people."""
    rows: list[tuple[str, ...]] = [
        ("what", "dtype", "difference", "compiling s", "seconds", "GiB", "")
    ]
    rows += [_cells(line) for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = [f"{name}: {value}" for name, value in facts.items()] + [""]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        text.append("  ".join(cells).rstrip())
    return "\n".join(text) + "\n"


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.what,
        line.dtype,
        "" if line.difference is None else f"{line.difference:.1e}",
        "" if line.compiling is None else f"{line.compiling:.1f}",
        "" if line.seconds is None else f"{line.seconds:.3f}",
        "" if line.memory is None else f"{line.memory / 2**30:.1f}",
        f"FAILED: {line.problem}" if line.problem else "ok",
    )


def write(folder: Path, facts: Mapping[str, str], lines: Sequence[Line]) -> None:
    """Write both files into `folder`, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [{n: _plain(v) for n, v in asdict(line).items()} for line in lines]
    report = {"facts": dict(facts), "lines": found}
    write_text(folder / JSON_FILE, json.dumps(report, indent=1) + "\n")
    write_text(folder / TABLE_FILE, table(facts, lines))


def _plain(value: object) -> object:
    """JSON has no NaN."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
