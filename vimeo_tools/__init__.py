"""Vimeo90K preparation with pixels equal to MATLAB's.

>>> from vimeo_tools import imresize
>>> lq = imresize(gt, 1 / 4)

Importing this loads NumPy at most: a name's module is loaded when the name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vimeo_tools._lazy import lazy_names
from vimeo_tools._version import __version__
from vimeo_tools.errors import VimeoToolsError

if TYPE_CHECKING:
    from vimeo_tools.degradations import DEGRADATIONS, Degradation, degrade
    from vimeo_tools.degradations.detect import detect_degradation
    from vimeo_tools.feed.augment import AugmentConfig
    from vimeo_tools.feed.dataset import create_dataset
    from vimeo_tools.feed.opening import open_sequences
    from vimeo_tools.feed.order import Evaluation, Training
    from vimeo_tools.preparation.detect import detect
    from vimeo_tools.preparation.pack import pack
    from vimeo_tools.preparation.pack_plan import PackPlan
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
    "imresize": "resize.matlab.imresize",
    "imresize_batch": "resize.matlab.imresize_batch",
    "downscale": "resize.matlab.downscale",
    "im2double": "resize.matlab.im2double",
    "im2uint8": "resize.matlab.im2uint8",
    "DEGRADATIONS": "degradations.DEGRADATIONS",
    "Degradation": "degradations.Degradation",
    "degrade": "degradations.degrade",
    "detect_degradation": "degradations.detect.detect_degradation",
    "prepare": "preparation.prepare.prepare",
    "PrepareSettings": "preparation.prepare.PrepareSettings",
    "pack": "preparation.pack.pack",
    "PackPlan": "preparation.pack_plan.PackPlan",
    "verify": "preparation.verify.verify",
    "detect": "preparation.detect.detect",
    "cut_videos": "preparation.video.cut_videos",
    "CutSettings": "preparation.video.CutSettings",
    "synthesize": "preparation.synthetic.synthesize",
    "open_sequences": "feed.opening.open_sequences",
    "create_dataset": "feed.dataset.create_dataset",
    "Training": "feed.order.Training",
    "Evaluation": "feed.order.Evaluation",
    "AugmentConfig": "feed.augment.AugmentConfig",
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
    "detect_degradation",
    "prepare",
    "PrepareSettings",
    "pack",
    "PackPlan",
    "verify",
    "detect",
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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
