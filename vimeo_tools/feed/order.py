"""Which sample comes when, on which rank: arithmetic alone, no process, no shared state.

Training runs through one endless stream: epoch after epoch, each a permutation of all clips (or of
all windows of long ones) that depends on the seed and the epoch alone. Step ``s`` takes the next
``world * batch_size`` samples of the stream and the ranks share them. So all ranks take equally
many, no clip is left out or seen twice in an epoch (a batch may reach from one epoch into the
next), and a run can be resumed at any step, also with another number of ranks as long as the whole
batch stays as large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeGuard, overload

import numpy as np
import numpy.typing as npt

from vimeo_tools.errors import SettingsError
from vimeo_tools.feed.augment import AugmentConfig

# Keeps the streams of order and samples apart: NumPy pads short seeds with zeros.
_FOR_ORDER, _FOR_SAMPLE = 1, 2


_MOST_STEPS, _LARGEST_BATCH, _LONGEST_WINDOW = 10**12, 2**16, 10_000


class Sample(NamedTuple):
    """One clip, by its index, in one epoch; or one window, by its number among those of all."""

    epoch: int
    clip: int


@dataclass(frozen=True)
class Training:
    """What one rank sees in training.

    Attributes:
        batch_size: samples a step on this rank.
        augment: what may be drawn for a sample.
        seed: of the order and of all draws.
        rank, world: this one of so many ranks; from 0.
        steps: of the whole run, as ``range(first, end)`` or a number; None for one epoch from
            step 0.
        window: frames of a sample, at any place in its clip; an epoch visits every place once. None
            for whole clips, which then all have the same length.
        intervals: from one frame of a window to the next, one of them drawn for each sample.
    """

    batch_size: int = 1
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    seed: int = 0
    rank: int = 0
    world: int = 1
    steps: range | int | None = None
    window: int | None = None
    intervals: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        _check_rank(self.batch_size, self.rank, self.world)
        if not (_is_integer(self.seed) and 0 <= self.seed < 2**32):
            raise SettingsError(f"seed {self.seed!r}: need an integer from 0 to 2**32 - 1")
        if not isinstance(self.augment, AugmentConfig):
            raise SettingsError(f"augment {self.augment!r}: need an AugmentConfig")
        self._range()
        if self.window is not None and not 1 <= self.window <= _LONGEST_WINDOW:
            raise SettingsError(f"window {self.window}: need 1 to {_LONGEST_WINDOW} frames")
        if not self.intervals or min(self.intervals) < 1:
            raise SettingsError(f"intervals {self.intervals}: need at least one, each 1 or more")
        if self.batch_size > 1 and 0 < self.augment.mirror < 1:
            raise SettingsError(
                f"mirror {self.augment.mirror} with batches of {self.batch_size}: 7 and 14 frames "
                "do not stack; give a mirror probability of 0 or 1, or batches of 1"
            )

    def _range(self) -> range | None:
        steps = self.steps
        if steps is None:
            return None
        if _is_integer(steps):
            steps = range(steps)
        if not isinstance(steps, range) or steps.step != 1 or not 0 <= steps.start <= _MOST_STEPS:
            raise SettingsError(
                f"steps {self.steps!r}: need a number, or range(first, end) with first from 0 on"
            )
        if steps.stop > _MOST_STEPS:
            raise SettingsError(f"steps {self.steps!r}: need an end of at most {_MOST_STEPS:,}")
        return steps

    def samples(self, clips: int) -> Sequence[Sample]:
        """This rank's samples in order, ``batch_size`` to a step, of a set of ``clips`` clips."""
        return _TrainingSamples(self, clips)

    def rng(self, sample: Sample) -> np.random.Generator:
        """What the draws of a sample are taken from: the same whoever asks, and when."""
        entropy = [_FOR_SAMPLE, self.seed, *sample]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


@dataclass(frozen=True)
class Evaluation:
    """What one rank sees in evaluation: over all ranks, each clip exactly once.

    Attributes:
        batch_size: clips a batch; the last batch may be smaller.
        rank, world: this one of so many ranks; from 0.
    """

    batch_size: int = 1
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        _check_rank(self.batch_size, self.rank, self.world)

    def samples(self, clips: int) -> Sequence[Sample]:
        """This rank's clips in order; the ranks' counts differ by at most one."""
        return [Sample(0, index) for index in range(self.rank, clips, self.world)]


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, clips: int) -> npt.NDArray[np.int64]:
    """(clips,) int64: the indices of all clips in the order of an epoch."""
    entropy = [_FOR_ORDER, seed, epoch]
    # Raw draws: NumPy keeps their stream for ever, that of Generator.permutation it does not.
    keys = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(clips)
    return np.argsort(keys, kind="stable")


class _TrainingSamples(Sequence[Sample]):
    """Made as asked for: a run of 300,000 steps takes no memory."""

    def __init__(self, plan: Training, clips: int) -> None:
        self._plan = plan
        self._clips = clips
        self._whole_batch = plan.world * plan.batch_size
        epoch = range(-(-clips // self._whole_batch))
        steps = plan._range()
        self._steps = epoch if steps is None else steps

    def __len__(self) -> int:
        return len(self._steps) * self._plan.batch_size

    @overload
    def __getitem__(self, i: int) -> Sample: ...
    @overload
    def __getitem__(self, i: slice) -> list[Sample]: ...
    def __getitem__(self, i: int | slice) -> Sample | list[Sample]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        step, place = divmod(range(len(self))[i], self._plan.batch_size)
        position = (
            self._steps[step] * self._whole_batch + self._plan.rank * self._plan.batch_size + place
        )
        epoch, place = divmod(position, self._clips)
        return Sample(epoch, int(epoch_order(self._plan.seed, epoch, self._clips)[place]))


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _check_rank(batch_size: int, rank: int, world: int) -> None:
    if not (_is_integer(batch_size) and 1 <= batch_size <= _LARGEST_BATCH):
        raise SettingsError(f"batch_size {batch_size!r}: need 1 to {_LARGEST_BATCH:,}")
    if not (_is_integer(rank) and _is_integer(world) and 0 <= rank < world):
        raise SettingsError(f"rank {rank} of {world}: ranks are numbered 0 to {world - 1}")
