import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from rvrt.errors import MetricError
from rvrt.evaluation.metrics import luma, psnr
from rvrt.evaluation.temporal import Pair, Region, difference_psnr, flow_error

INNER = Region(slice(8, -8), slice(9, -7))


def shifted(seed, shift, shape=(64, 80)):
    """A smooth texture, moved to the right by whole pixels."""
    rng = np.random.default_rng(seed)
    wide = gaussian_filter(rng.random((shape[0], shape[1] + 20, 3)), (2, 2, 0))
    wide = (wide - wide.min()) / np.ptp(wide) * 255
    return wide[:, 10 - shift : 10 - shift + shape[1]].round().astype(np.uint8)


def noisy(picture, seed):
    noise = np.random.default_rng(seed).normal(0, 6, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


@pytest.fixture
def pairs():
    old, new = shifted(0, 0), shifted(0, 2)
    return Pair(noisy(old, 1), old), Pair(noisy(new, 2), new)


@pytest.mark.parametrize("region", [Region(slice(None), slice(None)), INNER])
def test_scikit_image_gives_the_same_difference_psnr(pairs, region):
    skimage = pytest.importorskip("skimage.metrics")
    before, now = pairs
    restored, true = (region.of(luma(b) - luma(a)) for a, b in zip(before, now, strict=True))
    theirs = skimage.peak_signal_noise_ratio(true, restored, data_range=255)
    assert difference_psnr(before, now, region) == pytest.approx(theirs, abs=1e-9)


def test_an_error_that_stays_is_no_flicker(pairs):
    old, new = pairs[0].gt // 2 + 40, pairs[1].gt // 2 + 40
    steady = difference_psnr(Pair(old + 10, old), Pair(new + 10, new))
    flickering = difference_psnr(Pair(old + 10, old), Pair(new - 10, new))
    assert steady > 100 and flickering < 25
    assert psnr(old + 10, old) == psnr(new - 10, new)


def test_tof_is_tecogans_loop(pairs):
    cv2 = pytest.importorskip("cv2")
    before, now = pairs
    # Said as TecoGAN's program says it: arguments by name, per pixel.
    flows = []
    for a, b in zip(before, now, strict=True):
        flows.append(
            cv2.calcOpticalFlowFarneback(
                prev=cv2.cvtColor(a, cv2.COLOR_RGB2GRAY),
                next=cv2.cvtColor(b, cv2.COLOR_RGB2GRAY),
                flow=None,
                pyr_scale=0.5,
                levels=3,
                winsize=15,
                iterations=3,
                poly_n=5,
                poly_sigma=1.2,
                flags=0,
            )
        )
    rows, columns = range(8, 56), range(9, 73)
    lengths = [
        np.hypot(*(float(flows[1][y, x, k]) - float(flows[0][y, x, k]) for k in (0, 1)))
        for y in rows
        for x in columns
    ]
    assert flow_error(before, now, INNER) == pytest.approx(np.mean(lengths), rel=1e-5)


def test_tof_of_the_same_motion_is_nothing_and_of_another_its_difference(pairs):
    pytest.importorskip("cv2")
    before, now = (Pair(pair.gt, pair.gt) for pair in pairs)
    assert flow_error(before, now) == 0
    still = Pair(before.gt, now.gt)  # ours does not move, the truth by two pixels
    assert flow_error(before, still, INNER) == pytest.approx(2, abs=0.3)


def test_without_opencv_tof_says_what_to_install(pairs, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MetricError, match=r"pip install 'vimeo-tools\[flow\]'"):
        flow_error(*pairs)


def test_frames_of_other_sizes(pairs):
    before, now = pairs
    other = Pair(now.restored[1:], now.gt)
    for metric in (difference_psnr, flow_error):
        with pytest.raises(MetricError, match="shapes"):
            metric(before, other)
