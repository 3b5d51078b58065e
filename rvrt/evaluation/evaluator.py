"""Sequences restored and measured one by one; stopped and resumed at any of them.

    evaluate: measured -> Restorer -> metrics -> records, then the summary

No MindSpore: the baseline is measured without it.
"""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rvrt.errors import EvaluationError
from rvrt.evaluation.meter import Means, Meter, MetricSet, choose_metrics, mean_of_frames
from rvrt.evaluation.restored import RestoredFrames
from rvrt.evaluation.results import (
    PerFrame,
    RecordFile,
    SequenceRecord,
    read_records,
    record_of,
    worst_and_best,
    write_results,
)
from rvrt.evaluation.sequences import Sequence, SequenceSet
from rvrt.evaluation.slices import Slices
from rvrt.evaluation.summary import Facts, Results, Settings, summarise
from rvrt.restoration.frames import to_uint8
from rvrt.restoration.pictures import save_picture
from rvrt.restoration.tiling import Picture
from vimeo_tools import imresize
from vimeo_tools.data.pictures import Frame
from vimeo_tools.running.atomic import remove_parts
from vimeo_tools.running.folders import refuse_overlap, taken
from vimeo_tools.running.jobs import shard
from vimeo_tools.running.progress import progress

if TYPE_CHECKING:
    from rvrt.restoration.restorer import Restorer

PICTURES_OF_EACH_END = 5
_PICTURES = "pictures"
_IMAGES = "images"


@dataclass(frozen=True)
class Comparison:
    """One measured frame, (H, W, 3) uint8 each; `ours` is None without a network."""

    name: str
    lq: Frame
    bicubic: Frame
    ours: Frame | None
    gt: Frame
    scores: Means | None
    bicubic_scores: Means

    @property
    def frames(self) -> dict[str, Frame | None]:
        """All versions by name, GT last."""
        return {"lq": self.lq, "bicubic": self.bicubic, "ours": self.ours, "gt": self.gt}

    @property
    def has_nan(self) -> bool:
        """Whether the restored frame held NaN or infinity."""
        return self.scores is not None and math.isnan(self.scores["psnr_y"])

    def save(self, folder: Path) -> None:
        """Write what there is as lq.png, bicubic.png, ours.png, gt.png; the last when all are."""
        for name, frame in self.frames.items():
            if frame is not None:
                save_picture(folder / f"{name}.png", frame)


def measured_frames(sequence: Sequence, restorer: Restorer | RestoredFrames) -> Iterable[Picture]:
    """The measured frames: (3, H, W) float32, neither clamped nor rounded.

    Raises:
        EvaluationError: GT is not as large as what the network makes, or frames that are to be
            there already are not.
    """
    if isinstance(restorer, RestoredFrames):
        return restorer.read(sequence)
    if sequence.scale != restorer.scale:
        raise EvaluationError(
            f"{sequence.key}: GT is {sequence.scale} times as large as LQ, the network "
            f"enlarges {restorer.scale} times"
        )
    if sequence.mirrored:
        return restorer.restore_mirrored(sequence.lq)[list(sequence.measured)]
    return (picture for _, picture in restorer.restore(sequence.lq, sequence.measured))


def compare_frames(
    sequence: Sequence, restorer: Restorer | RestoredFrames | None, metrics: MetricSet
) -> Iterator[Comparison]:
    """Restore a sequence and measure it, frame by frame."""
    restored: Iterable[Picture | None] = itertools.repeat(None)
    if restorer is not None:
        restored = measured_frames(sequence, restorer)
    meter, bicubic_meter = (Meter(metrics, sequence.region) for _ in range(2))
    for place, (index, picture) in enumerate(zip(sequence.measured, restored, strict=False)):
        lq, gt = sequence.lq.read(index, index + 1)[0], sequence.gt.read(place, place + 1)[0]
        bicubic = imresize(lq, sequence.scale)
        ours, scores = None, None
        if picture is not None:
            # NaN is shown as black and infinity as white; the scores say what was there.
            ours = to_uint8(np.nan_to_num(picture))
            scores = meter.add(ours if np.isfinite(picture).all() else None, gt)
        name = sequence.names[place]
        yield Comparison(name, lq, bicubic, ours, gt, scores, bicubic_meter.add(bicubic, gt))


@dataclass(frozen=True)
class Shown:
    """What is kept of a sequence to look at: its middle frame, and x-t slices of all frames."""

    middle: Comparison
    slices: Mapping[str, Frame]

    def save(self, folder: Path) -> None:
        """Write xt_lq.png and so on where there are two frames or more, then the middle frame."""
        for name, picture in self.slices.items():
            save_picture(folder / f"xt_{name}.png", picture)
        self.middle.save(folder)


