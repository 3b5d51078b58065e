import itertools
import math

import numpy as np
import pytest

from rvrt.evaluation.bootstrap import paired_gain


def test_the_interval_is_that_of_all_resamples():
    gains = np.array([0.1, 0.5, -0.3, 0.9, 0.4])
    every = [np.mean(chosen) for chosen in itertools.product(gains, repeat=5)]
    found = paired_gain(gains)
    assert found.mean == pytest.approx(0.32) and found.count == 5
    low, high = np.percentile(every, [2.5, 97.5])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)
    assert paired_gain(gains) == found


def test_what_is_not_finite_is_left_out():
    found = paired_gain(np.array([1.0, math.nan, 1.0, math.inf]))
    assert (found.mean, found.low, found.high, found.count) == (1, 1, 1, 2)
    one = paired_gain(np.array([0.5]))
    assert one.mean == 0.5 and math.isnan(one.low)
    assert math.isnan(paired_gain(np.array([math.nan])).mean)
