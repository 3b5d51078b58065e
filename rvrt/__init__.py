"""RVRT and RVRT Light in MindSpore: networks, trainer, evaluator, inference.

>>> import rvrt
>>> network = rvrt.build_network(rvrt.PRESETS["rvrt"])

Importing this loads no MindSpore: a name's module is loaded when the name is used. Import it before
mindspore where a GPU is to be used by the CUDA libraries of the extra [cuda11].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vimeo_tools import __version__
from vimeo_tools._lazy import lazy_names
from vimeo_tools.running.first_import import watch

if TYPE_CHECKING:
    from rvrt.config.network import MODEL_PRESETS as PRESETS
    from rvrt.config.training import TrainConfig
    from rvrt.evaluation.evaluator import evaluate
    from rvrt.evaluation.metrics import METRICS
    from rvrt.models import NETWORKS, Network, build_network
    from rvrt.restoration.restorer import Cutting, Restorer
    from rvrt.training.losses import LOSSES
    from rvrt.training.trainer import Trainer
    from rvrt.weights.checkpoint import load_network, save_network

# Where each public name lives.
_HOMES = {
    "NETWORKS": "models.NETWORKS",
    "Network": "models.Network",
    "PRESETS": "config.network.MODEL_PRESETS",
    "build_network": "models.build_network",
    "load_network": "weights.checkpoint.load_network",
    "save_network": "weights.checkpoint.save_network",
    "Cutting": "restoration.restorer.Cutting",
    "Restorer": "restoration.restorer.Restorer",
    "evaluate": "evaluation.evaluator.evaluate",
    "Trainer": "training.trainer.Trainer",
    "TrainConfig": "config.training.TrainConfig",
    "LOSSES": "training.losses.LOSSES",
    "METRICS": "evaluation.metrics.METRICS",
}

__all__ = [
    "__version__",
    "NETWORKS",
    "Network",
    "PRESETS",
    "build_network",
    "load_network",
    "save_network",
    "Cutting",
    "Restorer",
    "evaluate",
    "Trainer",
    "TrainConfig",
    "LOSSES",
    "METRICS",
]

watch()

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
