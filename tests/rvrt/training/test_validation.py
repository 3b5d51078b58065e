import math

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from rvrt.config.network import MODEL_PRESETS
from rvrt.evaluation.metrics import luma, psnr
from rvrt.training.validation import ValidationClip, validate


class Nearest(nn.Cell):
    """Enlarges by repeating pixels, and adds `change` to the frames of the second half."""

    config = MODEL_PRESETS["rvrt-light-debug"]

    def __init__(self, change=0.0):
        super().__init__()
        self.change = change
        self.seen = []

    def construct(self, x):
        self.seen.append((x.shape, self.training))
        out = x.asnumpy().repeat(4, -1).repeat(4, -2)
        out[:, 7:] += self.change
        return ms.Tensor(out)


def clip(seed=0):
    rng = np.random.default_rng(seed)
    lq = rng.integers(0, 256, (7, 3, 8, 12), np.uint8)
    gt, bicubic = rng.integers(0, 256, (2, 32, 48, 3), np.uint8)
    return ValidationClip(f"00001/000{seed}", lq, gt, bicubic)


def enlarged(clip):
    return clip.lq[3].transpose(1, 2, 0).repeat(4, 0).repeat(4, 1)


def y_psnr(a, b):
    return psnr(luma(a), luma(b))


def test_measures_the_centre_frame_of_the_mirrored_clip():
    clips = [clip(0), clip(1)]
    network = Nearest().set_train()
    result = validate(network, clips)
    assert network.seen == [((1, 14, 3, 8, 12), False)] * 2
    assert network.training
    expected = np.mean([y_psnr(enlarged(c), c.gt) for c in clips])
    assert result.psnr_y == pytest.approx(expected, abs=1e-9)
    expected = np.mean([y_psnr(c.bicubic, c.gt) for c in clips])
    assert result.bicubic_psnr_y == pytest.approx(expected, abs=1e-9)


def test_both_halves_count():
    one = clip()
    shifted = np.clip(np.rint(enlarged(one) + 0.02 * 255 / 2), 0, 255).astype(np.uint8)
    assert validate(Nearest(0.02), [one]).psnr_y == pytest.approx(y_psnr(shifted, one.gt), abs=0.05)


def test_a_sheet_is_written(tmp_path):
    validate(Nearest(), [clip()], tmp_path / "sheets" / "step.png")
    assert (tmp_path / "sheets" / "step.png").read_bytes().startswith(b"\x89PNG")


def test_nan_gives_nan_and_no_sheet(tmp_path):
    result = validate(Nearest(math.nan), [clip()], tmp_path / "step.png")
    assert math.isnan(result.psnr_y)
    assert math.isfinite(result.bicubic_psnr_y)
    assert not list(tmp_path.iterdir())
