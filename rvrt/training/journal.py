"""What a training writes down as it goes: metrics.jsonl, TensorBoard events, and curves.png.

metrics.jsonl holds one JSON object a line (`vimeo_tools.running.json_lines`): ``step`` and the
numbers of that step by name.
"""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import ConfigError
from vimeo_tools.errors import OutputError
from vimeo_tools.running.atomic import whole_file
from vimeo_tools.running.json_lines import JsonLines, damaged, number, read_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

JOURNAL = "metrics.jsonl"
EVENTS = "tensorboard"
CURVES = "curves.png"

_DRAWN_AT_MOST = 2000
_SMOOTHED_OVER = 1 / 25
_LOG_ABOVE = 10
_TRAINING, _VALIDATION = "training", "validation"
_OURS, _BICUBIC = "#2a6fbb", "#8a8f98"

Line = dict[str, Any]


class Journal:
    """The numbers of one training, in one folder; written by one process.

    A line is in the file when `write` returns, so a kill loses nothing that was written.

    Args:
        folder: of the run; made when it does not exist.
        tensorboard: write TensorBoard events too, into ``folder/tensorboard``.

    Raises:
        ConfigError: events are asked for and tensorboardX is not installed.
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: {error.strerror}") from error
        self._lines = JsonLines(folder / JOURNAL)
        self._events = _events(folder / EVENTS) if tensorboard else None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._events is not None:
            self._events.close()

    def write(self, step: int, **numbers: float) -> None:
        """Append one line, and one point a number to TensorBoard.

        `write_curves` draws ``loss`` and ``rate`` (of the steps) and ``psnr_y`` and
        ``bicubic_psnr_y`` (dB, of the validations). They need not come in the same line.

        Raises:
            OutputError: the file cannot be written, as on a full disk.
        """
        values = {name: _plain_number(value) for name, value in numbers.items()}
        self._lines.append({"step": int(step), **values})
        if self._events is not None:
            for name, value in numbers.items():
                self._events.add_scalar(_grouped(name), float(value), step)

    def picture(self, step: int, path: Path) -> None:
        """Show a PNG, a validation's sheet, in TensorBoard; elsewhere it is a file already."""
        if self._events is not None:
            from vimeo_tools.data.png import decode_png  # Pillow, for events alone

            pixels = decode_png(path.read_bytes())
            self._events.add_image(f"{_VALIDATION}/sheet", pixels, step, dataformats="HWC")

    def rewind(self, step: int) -> None:
        """Forget the lines after ``step``: a run resumed from there will write them again.

        TensorBoard is told to hide what it was given for those steps.

        Raises:
            OutputError: the file cannot be read or written.
        """
        lines = read(self._folder)
        kept = [line for line in lines if line["step"] <= step]
        if len(kept) < len(lines):
            self._lines.replace(kept)
            if self._events is not None:
                self._events.close()
                self._events = _events(self._folder / EVENTS, first_step=step + 1)


def read(folder: Path) -> list[Line]:
    """All lines of ``folder/metrics.jsonl`` in their order; none where there is no such file.

    A last line that is not ended yet is left out, so a run may be read while it writes.

    Raises:
        OutputError: a line is not an object with a step, and which.
    """
    return [_parsed(place, value) for place, value in read_lines(folder / JOURNAL)]


def _parsed(place: str, value: Any) -> Line:
    try:
        line = {name: number(value) for name, value in value.items()}
        line["step"] = int(line["step"])
        return line
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise damaged(place, error) from error


def _grouped(name: str) -> str:
    """As TensorBoard puts names together, by what stands before a slash."""
    if "/" in name:
        return name
    return f"{_VALIDATION if name.endswith('psnr_y') else _TRAINING}/{name}"


def _plain_number(value: float) -> float | int:
    """Without NumPy's types."""
    return value if isinstance(value, int) else float(value)


