import numpy as np
import pytest

from rvrt.errors import EvaluationError
from rvrt.evaluation.protocol import CENTRE, centre, fold, mirror, quantise, restore_septuplet


@pytest.fixture
def septuplet():
    return np.random.default_rng(0).integers(0, 256, (7, 3, 4, 5), np.uint8)


def test_frame_i_equals_frame_13_minus_i(septuplet):
    mirrored = mirror(septuplet)
    assert mirrored.shape == (14, 3, 4, 5) and mirrored.dtype == np.uint8
    np.testing.assert_array_equal(mirrored[:7], septuplet)
    for i in range(14):
        np.testing.assert_array_equal(mirrored[i], mirrored[13 - i])


def test_folding_averages_a_frame_and_its_mirror_image():
    out = np.arange(14, dtype=np.float32)[:, None, None, None] ** 2
    expected = [(i**2 + (13 - i) ** 2) / 2 for i in range(7)]
    assert fold(out).ravel().tolist() == expected
    assert centre(out).item() == (9 + 100) / 2 == fold(out)[CENTRE].item()
    assert fold(out).dtype == centre(out).dtype == np.float32


def test_rounding_and_clamping():
    values = np.array([-1, 0, 0.5 / 255 - 1e-4, 0.5 / 255 + 1e-4, 1, 7])
    for dtype in (np.float32, np.float64):
        assert quantise(values.astype(dtype)).tolist() == [0, 0, 0, 1, 255, 255]
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(quantise(levels.astype(np.float32) / 255), levels)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_no_uint8_stands_for(value):
    with pytest.raises(EvaluationError, match="NaN or infinity"):
        quantise(np.array([0.5, value], np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_septuplet_goes_through_the_network_mirrored(septuplet, dtype):
    lq = septuplet if dtype == np.uint8 else septuplet.astype(np.float32) / 255
    seen = []

    def run(clip):
        seen.append(clip)
        frame_number = np.arange(14, dtype=np.float32)[:, None, None, None]
        return (clip + frame_number).repeat(4, -1).repeat(4, -2)

    restored = restore_septuplet(run, lq)
    np.testing.assert_array_equal(seen[0][0], mirror(septuplet.astype(np.float32) / 255))
    assert seen[0].dtype == restored.dtype == np.float32
    assert restored.shape == (7, 3, 16, 20)
    expected = (septuplet / 255 + 6.5).repeat(4, -1).repeat(4, -2)
    np.testing.assert_allclose(restored, expected, rtol=1e-6)
