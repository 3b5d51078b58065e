"""Vimeo90K preparation with pixels equal to MATLAB's.

>>> from vimeo_tools import imresize
>>> lq = imresize(gt, 1 / 4)

Importing this loads NumPy at most: a name's module is loaded when the name is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vimeo_tools._version import __version__
from vimeo_tools.errors import VimeoToolsError, missing_extra

if TYPE_CHECKING:
    from vimeo_tools.degradations import DEGRADATIONS, Degradation, degrade
    from vimeo_tools.feed.augment import AugmentConfig
    from vimeo_tools.feed.dataset import create_dataset
    from vimeo_tools.feed.order import Evaluation, Training
    from vimeo_tools.feed.samples import open_sequences
    from vimeo_tools.preparation.pack import PackPlan, pack
    from vimeo_tools.preparation.prepare import PrepareSettings, prepare
    from vimeo_tools.preparation.synthetic import synthesize
    from vimeo_tools.preparation.verify import verify
    from vimeo_tools.preparation.video import CutSettings, cut_videos
    from vimeo_tools.resize.matlab import (
        downscale,
        im2double,
        im2uint8,
        imresize,
        imresize_batch,
    )

# Where each public name lives.
_HOMES = {
    "imresize": "resize.matlab",
    "imresize_batch": "resize.matlab",
    "downscale": "resize.matlab",
    "im2double": "resize.matlab",
    "im2uint8": "resize.matlab",
    "DEGRADATIONS": "degradations",
    "Degradation": "degradations",
    "degrade": "degradations",
    "prepare": "preparation.prepare",
    "PrepareSettings": "preparation.prepare",
    "pack": "preparation.pack",
    "PackPlan": "preparation.pack",
    "verify": "preparation.verify",
    "cut_videos": "preparation.video",
    "CutSettings": "preparation.video",
    "synthesize": "preparation.synthetic",
    "open_sequences": "feed.samples",
    "create_dataset": "feed.dataset",
    "Training": "feed.order",
    "Evaluation": "feed.order",
    "AugmentConfig": "feed.augment",
}

__all__ = [
    "__version__",
    "imresize",
    "imresize_batch",
    "downscale",
    "im2double",
    "im2uint8",
    "DEGRADATIONS",
    "Degradation",
    "degrade",
    "prepare",
    "PrepareSettings",
    "pack",
    "PackPlan",
    "verify",
    "cut_videos",
    "CutSettings",
    "synthesize",
    "open_sequences",
    "create_dataset",
    "Training",
    "Evaluation",
    "AugmentConfig",
    "VimeoToolsError",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        message = missing_extra(error, f"{__name__}.{name}")
        if message is None:
            raise
        raise ModuleNotFoundError(message, name=error.name) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
