import math

import numpy as np
import pytest
from mindspore import Tensor

from rvrt.errors import MetricError
from rvrt.evaluation.metrics import Scores, luma, measure, measure_all, psnr, ssim, ssim_matlab
from rvrt.restoration.frames import to_uint8


def slow_psnr(a, b):
    squares = [(float(x) - float(y)) ** 2 for x, y in zip(a.flat, b.flat, strict=True)]
    return 20 * math.log10(255) - 10 * math.log10(math.fsum(squares) / len(squares))


def slow_ssim(a, b):
    """Wang's definition window by window, with sums of weighted deviations, no blurring."""
    weights = np.array(
        [
            [math.exp(-((y - 5) ** 2 + (x - 5) ** 2) / (2 * 1.5**2)) for x in range(11)]
            for y in range(11)
        ]
    )
    weights /= weights.sum()
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            p, q = (np.float64(image[top : top + 11, left : left + 11]) for image in (a, b))
            mp, mq = (weights * p).sum(), (weights * q).sum()
            vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
            cov = (weights * (p - mp) * (q - mq)).sum()
            light = (2 * mp * mq + 6.5025) / (mp**2 + mq**2 + 6.5025)
            values.append(light * (2 * cov + 58.5225) / (vp + vq + 58.5225))
    return np.mean(values)


def slow_luma(pixel):
    red, green, blue = (float(v) for v in pixel)
    return (65.481 * red + 128.553 * green + 24.966 * blue) / 255 + 16


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    a = rng.integers(0, 256, (15, 18, 3), np.uint8)
    return a, np.clip(a + rng.normal(0, 12, a.shape), 0, 255).round().astype(np.uint8)


def test_the_goldens(golden):
    stored = golden("metrics")
    a, b = (stored[name][..., ::-1] for name in ("a_bgr8", "b_bgr8"))
    np.testing.assert_allclose(luma(a), stored["a_y"], rtol=0, atol=1e-9)
    for dtype in (np.uint8, np.float32, np.float64):
        scores = measure(a.astype(dtype), b.astype(dtype))
        expected = Scores(*(stored[name] for name in ("psnr_y", "ssim_y", "psnr", "ssim")))
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_slow_loops_agree(pair, dtype):
    a, b = (picture.astype(dtype) for picture in pair)
    scores = measure(a, b)
    assert scores.psnr_rgb == pytest.approx(slow_psnr(a, b), abs=1e-9)
    channels = [slow_ssim(a[..., c], b[..., c]) for c in range(3)]
    assert scores.ssim_rgb == pytest.approx(np.mean(channels), abs=1e-9)
    ya, yb = luma(a), luma(b)
    assert scores.psnr_y == pytest.approx(slow_psnr(ya, yb), abs=1e-9)
    assert scores.ssim_y == pytest.approx(slow_ssim(ya, yb), abs=1e-9)


def test_luma_is_the_formula_in_the_authors_precision(pair):
    y = luma(pair[0])
    expected = [[slow_luma(pixel) for pixel in row] for row in pair[0]]
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, expected, rtol=2.0**-22)
    extremes = luma(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8))
    np.testing.assert_allclose(extremes, [[16, 235]], rtol=1e-6)


def test_floats_are_not_rounded():
    gt = np.zeros((11, 11, 3), np.uint8)
    assert psnr(gt + 0.25, gt) == pytest.approx(20 * math.log10(255 / 0.25))


def test_uint8_does_not_wrap_round():
    a, b = np.full((11, 11, 3), 250, np.uint8), np.full((11, 11, 3), 5, np.uint8)
    assert psnr(a, b) == psnr(b, a) == pytest.approx(20 * math.log10(255 / 245))


def test_identical_pictures(pair):
    scores = measure(pair[0], pair[0])
    assert scores.psnr_y == scores.psnr_rgb == math.inf
    assert scores.ssim_y == scores.ssim_rgb == 1


def test_nan_shows(pair):
    a = pair[0].astype(np.float32)
    a[7, 8, 1] = np.nan
    assert all(math.isnan(score) for score in measure(a, pair[1]))


def test_what_cannot_be_compared(pair):
    a, b = pair
    for function in (psnr, ssim, measure):
        with pytest.raises(MetricError, match=r"\(15, 18, 3\) and \(15, 17, 3\)"):
            function(a, b[:, 1:])
    with pytest.raises(MetricError, match="no pixel"):
        psnr(a[:0], b[:0])
    with pytest.raises(MetricError, match="SSIM needs"):
        ssim(a[:10], b[:10])
    with pytest.raises(MetricError, match="RGB"):
        luma(a[..., 0])


def test_scikit_image_gives_the_same_psnr_and_ssim(pair):
    skimage = pytest.importorskip("skimage.metrics")
    a, b = pair
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    for x, y, axis in ((a, b, 2), (luma(a), luma(b), None)):
        assert psnr(x, y) == pytest.approx(
            skimage.peak_signal_noise_ratio(x, y, data_range=255), abs=1e-12
        )
        theirs = skimage.structural_similarity(x, y, data_range=255, channel_axis=axis, **how)
        assert ssim(x, y) == pytest.approx(theirs, abs=1e-12)


def test_opencv_gives_the_same_psnr(pair):
    cv2 = pytest.importorskip("cv2")
    assert psnr(*pair) == pytest.approx(cv2.PSNR(*pair), abs=1e-12)


def test_scikit_image_gives_the_same_luma(pair):
    color = pytest.importorskip("skimage.color")
    # Ours keeps Y / 255 as float32, as the authors do: half a unit of it at 235.
    np.testing.assert_allclose(luma(pair[0]), color.rgb2ycbcr(pair[0])[..., 0], atol=2.0**-17)


@pytest.mark.parametrize("colour", [True, False])
def test_matlabs_ssim_goes_to_the_border_and_over_the_channels(pair, colour):
    """scikit-image on pictures extended by what MATLAB's padding repeats, which it then cuts."""
    skimage = pytest.importorskip("skimage.metrics")
    a, b = pair if colour else (picture[..., 0] for picture in pair)
    extended = [np.pad(x, 5, mode="edge") for x in (a, b)]
    theirs = skimage.structural_similarity(
        *extended, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim_matlab(a, b) == pytest.approx(theirs, abs=1e-12)
    assert abs(ssim_matlab(a, b) - ssim(a, b)) > 1e-4
    assert ssim_matlab(a, a) == 1
    with pytest.raises(MetricError, match="need the same shape"):
        ssim_matlab(a, b[1:])


@pytest.mark.parametrize(
    ("preset", "file"), [("rvrt-debug", "model_plain"), ("rvrt-light-debug", "model_light")]
)
def test_a_frame_of_ours_scores_as_the_authors_to_four_decimals(golden, debug_model, preset, file):
    data = golden(file)
    ours = debug_model(preset)(Tensor(data["input"] / np.float32(255))).asnumpy()[0, 2]
    theirs = data["output_frame2"]
    noise = np.random.default_rng(0).normal(0, 0.04, theirs.shape)
    gt = to_uint8((theirs + noise).astype(np.float32))
    scores, wanted = measure_all(to_uint8(ours), gt), measure_all(to_uint8(theirs), gt)
    assert wanted["psnr_y"] < 40  # that the comparison has something to measure
    assert scores == pytest.approx(wanted, abs=5e-5)
