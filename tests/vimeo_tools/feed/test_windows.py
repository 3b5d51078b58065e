"""Windows of frames from clips of any length: which there are, and that batches hold them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vimeo_tools.cli.test_sequences import drawn_reds  # noqa: F401  a fixture
from vimeo_tools import AugmentConfig, Training, create_dataset, open_sequences
from vimeo_tools.errors import SettingsError
from vimeo_tools.feed.augment import turn
from vimeo_tools.feed.dataset import what_is_drawn
from vimeo_tools.feed.windows import Windows, span

AS_IT_IS = AugmentConfig(crop=8, mirror=0.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(7, 15), min_size=1, max_size=5),
    st.integers(1, 4),
    st.lists(st.integers(1, 2), min_size=1, max_size=3),
)
def test_an_epoch_visits_every_start_once_and_no_window_leaves_its_clip(lengths, frames, intervals):
    keys = [f"{n:03d}" for n in range(len(lengths))]
    windows = Windows(keys, lengths, frames, intervals)
    rng = np.random.default_rng(0)
    starts = Counter()
    for position in range(len(windows)):
        clip, window = windows.window(position, rng)
        assert window.start + span(frames, window.interval) <= lengths[clip]
        assert window.interval in intervals
        assert len(window.of(range(lengths[clip]))) == frames
        starts[clip, window.start] += 1
    if len(set(intervals)) == 1:
        assert set(starts.values()) == {1}
        for clip, length in enumerate(lengths):
            assert (clip, 0) in starts
            assert (clip, length - span(frames, intervals[0])) in starts
    assert len(windows) == sum(length - span(frames, min(intervals)) + 1 for length in lengths)


def test_a_clip_that_is_too_short_is_named():
    with pytest.raises(SettingsError, match=r"b: has 5 frames, a window of 3 at interval 3 spans"):
        Windows(["a", "b"], [7, 5], 3, (1, 3))
    with pytest.raises(SettingsError, match="b: has 5 frames, a window of 6"):
        Windows(["a", "b"], [6, 5], 6)


def opened(root, lq=None):
    return open_sequences(root / "train_sharp", lq, layout="reds", split="train")


def batches(source, plan):
    return [
        (batch["lq"].asnumpy(), batch["gt"].asnumpy())
        for batch in create_dataset(source, plan, workers=1)
    ]


def test_batches_of_windows_are_what_was_drawn(drawn_reds):  # noqa: F811
    source = opened(drawn_reds)
    assert source.lengths == [6, 6, 6]
    plan = Training(2, AS_IT_IS, seed=3, steps=3, window=4)
    for step, (lq, gt) in enumerate(batches(source, plan)):
        assert (lq.shape, gt.shape) == ((2, 4, 3, 8, 8), (2, 4, 3, 32, 32))
        for place, (key, augmentation, window) in enumerate(what_is_drawn(source, plan, step)):
            whole = source[source.keys.index(key)]
            for found, frames, scale in ((lq, whole.lq, 1), (gt, whole.gt, 4)):
                wanted = frames[window.start : window.start + 4].transpose(0, 2, 3, 1)
                wanted = turn(wanted[:: -1 if augmentation.reverse else 1], augmentation, scale)
                wanted = np.float32(wanted.transpose(0, 3, 1, 2)) / np.float32(255)
                assert np.array_equal(found[place], wanted)


def test_windows_are_the_same_after_a_resume_and_on_other_ranks(drawn_reds):  # noqa: F811
    source = opened(drawn_reds)
    plan = Training(2, AS_IT_IS, seed=7, steps=4, window=3, intervals=(1, 2))
    whole = batches(source, plan)
    rest = batches(source, Training(2, AS_IT_IS, 7, steps=range(2, 4), window=3, intervals=(1, 2)))
    for a, b in zip(whole[2:], rest, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    ranks = [
        batches(source, Training(1, AS_IT_IS, 7, rank, 2, 4, window=3, intervals=(1, 2)))
        for rank in range(2)
    ]
    for step, (lq, _) in enumerate(whole):
        assert np.array_equal(lq, np.concatenate([rank[step][0] for rank in ranks]))
    drawn = [sample for step in range(12) for sample in what_is_drawn(source, plan, step)]
    assert {sample.window.interval for sample in drawn} == {1, 2}


def test_lq_made_as_gt_is_read_is_that_on_disk(vimeo_prep, drawn_reds, tmp_path):  # noqa: F811
    made = tmp_path / "BDx4"
    options = ["--layout", "reds", "--generate-lq", "--degradation", "bd", "--output-dir", made]
    root = drawn_reds / "train_sharp"
    assert vimeo_prep(*options, "--images-root", root, cwd=tmp_path).returncode == 0
    stored = opened(drawn_reds, made)
    now = open_sequences(root, degradation="bd", layout="reds", split="train")
    plan = Training(1, AugmentConfig(crop=4, mirror=0.0), steps=5, window=2)
    for a, b in zip(batches(stored, plan), batches(now, plan), strict=True):
        assert np.array_equal(a[0], b[0])


def test_clips_that_do_not_stack_are_refused(drawn_reds):  # noqa: F811
    source = open_sequences(drawn_reds / "val_sharp", layout="folders")
    source.lengths[:] = [5]
    other = opened(drawn_reds)
    other.lengths[0] = 5
    with pytest.raises(SettingsError, match="5 to 6 frames do not stack"):
        create_dataset(other, Training(2, AS_IT_IS), 1)
    with pytest.raises(SettingsError, match="whole frames of clips of any size"):
        create_dataset(opened(drawn_reds), Training(2, AugmentConfig(crop=None), window=2), 1)
    with pytest.raises(SettingsError, match="window 0"):
        Training(window=0)
    with pytest.raises(SettingsError, match="intervals"):
        Training(window=2, intervals=(0,))
