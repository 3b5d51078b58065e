"""Sequences as batches for MindSpore: the one module here that imports it.

Where Pillow would decompress the PNGs, MindSpore's own decoder does: two thirds of the time. Worker
processes hand over uint8 crops, which is a quarter of the bytes; what they become, float32 in 0..1
and mirrored in time, is made of whole batches in the process that uses them. A clip that cannot be
read travels as a row with its error in it, so that the run ends at that very batch, with the error
as it was raised, and MindSpore's pipeline is taken down in order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import mindspore
import numpy as np
import numpy.typing as npt
from mindspore import dataset as msds
from mindspore.dataset import vision

from vimeo_tools.data.codecs import CheckedPng, Decoder, choose_codec
from vimeo_tools.data.septuplets import FRAMES_PER_CLIP
from vimeo_tools.errors import FrameError, LmdbError, SettingsError, VimeoToolsError
from vimeo_tools.feed.augment import NUMBERS_DRAWN, Augmentation, augmentation_of
from vimeo_tools.feed.opening import open_septuplets
from vimeo_tools.feed.order import Evaluation, Sample, Training
from vimeo_tools.feed.samples import SequenceSource
from vimeo_tools.feed.windows import Window, Windows
from vimeo_tools.running.jobs import available_workers

__all__ = [
    "Evaluation",
    "Feed",
    "SequenceSource",
    "Training",
    "create_dataset",
    "open_septuplets",
    "what_is_drawn",
]

Batch = dict[str, Any]
# What travels from a worker as its name and message.
_ERRORS = {
    error.__name__: error for error in (FrameError, LmdbError, SettingsError, VimeoToolsError)
}
_COLUMNS = ["lq", "gt", "key", "mirrored", "error"]
_DECODE = vision.Decode()


def create_dataset(
    source: SequenceSource, plan: Training | Evaluation, workers: int | None = None
) -> Feed:
    """Batches of the clips of ``source`` in the order of ``plan``.

    Args:
        source: the clips.
        plan: what this rank sees.
        workers: processes that decode; with 1, a thread of this process. None for one per
            processor that this process may use.

    Raises:
        SettingsError: more workers than processors, or a plan that does not fit the clips.
    """
    allowed = available_workers()
    workers = allowed if workers is None else workers
    if not 1 <= workers <= allowed:
        raise SettingsError(f"{workers} workers: this machine allows 1 to {allowed}")
    if isinstance(plan, Training):
        if source.same_size:
            plan.augment.check_fits(source.lq_size)
        _check_stackable(source, plan)
    return Feed(source, plan, workers)


class Feed:
    """An iterable of batches; each iteration starts the plan anew, with its own workers.

    A batch is a dict of mindspore.Tensor, float32 in 0..1:

    - ``lq``: (B, T, 3, h, w),
    - ``gt``: (B, T, 3, scale * h, scale * w),
    - in evaluation also ``key``: (B,) str, a NumPy array.

    ``len()`` is the number of batches. The workers end with the iteration, also when it is left by
    break, an exception or Ctrl-C.
    """

    def __init__(self, source: SequenceSource, plan: Training | Evaluation, workers: int) -> None:
        self._rows = _Rows(source, plan)
        self._plan = plan
        self._workers = workers

    def __len__(self) -> int:
        return -(-len(self._rows) // self._plan.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches.

        Raises:
            FrameError: names the frame that is missing or damaged; and the other errors of
                `SequenceSource.read`.
        """
        if not self._rows:
            return
        pipeline = self._start()
        try:
            for columns in pipeline:
                _raise_first(columns["error"])
                yield self._finish(columns)
        finally:
            pipeline.stop()
            # The workers end with the last reference.
            del pipeline

    def get_dataset_size(self) -> int:
        """The number of batches, by the name that MindSpore's data sets use."""
        return len(self)

    def create_dict_iterator(
        self, num_epochs: int = 1, output_numpy: bool = False
    ) -> Iterator[Batch]:
        """The batches ``num_epochs`` times, by the name that MindSpore's data sets use.

        Args:
            num_epochs: how often the plan is run through.
            output_numpy: arrays instead of tensors.

        Raises:
            FrameError: as iterating does.
        """
        for _ in range(num_epochs):
            for batch in self:
                if output_numpy:
                    batch.update(lq=batch["lq"].asnumpy(), gt=batch["gt"].asnumpy())
                yield batch

    def _start(self) -> Any:
        rows = msds.GeneratorDataset(
            self._rows,
            _COLUMNS,
            sampler=msds.SequentialSampler(0, len(self._rows)),
            num_parallel_workers=self._workers,
        )
        batches = rows.batch(self._plan.batch_size, num_parallel_workers=1)
        return batches.create_dict_iterator(num_epochs=1, output_numpy=True)

    def _finish(self, columns: Batch) -> Batch:
        mirrored = bool(columns["mirrored"].all())
        batch = {name: _to_tensor(columns[name], mirrored) for name in ("lq", "gt")}
        if isinstance(self._plan, Evaluation):
            batch["key"] = columns["key"]
        return batch