def measure_sequence(
    sequence: Sequence,
    restorer: Restorer | RestoredFrames | None,
    images: Path | None = None,
    metrics: MetricSet | None = None,
) -> tuple[SequenceRecord, Shown]:
    """Measure the frames of a sequence.

    Args:
        sequence: what to measure.
        restorer: the network, or frames that are there; None for the baseline alone.
        images: a folder for all restored frames, or those of the baseline without a network.
        metrics: None for those of the sequence's protocol.

    Returns:
        Its record, and what is kept of it to look at.
    """
    network = None if isinstance(restorer, RestoredFrames) else restorer
    before = (network.seconds, network.compiling) if network else (0.0, 0.0)
    names, ours, bicubic, nan_frames, slices = [], [], [], 0, Slices()
    metrics = metrics or choose_metrics(sequence.protocol.more)
    for place, frame in enumerate(compare_frames(sequence, restorer, metrics)):
        names.append(frame.name)
        bicubic.append(frame.bicubic_scores)
        nan_frames += frame.has_nan
        if frame.scores is not None:
            ours.append(frame.scores)
        if images is not None:
            restored = frame.bicubic if frame.ours is None else frame.ours
            save_picture(images / f"{frame.name}.png", restored)
        slices.add(frame.frames)
        if place == len(sequence.measured) // 2:
            middle = frame
    record = SequenceRecord(
        sequence.key,
        len(bicubic),
        nan_frames,
        mean_of_frames(ours) if ours else None,
        mean_of_frames(bicubic),
        network.seconds_since(*before) if network else None,
        network.peak_memory() if network else None,
        PerFrame(names, ours or None, bicubic),
    )
    return record, Shown(middle, slices.chosen() if len(bicubic) > 1 else {})


@dataclass(frozen=True)
class Job:
    """What to measure and where to put it.

    Attributes:
        output: the folder for results.
        sequences: where sequences come from.
        keys: those to measure.
        groups: the group of a key, for those that have one.
        settings: what every measurement depends on.
        facts: what else stands in results.json.
        shard: (i, n): measure part i of n, from 1.
    """

    output: Path
    sequences: SequenceSet
    keys: list[str]
    groups: dict[str, str]
    settings: Settings
    facts: Facts
    shard: tuple[int, int] = (1, 1)

    @property
    def metrics(self) -> MetricSet:
        """What is measured.

        Raises:
            EvaluationError: a metric of the settings is not there.
        """
        return choose_metrics(self.settings.metrics)

    def pictures(self, key: str) -> Path:
        """Where the comparison of a sequence lies."""
        return self.output / _PICTURES / key.replace("/", "_")

    def images(self, key: str) -> Path | None:
        """Where all restored frames of a sequence are kept, if they are."""
        return self.output / _IMAGES / key if self.settings.save_images else None


def evaluate(job: Job, restorer: Restorer | RestoredFrames | None) -> Results | None:
    """Measure what is not measured yet; with all measured, write the results.

    Returns:
        What results.json holds, or None where other shards have sequences left.

    Raises:
        EvaluationError: a sequence is not as it must be.
        OutputError: the output is of other settings, not ours, or cannot be written.
        VimeoToolsError: a frame cannot be read.
    """
    restored = [restorer.folder] if isinstance(restorer, RestoredFrames) else []
    refuse_overlap(job.output, *job.sequences.source.folders, *restored)
    record = record_of(job.settings.to_json())
    with taken(job.output, record, shared=True, part=job.shard):
        _measure_missing(job, restorer)
        return _finish(job, restorer)


def _measure_missing(job: Job, restorer: Restorer | RestoredFrames | None) -> None:
    file = RecordFile(job.output, job.shard)
    known = read_records(job.output)
    mine = shard(job.keys, *job.shard)
    missing = [key for key in mine if key not in known]
    with progress(len(mine), "sequence", done=len(mine) - len(missing)) as bar:
        for record, shown in measured(job, missing, restorer):
            known[record.key] = record
            if record.key in _shown_of(job, known.values()):
                shown.save(job.pictures(record.key))
            file.append(record)
            psnr = record.main[job.sequences.protocol.main[0]]
            bar.set_postfix_str(f"{record.key} {psnr:.2f} dB")
            bar.update()


def _shown_of(job: Job, records: Iterable[SequenceRecord]) -> list[str]:
    """Keys of the sequences whose pictures are kept."""
    return worst_and_best(records, PICTURES_OF_EACH_END, job.sequences.protocol.main[0])


def measured(
    job: Job, keys: Iterable[str], restorer: Restorer | RestoredFrames | None
) -> Iterator[tuple[SequenceRecord, Shown]]:
    """Sequences measured one after another, see `measure_sequence`."""
    for key in keys:
        for folder in (job.images(key), job.pictures(key)):
            if folder is not None:
                remove_parts(folder)  # of a run that was killed at this sequence
        sequence = job.sequences.read(key)
        yield measure_sequence(sequence, restorer, job.images(key), job.metrics)


def unmeasured(job: Job) -> int:
    """How many sequences of the job have no record, of whichever shard."""
    return len(set(job.keys) - read_records(job.output).keys())


def _finish(job: Job, restorer: Restorer | RestoredFrames | None) -> Results | None:
    known = read_records(job.output)
    if not set(job.keys) <= known.keys():
        return None
    records = [known[key] for key in job.keys]
    _complete_pictures(job, restorer, records)
    results = summarise(job.facts, records, job.groups)
    write_results(job.output, results.to_json(), records, job.groups)
    return results


def _complete_pictures(
    job: Job, restorer: Restorer | RestoredFrames | None, records: list[SequenceRecord]
) -> None:
    """Pictures of the worst and best sequences, and no others."""
    wanted = {job.pictures(key): key for key in _shown_of(job, records)}
    for folder, key in wanted.items():
        if not (folder / "gt.png").exists():
            sequence = job.sequences.read(key)
            measure_sequence(sequence, restorer, metrics=job.metrics)[1].save(folder)
    for folder in (job.output / _PICTURES).iterdir():
        if folder not in wanted:
            shutil.rmtree(folder, ignore_errors=True)
