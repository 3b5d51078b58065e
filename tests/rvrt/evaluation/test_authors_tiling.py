"""Their tiles, pixel by pixel, as their test program's loops are read."""

import itertools
from collections import defaultdict

import numpy as np
import pytest

from rvrt.errors import EvaluationError
from rvrt.evaluation.authors_tiling import AuthorsTiles, restore_in_tiles

SCALE = 2


def network(clip):
    """Sees its surroundings: what a tile gives depends on where it was cut."""
    assert clip.dtype == np.float32
    mixed = clip + np.roll(clip, 1, 0) / 3 + np.roll(clip, 1, 2) / 5 + np.roll(clip, 2, 3) / 7
    return (mixed + clip.mean()).repeat(SCALE, 2).repeat(SCALE, 3)


def starts(length, size, overlap):
    found, place = [], 0
    while place < length - size:
        found.append(place)
        place += size - overlap
    return [*found, max(0, length - size)]


def slow(clip, tiles):
    """Each restored sample the mean of the tiles that give it."""
    count, _, height, width = clip.shape
    given = defaultdict(list)
    times = starts(count, tiles.frames, tiles.time_overlap)
    tops, lefts = (starts(n, tiles.side, tiles.overlap) for n in (height, width))
    for first, top, left in itertools.product(times, tops, lefts):
        tile = clip[first:, :, top:, left:][: tiles.frames, :, : tiles.side, : tiles.side]
        out = network(tile)
        rows, columns = out.shape[2:]
        for t, y, x in itertools.product(range(len(out)), range(rows), range(columns)):
            edge = tiles.overlap // 2  # in restored pixels, not in LQ pixels
            outside = (
                (top != tops[0] and y < edge)
                or (top != tops[-1] and y >= rows - edge)
                or (left != lefts[0] and x < edge)
                or (left != lefts[-1] and x >= columns - edge)
            )
            if not outside:
                given[first + t, SCALE * top + y, SCALE * left + x].append(out[t, :, y, x])
    means = np.zeros((count, 3, SCALE * height, SCALE * width))
    for (t, y, x), values in given.items():
        means[t, :, y, x] = np.mean(np.float64(values), axis=0)
    assert len(given) == means[:, 0].size
    return means


@pytest.mark.parametrize(
    ("shape", "tiles"),
    [
        ((6, 20, 29), AuthorsTiles(4, 16, 2, 6)),
        ((6, 16, 40), AuthorsTiles(6, 16, 2, 5)),
        ((4, 10, 12), AuthorsTiles(8, 16, 2, 6)),  # smaller than a tile
    ],
)
def test_tiles_are_averaged_as_in_their_loops(shape, tiles):
    rng = np.random.default_rng(0)
    clip = rng.random((shape[0], 3, *shape[1:]), np.float32)
    found = restore_in_tiles(clip, tiles, network, SCALE, (2, 8, 8))
    np.testing.assert_allclose(found, slow(clip, tiles), atol=1e-6)


def test_without_tiles_frames_and_sides_are_flipped_out_to_multiples():
    clip = np.random.default_rng(1).random((3, 3, 9, 14), np.float32)
    flipped = np.concatenate([clip, clip[-1:]])
    flipped = np.concatenate([flipped, flipped[:, :, :1:-1][:, :, :7]], axis=2)
    flipped = np.concatenate([flipped, flipped[..., :11:-1]], axis=3)
    assert flipped.shape == (4, 3, 16, 16)
    found = restore_in_tiles(clip, AuthorsTiles(), network, SCALE, (2, 8, 8))
    np.testing.assert_array_equal(found, network(flipped)[:3, :, :18, :28])


def test_what_cannot_be_cut():
    with pytest.raises(EvaluationError, match="tiles of 16 pixels overlap by 20"):
        AuthorsTiles(side=16)
    clip = np.zeros((5, 3, 16, 16), np.float32)
    with pytest.raises(EvaluationError, match="tiles of 5 frames: the network takes multiples"):
        restore_in_tiles(clip, AuthorsTiles(frames=8), network, SCALE, (2, 8, 8))
