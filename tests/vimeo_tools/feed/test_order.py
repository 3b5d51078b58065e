"""Which sample comes when: the same for any number of ranks, and after a resume."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vimeo_tools.errors import SettingsError
from vimeo_tools.feed.augment import AugmentConfig
from vimeo_tools.feed.order import Evaluation, Sample, Training, epoch_order


def steps_of(plans, clips):
    """Per step, the samples of all ranks."""
    by_rank = [plan.samples(clips) for plan in plans]
    size = plans[0].batch_size
    count = len(by_rank[0]) // size
    return [
        [samples[step * size + i] for samples in by_rank for i in range(size)]
        for step in range(count)
    ]


def ranks(world, **settings):
    return [Training(rank=rank, world=world, **settings) for rank in range(world)]


# --- training -----------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(0, 9), st.integers(0, 3))
def test_an_epoch_is_a_permutation_of_all_clips(clips, seed, epoch):
    assert sorted(epoch_order(seed, epoch, clips).tolist()) == list(range(clips))


def test_epochs_and_seeds_differ():
    orders = {tuple(epoch_order(seed, epoch, 20)) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_the_order_is_what_it_was():
    """A checkpoint of today is to be resumed tomorrow, with another NumPy."""
    assert epoch_order(3, 1, 8).tolist() == [0, 4, 3, 7, 6, 2, 5, 1]


@pytest.mark.parametrize("world, batch_size", [(2, 4), (4, 2), (8, 1)])
def test_a_step_has_the_same_samples_on_any_number_of_ranks(world, batch_size):
    alone = steps_of(ranks(1, batch_size=8, seed=3, steps=range(10)), clips=21)
    shared = steps_of(ranks(world, batch_size=batch_size, seed=3, steps=range(10)), clips=21)
    assert shared == alone


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_all_ranks_see_equally_many_and_each_clip_once_an_epoch(clips, world, batch_size, seed):
    # So many steps are a whole number of epochs.
    plans = ranks(world, batch_size=batch_size, seed=seed, steps=range(2 * clips))
    assert len({len(plan.samples(clips)) for plan in plans}) == 1
    seen = [sample for step in steps_of(plans, clips) for sample in step]
    epochs = 2 * world * batch_size
    assert sorted(seen) == [Sample(e, clip) for e in range(epochs) for clip in range(clips)]


@given(st.integers(0, 25))
def test_resumed_in_mid_epoch_it_goes_on_as_if_never_stopped(first):
    whole = Training(batch_size=3, seed=5, steps=range(25)).samples(14)
    resumed = Training(batch_size=3, seed=5, steps=range(first, 25)).samples(14)
    assert list(resumed) == list(whole)[3 * first :]


def test_resumed_with_other_ranks_it_goes_on_as_if_never_stopped():
    whole = steps_of(ranks(2, batch_size=4, steps=range(9)), clips=11)
    resumed = steps_of(ranks(4, batch_size=2, steps=range(5, 9)), clips=11)
    assert resumed == whole[5:]


def test_without_steps_an_epoch_is_seen_whole():
    samples = Training(batch_size=4).samples(10)
    assert len(samples) == 12
    assert {s.clip for s in samples if s.epoch == 0} == set(range(10))
    assert [s.epoch for s in samples][10:] == [1, 1]


def test_a_long_run_takes_no_memory_and_may_be_pickled():
    samples = Training(batch_size=8, steps=range(300_000)).samples(64_612)
    assert len(samples) == 2_400_000
    assert len(pickle.dumps(samples)) < 2000
    assert samples[2_399_999].epoch == 2_399_999 // 64_612
    with pytest.raises(IndexError):
        samples[2_400_000]


# --- what is drawn for a sample -----------------------------------------------------------------


def test_draws_depend_on_seed_epoch_and_clip_and_on_nothing_else():
    def numbers(sample, **settings):
        return tuple(Training(**settings).rng(sample).random(7))

    sample = Sample(2, 9)
    assert numbers(sample, seed=1) == numbers(
        sample, seed=1, rank=3, world=4, batch_size=2, steps=range(7, 9)
    )
    different = {
        numbers(Sample(epoch, clip), seed=seed)
        for seed in range(4)
        for epoch in range(4)
        for clip in range(4)
    }
    assert len(different) == 64


def test_draws_are_not_those_of_the_order():
    """NumPy pads short seeds with zeros, so (seed, epoch) alone equals (seed, epoch, 0)."""
    of_order = np.random.PCG64(np.random.SeedSequence([1, 4, 5])).random_raw(4)
    assert epoch_order(4, 5, 4).tolist() == np.argsort(of_order).tolist()
    of_sample = Training(seed=4).rng(Sample(5, 0)).bit_generator.random_raw(4)
    assert not set(of_order.tolist()) & set(of_sample.tolist())


# --- evaluation ---------------------------------------------------------------------------------


@given(st.integers(0, 50), st.integers(1, 8))
def test_over_all_ranks_each_clip_is_evaluated_exactly_once(clips, world):
    shards = [Evaluation(rank=rank, world=world).samples(clips) for rank in range(world)]
    assert sorted(s.clip for shard in shards for s in shard) == list(range(clips))
    lengths = [len(shard) for shard in shards]
    assert max(lengths) - min(lengths) <= 1


def test_a_single_rank_evaluates_in_the_order_of_the_list():
    assert [s.clip for s in Evaluation().samples(5)] == [0, 1, 2, 3, 4]


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [Training, Evaluation])
@pytest.mark.parametrize("rank, world", [(-1, 2), (2, 2), (0, 0)])
def test_a_rank_lies_within_its_world(plan, rank, world):
    with pytest.raises(SettingsError, match=f"rank {rank} of {world}"):
        plan(rank=rank, world=world)


@pytest.mark.parametrize("plan", [Training, Evaluation])
def test_an_empty_batch_is_refused(plan):
    with pytest.raises(SettingsError, match="batch_size 0"):
        plan(batch_size=0)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_fits_32_bits(seed):
    with pytest.raises(SettingsError, match="seed"):
        Training(seed=seed)


@pytest.mark.parametrize("steps", [range(0, 10, 2), range(-1, 5)])
def test_steps_count_from_0_by_1(steps):
    with pytest.raises(SettingsError, match="steps"):
        Training(steps=steps)


def test_frames_of_7_and_14_do_not_share_a_batch():
    with pytest.raises(SettingsError, match=r"mirror 0\.5 with batches of 2"):
        Training(batch_size=2, augment=AugmentConfig(mirror=0.5))
    assert Training(batch_size=1, augment=AugmentConfig(mirror=0.5)).batch_size == 1


def test_steps_may_be_a_number():
    assert list(Training(2, steps=12).samples(5)) == list(Training(2, steps=range(12)).samples(5))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"steps": 1.5}, "steps 1.5"),
        ({"steps": "12"}, "steps '12'"),
        ({"steps": range(0, 9, 2)}, "steps range"),
        ({"steps": range(-1, 3)}, "first from 0 on"),
        ({"steps": 2**63}, "at most 1,000,000,000,000"),
        ({"batch_size": 10**9}, "batch_size 1000000000"),
        ({"batch_size": 2.0}, "batch_size 2.0"),
        ({"seed": 0.5}, "seed 0.5"),
        ({"seed": 2**63}, "seed 9223372036854775808"),
        ({"augment": {"crop": 64}}, "need an AugmentConfig"),
    ],
)
def test_values_of_a_wrong_type_or_without_end(options, words):
    with pytest.raises(SettingsError, match=words):
        Training(**options)
