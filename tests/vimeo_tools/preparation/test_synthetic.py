"""Drawn septuplets: seeded, moving as motion does, resumable."""

import numpy as np
import pytest

from tests.conftest import SIZE, TEST, TRAIN, tree_bytes
from vimeo_tools.data.lists import read_list
from vimeo_tools.data.png import FrameSize
from vimeo_tools.errors import OutputError, SettingsError
from vimeo_tools.preparation.synthetic import Motion, draw_clip, draw_radii, synthesize
from vimeo_tools.running.jobs import process_pool


def test_layout_is_the_official_one(drawn):
    assert read_list(drawn / "sep_trainlist.txt").keys == TRAIN
    assert read_list(drawn / "sep_testlist.txt").keys == TEST
    assert len(list((drawn / "sequences").glob("0000?/000?/im[1-7].png"))) == 21


def test_same_seed_same_clips_whatever_the_workers(drawn, tmp_path):
    with process_pool(2) as pool:
        synthesize(tmp_path / "a", 3, test_clips=1, size=SIZE, seed=5, executor=pool)
    assert tree_bytes(tmp_path / "a") == tree_bytes(drawn)
    synthesize(tmp_path / "b", 3, test_clips=1, size=SIZE, seed=6)
    assert tree_bytes(tmp_path / "b" / "sequences") != tree_bytes(drawn / "sequences")


def best_shift_error(before, after, top, left, reach=6, side=16):
    """How well a block of ``before`` is found again near its place in ``after``."""
    block = before[top : top + side, left : left + side]
    return min(
        np.abs(after[top + dy :, left + dx :][:side, :side] - block).mean()
        for dy in range(-reach, reach + 1)
        for dx in range(-reach, reach + 1)
    )


def test_neighbouring_frames_are_related_by_motion():
    first, second = draw_clip(np.random.default_rng(3), FrameSize(96, 128))[:2].astype(float)
    places = [(top, left) for top in range(8, 72, 16) for left in range(8, 104, 16)]
    unmoved = np.mean([best_shift_error(first, second, *p, reach=0) for p in places])
    moved = np.mean([best_shift_error(first, second, *p) for p in places])
    assert unmoved > 5
    assert moved < 0.6 * unmoved  # noise would be found nowhere


def test_motion_turns_and_zooms_about_the_centre():
    motion = Motion((100, 50), (2, -1), angle=0, spin=np.pi / 2, zoom=1, growth=2)
    first, second = (motion.coordinates(FrameSize(3, 3), frame) for frame in (0, 1))
    np.testing.assert_allclose(first[:, 1, 1], (100, 50))
    np.testing.assert_allclose(first[:, 0, 1], (99, 50))
    np.testing.assert_allclose(second[:, 1, 1], (102, 49))
    np.testing.assert_allclose(second[:, 0, 1], (102, 47), atol=1e-12)


def test_the_density_of_radii_falls_with_their_square():
    radii = draw_radii(np.random.default_rng(2), 100_000)
    assert radii.min() >= 3 and radii.max() <= 120
    edges = np.geomspace(3, 120, 9)
    found = np.histogram(radii, edges)[0] / radii.size
    expected = -np.diff(1 / edges) / (1 / 3 - 1 / 120)  # the integral of 1/r^2, normalised
    np.testing.assert_allclose(found, expected, atol=0.005)  # three deviations of the largest


def test_an_interrupted_run_is_continued(drawn, tmp_path):
    root = tmp_path / "a"
    synthesize(root, 3, test_clips=1, size=SIZE, seed=5)
    (root / "sequences" / TRAIN[1] / "im4.png").unlink()
    (root / "sep_testlist.txt").unlink()
    summary = synthesize(root, 3, test_clips=1, size=SIZE, seed=5)
    assert (summary.done, summary.skipped) == (7, 14)
    assert tree_bytes(root) == tree_bytes(drawn)


def test_what_is_refused(drawn, tmp_path):
    with pytest.raises(OutputError, match="was made with synthesized"):
        synthesize(drawn, 3, test_clips=1, size=SIZE, seed=6)
    with pytest.raises(SettingsError, match="at least one for training"):
        synthesize(tmp_path / "a", 2, test_clips=2)
