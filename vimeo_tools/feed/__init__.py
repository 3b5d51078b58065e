"""Septuplets as batches for MindSpore, which `dataset` alone imports: its names are loaded late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vimeo_tools._lazy import lazy_names
from vimeo_tools.running.first_import import watch

if TYPE_CHECKING:
    from vimeo_tools.feed.dataset import Feed, create_dataset
    from vimeo_tools.feed.opening import open_septuplets, open_sequences
    from vimeo_tools.feed.order import Evaluation, Training
    from vimeo_tools.feed.samples import SequenceSource

watch()

_HOMES = {
    "Evaluation": "order.Evaluation",
    "Feed": "dataset.Feed",
    "SequenceSource": "samples.SequenceSource",
    "Training": "order.Training",
    "create_dataset": "dataset.create_dataset",
    "open_septuplets": "opening.open_septuplets",
    "open_sequences": "opening.open_sequences",
}

__all__ = [
    "Evaluation",
    "Feed",
    "SequenceSource",
    "Training",
    "create_dataset",
    "open_septuplets",
    "open_sequences",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
