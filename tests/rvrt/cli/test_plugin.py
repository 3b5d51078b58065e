"""A network and a loss from outside, in a few lines, trained by the command."""

import os
import subprocess
import sys

from rvrt.training.journal import read
from rvrt.weights.checkpoint import read_safetensors
from tests.rvrt.conftest import ROOT

MINE = """
from dataclasses import dataclass
import rvrt
from mindspore import Parameter, Tensor, float32, nn, ops
from rvrt.config.network import NetworkConfig
from rvrt.config.training import TRAIN_PRESETS

@dataclass(frozen=True)
class Gain(NetworkConfig):
    start: float = 0.5

class GainCell(nn.Cell):
    def __init__(self, config, execution):
        super().__init__()
        self.scale = config.upscale
        self.gain = Parameter(Tensor(config.start, float32), name="gain")

    def construct(self, x):
        b, t, c, h, w = x.shape
        s = self.scale
        wide = ops.broadcast_to(x.reshape(b, t, c, h, 1, w, 1), (b, t, c, h, s, w, s))
        return wide.reshape(b, t, c, h * s, w * s) * self.gain

rvrt.NETWORKS["gain"] = rvrt.Network(Gain, GainCell)
rvrt.LOSSES["fourth"] = lambda restored, gt: ((restored - gt) ** 4).mean()
TRAIN_PRESETS["gain"] = rvrt.TrainConfig("gain", Gain())
"""
COMMAND = [sys.executable, "-c", "from rvrt.cli.train import main; main()"]


def test_a_network_and_a_loss_of_ones_own(drawn, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    settings = ["train.steps=3", "train.loss=fourth", "data.lq=null", "data.crop=8"]
    settings += ["data.workers=1", "train.batch_size=1", "journal.every=1", "model.start=0.25"]
    call = [*COMMAND, "--plugin", "mine", "--preset", "gain", "--data", drawn, "--output", "run"]
    run = subprocess.run(
        [*call, *(part for setting in settings for part in ("--set", setting))],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    losses = [line["loss"] for line in read(tmp_path / "run") if "loss" in line]
    assert len(losses) == 3 and losses[0] > 0
    arrays, _ = read_safetensors(tmp_path / "run" / "last.safetensors")
    assert arrays["gain"] > 0.25  # half of the light was missing
