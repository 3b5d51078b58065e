"""Septuplets as batches for MindSpore, which `dataset` alone imports: its names are loaded late."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vimeo_tools.feed.dataset import Feed, create_dataset
    from vimeo_tools.feed.order import Evaluation, Training
    from vimeo_tools.feed.samples import SeptupletSource, open_septuplets, open_sequences

_HOMES = {
    "Evaluation": "order",
    "Feed": "dataset",
    "SeptupletSource": "samples",
    "Training": "order",
    "create_dataset": "dataset",
    "open_septuplets": "samples",
    "open_sequences": "samples",
}

__all__ = [
    "Evaluation",
    "Feed",
    "SeptupletSource",
    "Training",
    "create_dataset",
    "open_septuplets",
    "open_sequences",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
