"""The time that is left, from a clock that is made up."""

import numpy as np
import pytest

from rvrt.restoration.pace import Pace, clock_text


@pytest.mark.parametrize("seed", range(5))
def test_the_time_left_is_right_within_a_fifth_after_a_tenth_of_the_work(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(50, 400, 150)
    seconds = sizes * 0.01 * rng.uniform(0.7, 1.3, 150)
    seconds[0] *= 8  # warms up
    times = 1000 + np.cumsum(seconds)
    pace = Pace(list(sizes), 1000.0)
    assert pace.left() is None
    checked = 0
    for now in times:
        pace.step(now)
        left = times[-1] - now
        if pace.share >= 0.1 and left > 0.05 * seconds.sum():
            assert pace.left() == pytest.approx(left, rel=0.2)
            checked += 1
    assert checked > 100 and pace.left() == 0 and pace.share == 1


def test_one_piece_alone_and_none():
    pace = Pace([2, 6], 0.0)
    pace.step(3.0)
    assert pace.left() == 9.0
    pace.step(10.0)
    assert pace.left() == 0
    assert Pace([], 0.0).left() is None


def test_pieces_that_compile_do_not_count_for_the_speed():
    pace = Pace([1, 1, 1, 1, 4], 0.0)
    for now, compiled in ((30, True), (31, False), (61, True), (62, False)):
        pace.step(float(now), compiled)
    assert pace.left() == 4.0
    assert pace.at_speed == 0.5
    pace.step(66.0)
    assert pace.at_speed == 0.75 and pace.left() == 0


def test_clocks():
    assert [clock_text(s) for s in (0.4, 62, 3600 + 245)] == ["0:00", "1:02", "1:04:05"]
