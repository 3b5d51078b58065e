"""Were the weights trained on frames made as these were? Asked once, of a few frames. No MindSpore.

Weights say what they were trained on (`rvrt.weights.record.Record.degradation`), and frames who
made them (`vimeo_tools.detect_degradation`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from rvrt.evaluation.sequences import DataSource, SequenceSet
from vimeo_tools import detect_degradation
from vimeo_tools.data.pictures import Frame
from vimeo_tools.degradations import Bicubic, Degradation, choose_degradation
from vimeo_tools.degradations.detection import Detection
from vimeo_tools.errors import SettingsError, VimeoToolsError

_SEQUENCES = 3
# What the published weights were trained on; other frames need no weights to be worth a word.
_PUBLISHED = ("bicubic-double", "bicubic-uint8", "bd")


def look_at(sequences: SequenceSet, keys: Sequence[str]) -> Detection | None:
    """Who made the LQ frames of some sequences; None where they are made here, or cannot be told.

    A frame that cannot be read is left to the evaluation, which names it.
    """
    if sequences.source.lq is None or not keys:
        return None
    chosen = sorted({int(place) for place in np.linspace(0, len(keys) - 1, _SEQUENCES)})
    pairs = []
    for place in chosen:
        with contextlib.suppress(VimeoToolsError):
            sequence = sequences.read(keys[place])
            first = sequence.measured[0]
            pairs.append((sequence.gt.read(0, 1)[0], sequence.lq.read(first, first + 1)[0]))
    return detected(pairs)


def detected(pairs: Sequence[tuple[Frame, Frame]]) -> Detection | None:
    """Who made LQ of GT, (GT, LQ) each; None where it cannot be told."""
    if not pairs:
        return None
    with contextlib.suppress(SettingsError):  # frames of equal size, for one
        return detect_degradation([gt for gt, _ in pairs], [lq for _, lq in pairs])
    return None


def recipe_of(text: str | None) -> Degradation | None:
    """What weights say that they were trained on; None where they do not, or it is not known."""
    with contextlib.suppress(SettingsError):
        return None if text is None else choose_degradation(text)
    return None


def same_recipe(one: Degradation, other: Degradation) -> bool:
    """Whether frames are made alike; the conventions of bicubic are not told apart by a name."""
    return one == other or (isinstance(one, Bicubic) and isinstance(other, Bicubic))


def doubts(
    lq: str, found: Detection, wanted: Degradation | None, why: str, recorded: Degradation | None
) -> Iterator[str]:
    """What a person should know of LQ frames that are there.

    Args:
        lq: where they are.
        found: who made them.
        wanted: how they should be made; None where nobody knows.
        why: they should, as "the weights were trained on".
        recorded: what the record beside them says; None without.
    """
    if recorded is not None and not found.made_with(recorded):
        yield f"{lq}: its record says {recorded.spelled()}; the frames were {found.sentence()}"
    elif wanted is not None and not found.made_with(wanted):
        yield f"{lq}: {why} {wanted.spelled()}; these frames were {found.sentence()}"
    elif found.channels == "BGR" or (wanted is None and not _usual(found)):
        yield f"{lq}: {found.sentence()}"


def _usual(found: Detection) -> bool:
    return found.flat or (found.known and found.best.name in _PUBLISHED)


def warnings(source: DataSource, found: Detection | None, recipe: str | None) -> Iterator[str]:
    """What a person should know before frames are restored.

    Args:
        source: where frames come from, and what a record says of their making.
        found: see `look_at`.
        recipe: what the weights were trained on; None without weights, or where nobody noted it.
    """
    wanted, why = recipe_of(recipe), "the weights were trained on"
    if found is not None:
        yield from doubts(str(source.lq), found, wanted, why, source.degradation)
        return
    made = source.degradation
    if made is not None and wanted is not None and not same_recipe(made, wanted):
        hint = f"; --degradation '{recipe}' makes them so" * (source.lq is None)
        yield f"{why} {wanted.spelled()}; LQ frames are {made.spelled()}{hint}"