def _events(folder: Path, first_step: int | None = None) -> Any:
    """A writer of events; what older files have from ``first_step`` on is hidden."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            "TensorBoard events need tensorboardX: pip install 'vimeo-tools[tensorboard]', or "
            "leave them out; metrics.jsonl has the same numbers"
        ) from error
    # Files are named by the second; without a suffix, one opened by `rewind` could replace another.
    suffix = "" if first_step is None else f".{first_step:09d}"
    return SummaryWriter(str(folder), purge_step=first_step, filename_suffix=suffix, flush_secs=30)


def write_curves(folder: Path) -> Path | None:
    """Draw what ``folder/metrics.jsonl`` holds into ``folder/curves.png``, and return its path.

    Loss with its running mean, learning rate, and PSNR of the validations beside bicubic's; a
    panel without numbers is left out. Needs matplotlib.

    Returns:
        None, and nothing is written, where no number is finite.

    Raises:
        OutputError: the journal cannot be read, or the picture cannot be written.
    """
    from matplotlib.figure import Figure  # no pyplot: its state belongs to the whole process
    from matplotlib.ticker import MaxNLocator

    lines = read(folder)
    panels = {
        name: draw
        for name, draw in (("psnr_y", _draw_psnr), ("loss", _draw_loss), ("rate", _draw_rate))
        if len(_series(lines, name)[0])
    }
    if not panels:
        return None
    heights = [1 if name == "rate" else 2 for name in panels]
    figure = Figure(figsize=(9, 1.2 + 1.5 * sum(heights)), layout="constrained")
    grid = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=heights)
    for axes, draw in zip(grid[:, 0], panels.values(), strict=True):
        draw(axes, lines)
        axes.grid(color="#e4e6ea", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    path = folder / CURVES
    with whole_file(path) as part:
        figure.savefig(part, dpi=110)
    return path


def _series(lines: list[Line], name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Steps and finite values of one name."""
    pairs = [(line["step"], line[name]) for line in lines if math.isfinite(line.get(name, np.nan))]
    steps = np.array([step for step, _ in pairs], np.int64)
    return steps, np.array([value for _, value in pairs], np.float64)


def _draw_loss(axes: Axes, lines: list[Line]) -> None:
    from matplotlib.ticker import LogLocator

    steps, loss = _series(lines, "loss")
    window = max(1, round(len(loss) * _SMOOTHED_OVER))
    thin = slice(None, None, max(1, len(loss) // _DRAWN_AT_MOST))
    axes.plot(steps[thin], loss[thin], color=_OURS, alpha=0.25, linewidth=0.7)
    sums = np.cumsum(np.concatenate([[0.0], loss]))
    mean = (sums[window:] - sums[:-window]) / window
    label = f"mean of {window} values" if window > 1 else "each value"
    axes.plot(steps[window - 1 :][thin], mean[thin], color=_OURS, linewidth=1.8, label=label)
    if loss.min() > 0 and mean.max() > _LOG_ABOVE * mean.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_title("Training loss", loc="left", fontsize=11)
    _legend(axes)


def _draw_rate(axes: Axes, lines: list[Line]) -> None:
    axes.plot(*_series(lines, "rate"), color=_OURS, linewidth=1.8)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)
    axes.set_title("Learning rate", loc="left", fontsize=11)


def _draw_psnr(axes: Axes, lines: list[Line]) -> None:
    steps, ours = _series(lines, "psnr_y")
    best = int(np.argmax(ours))
    label = f"network, best {ours[best]:.2f} dB at step {steps[best]:,}"
    axes.plot(steps, ours, color=_OURS, linewidth=1.8, marker="o", markersize=4, label=label)
    bicubic = _series(lines, "bicubic_psnr_y")[1]
    if len(bicubic):
        label = f"bicubic, {bicubic[-1]:.2f} dB"
        axes.axhline(bicubic[-1], color=_BICUBIC, linestyle="--", linewidth=1.4, label=label)
    _legend(axes)
    axes.yaxis.set_major_formatter("{x:.1f}")
    axes.set_title("Validation, PSNR on Y (dB)", loc="left", fontsize=11)


def _legend(axes: Axes) -> None:
    """Above the axes, where it hides no curve."""
    axes.legend(ncols=2, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
