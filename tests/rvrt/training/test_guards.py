"""What is called trouble, on losses and validations made up here."""

import json
import math

import numpy as np
import pytest

from rvrt.config.training import GuardConfig
from rvrt.training.guards import RECENT, USUAL, Guards

USUAL_LOSSES = list(np.random.default_rng(0).lognormal(-4, 0.8, 2 * USUAL))


def guards(**changed):
    return Guards(GuardConfig(**changed), max_bad_steps=3)


def trouble_with(watch, losses):
    """Steps done, and what was found, when something was."""
    for done, loss in enumerate(losses, start=1):
        if found := watch.after_step(done, loss, 0):
            return done, found
    return None


def test_losses_as_they_are_never_spike_and_a_hard_clip_does_not():
    losses = list(USUAL_LOSSES)
    losses[300] = 40 * float(np.median(losses))
    assert trouble_with(guards(), losses) is None


def test_a_loss_that_stays_high_is_found_and_dated_before_it_rose():
    losses = USUAL_LOSSES[:300] + [20 * loss for loss in USUAL_LOSSES[300:]]
    done, found = trouble_with(guards(), losses)
    assert 300 < done <= 300 + RECENT
    assert found.first == done - RECENT + 1 <= 301
    assert f"step {done}: the mean loss" in found.text and "guards.spike allows 5" in found.text
    assert trouble_with(guards(spike=None), losses) is None


def test_bad_steps_in_a_row_are_dated_from_the_first():
    watch = guards()
    assert watch.after_step(7, math.nan, 1) is watch.after_step(8, math.nan, 2) is None
    assert watch.after_step(9, math.inf, 3).first == 7


def test_its_state_goes_through_json_and_it_goes_on_as_if_nothing_had_been():
    losses = USUAL_LOSSES[:300] + [20 * loss for loss in USUAL_LOSSES[300:]]
    whole = trouble_with(guards(), losses)
    first, second = guards(), guards()
    assert trouble_with(first, losses[:301]) is None
    first.after_validation(0, 30.0, 31.0, -math.inf)
    second.load(json.loads(json.dumps(first.state())))
    assert second.state() == first.state()
    for done, loss in enumerate(losses[301:], start=302):
        if found := second.after_step(done, loss, 0):
            break
    assert (done, found) == whole


def test_going_back_lowers_the_rates_once():
    watch = guards(lower_rate=0.25)
    assert (watch.rate_factor, watch.went_back) == (1.0, False)
    watch.go_back()
    assert (watch.rate_factor, watch.went_back) == (0.25, True)


@pytest.mark.parametrize("ours", [29.0, math.nan])
def test_validations_below_bicubic_are_told_after_some(ours):
    watch = guards(patience=3)
    said = [watch.after_validation(step, ours, 30.0, -math.inf) for step in (10, 20, 30, 40)]
    assert [bool(lines) for lines in said] == [False, False, True, True]
    assert "not above bicubic's 30.00, for 3 validations" in said[2][0]


def test_a_plateau_is_told_and_a_better_validation_ends_it():
    watch = guards(patience=2)
    results = [(31.0, -math.inf), (30.9, 31.0), (30.8, 31.0), (31.1, 31.0), (31.0, 31.1)]
    said = [watch.after_validation(10, ours, 30.0, best) for ours, best in results]
    assert [bool(lines) for lines in said] == [False, False, True, False, False]
    assert "no validation is better than the best, 31.00 dB" in said[2][0]


def test_a_dip_of_fine_tuning_is_told_against_the_start():
    watch = guards()
    assert "35.00 dB, bicubic 30.00" in watch.after_validation(0, 35.0, 30.0, -math.inf)[0]
    assert "step 10: 34.50 dB" in watch.after_validation(10, 34.5, 30.0, 35.0)[0]
    assert watch.after_validation(20, 35.2, 30.0, 35.0) == []