class _Rows:
    """What workers index: place in the plan -> the columns of one sample."""

    def __init__(self, source: SequenceSource, plan: Training | Evaluation) -> None:
        self._source = source
        self._plan = plan
        drawn = (plan.window, plan.intervals) if isinstance(plan, Training) else (None,)
        self._windows = Windows(source.keys, source.lengths, *drawn)
        self._samples = plan.samples(len(self._windows))

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, place: int) -> tuple[Any, ...]:
        sample = self._samples[int(place)]
        index, window, numbers = self._placed(sample)
        augmentation, message = Augmentation(), ""
        try:
            augmentation = self._augmentation(index, numbers)
            clip = self._source.read(index, augmentation, _decoder(), window)
        except VimeoToolsError as error:
            if isinstance(self._plan, Training) and augmentation == Augmentation():
                augmentation = Augmentation(side=self._plan.augment.crop)
            clip = self._source.blank(augmentation, window)
            name = type(error).__name__
            message = f"{name if name in _ERRORS else VimeoToolsError.__name__}: {error}"
        key = self._source.keys[index]
        return *clip, key, augmentation.mirror, message

    def drawn(self, place: int) -> Drawn:
        """What is drawn for the sample at a place.

        Raises:
            FrameError: the size of its frames cannot be read.
        """
        index, window, numbers = self._placed(self._samples[place])
        return Drawn(self._source.keys[index], self._augmentation(index, numbers), window)

    def _placed(self, sample: Sample) -> tuple[int, Window, Any]:
        """(clip, window, the numbers that its augmentation is made of) of a sample."""
        if isinstance(self._plan, Evaluation):
            return sample.clip, Window(), None
        rng = self._plan.rng(sample)
        numbers = rng.random(NUMBERS_DRAWN)
        return *self._windows.window(sample.clip, rng), numbers

    def _augmentation(self, index: int, numbers: Any) -> Augmentation:
        if isinstance(self._plan, Evaluation):
            return Augmentation()
        _, lq_size = self._source.sizes(index)
        return augmentation_of(self._plan.augment, lq_size, numbers)


class Drawn(NamedTuple):
    """What one sample shows: a clip by its key, which frames of it, and how they are turned."""

    key: str
    augmentation: Augmentation
    window: Window


def what_is_drawn(source: SequenceSource, plan: Training, step: int) -> list[Drawn]:
    """What is drawn for each sample that a rank sees in a step, counted from 0."""
    rows = _Rows(source, dataclasses.replace(plan, steps=range(step, step + 1)))
    return [rows.drawn(place) for place in range(len(rows))]


def _decoder() -> Decoder:
    """What takes the least time: MindSpore's in place of Pillow's."""
    codec = choose_codec()
    return decode_with_mindspore if codec.name == "pillow" else codec.decode


def decode_with_mindspore(png: CheckedPng) -> npt.NDArray[np.uint8]:
    """A `vimeo_tools.data.codecs.Decoder`."""
    try:
        frame: npt.NDArray[np.uint8] = _DECODE(np.frombuffer(png.file(), np.uint8))
    except RuntimeError:  # its message is a stack of C++ calls
        raise FrameError("the PNG cannot be decoded: its picture data are damaged") from None
    return frame


def _raise_first(messages: npt.NDArray[np.str_]) -> None:
    """Raise the first error that a worker reported."""
    for message in messages.tolist():
        if message:
            name, _, text = message.partition(": ")
            raise _ERRORS[name](text)


def _to_tensor(frames: npt.NDArray[np.uint8], mirrored: bool) -> Any:
    """float32 in 0..1 of (B, T, ...) uint8; mirrored in time as `augment.mirror` does."""
    batch, count, *shape = frames.shape
    unit = np.empty((batch, count * (1 + mirrored), *shape), np.float32)
    np.divide(frames, np.float32(255), out=unit[:, :count])
    if mirrored:
        unit[:, count:] = unit[:, count - 1 :: -1]
    return mindspore.Tensor.from_numpy(unit)


def _check_stackable(source: SequenceSource, plan: Training) -> None:
    augment, size = plan.augment, source.lq_size
    if len(source.gt_numbers) != FRAMES_PER_CLIP:
        raise SettingsError(f"GT frames {list(source.gt_numbers)}: training needs all 7")
    if plan.batch_size > 1 and plan.window is None and len(set(source.lengths)) > 1:
        raise SettingsError(
            f"clips of {min(source.lengths)} to {max(source.lengths)} frames do not stack; give "
            "Training a window, or batches of 1"
        )
    if plan.batch_size > 1 and augment.crop is None and not source.same_size:
        raise SettingsError("whole frames of clips of any size do not stack; give a crop")
    square = augment.crop is not None or size.height == size.width
    if plan.batch_size > 1 and 0 < augment.transpose < 1 and not square:
        raise SettingsError(
            f"transpose {augment.transpose} of whole frames of {size}: some would be {size.height}x"
            f"{size.width} and not stack; give a crop, a probability of 0 or 1, or batches of 1"
        )
