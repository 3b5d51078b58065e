import math

import pytest

from rvrt.training.schedule import cosine


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        # By hand: 1e-7 + 1.999e-4 * (1 + cos(pi * k / 8)) / 2 for k = step + 1.
        (0, 1.92391759e-4),
        (1, 1.70725323e-4),
        (3, 1.0005e-4),
        (5, 2.93746772e-5),
        (6, 7.70824073e-6),
        (7, 1e-7),
    ],
)
def test_each_step_has_its_rate(step, rate):
    assert cosine(step, 8, 2e-4, 1e-7) == pytest.approx(rate, rel=1e-8)


def test_falls_to_exactly_its_minimum():
    rates = [cosine(step, 1000, 2e-4, 1e-7) for step in range(1000)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 1e-7
    assert 0.99999 * 2e-4 < rates[0] < 2e-4


def test_one_step_has_the_minimum():
    assert math.isclose(cosine(0, 1, 1.0, 0.5), 0.5)


def test_never_rises_again_after_the_last_step():
    assert {cosine(step, 10, 2e-4, 1e-7) for step in range(9, 40)} == {1e-7}
