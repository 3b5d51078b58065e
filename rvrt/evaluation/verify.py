"""Results believed without a card: saved pictures measured again, and means taken again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rvrt.errors import EvaluationError
from rvrt.evaluation.meter import Means, choose_metrics, mean_of_frames
from rvrt.evaluation.opening import holds_septuplets, sequence_folders
from rvrt.evaluation.protocol import PROTOCOLS, Protocol
from rvrt.evaluation.report.runs import Run, Scores, read_run
from rvrt.evaluation.results import mean_scores
from vimeo_tools.data.pictures import Frame, PictureSequence, read_picture
from vimeo_tools.errors import FrameError
from vimeo_tools.feed.opening import open_sequences

# What two machines may differ by when they add the same numbers up.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Saved:
    """A picture that a run kept.

    Attributes:
        path: where it lies.
        key: of its sequence.
        frame: name of the frame.
        truth: reads the true one.
        scores: that the run has written down for it.
    """

    path: Path
    key: str
    frame: str
    truth: Callable[[], Frame]
    scores: Means


@dataclass(frozen=True)
class Verification:
    """What came of measuring again.

    Attributes:
        saved: pictures that the run kept and that can be measured.
        measured: those of the sample.
        seed: of the sample.
        largest: difference of a score.
        differences: a line for each that is larger than `TOLERANCE`, or cannot be read.
        notes: what could not be looked at.
    """

    saved: int
    measured: int
    seed: int
    largest: float
    differences: list[str]
    notes: list[str]


def verify(path: Path, sample: int = 20, seed: int = 0, gt: Path | None = None) -> Verification:
    """Measure a random sample of the saved pictures again, and take all means again.

    Args:
        path: a folder of results, or its results.json.
        sample: how many pictures, at most.
        seed: of the sample.
        gt: where the true frames are, if no longer where they were.

    Raises:
        OutputError: a file is missing, damaged or of another form.
        EvaluationError: there is nothing to measure.
    """
    run = read_run(path if path.is_dir() else path.parent)
    notes: list[str] = []
    saved = [*_shown(run), *_images(run, gt, notes)]
    if not saved:
        raise EvaluationError(
            f"{run.folder}: holds no picture whose scores are written down: "
            + ("; ".join(notes) or "evaluate again, with --save-images")
        )
    picked = np.random.default_rng(seed).permutation(len(saved))[:sample]
    differences, largest = [], 0.0
    for place in sorted(picked.tolist()):
        found, lines = _measure(saved[place], run)
        largest = max(largest, found)
        differences += lines
    return Verification(
        len(saved), len(picked), seed, largest, differences + list(_means(run)), notes
    )


def verification_lines(found: Verification) -> Iterator[str]:
    """What a terminal shows of it."""
    yield (
        f"{found.measured} of {found.saved} saved pictures measured again, drawn with seed "
        f"{found.seed}: largest difference of a score {found.largest:.2g}"
    )
    yield from found.notes
    yield from found.differences
    if found.differences:
        yield f"{len(found.differences)} scores differ by more than {TOLERANCE:g}"
    else:
        yield "the scores, and all means taken again, are those that are written down"


def _protocol(run: Run) -> Protocol:
    name = run.results.facts.protocol
    if name not in PROTOCOLS:
        raise EvaluationError(
            f"{run.folder}: protocol {name!r} is not known; was a plugin given that is not given "
            "now, or are the results of an earlier version?"
        )
    return PROTOCOLS[name]


def _measure(saved: Saved, run: Run) -> tuple[float, list[str]]:
    """The largest difference, and lines for those that are too large."""
    where = saved.path.relative_to(run.folder)
    metrics = choose_metrics(name for name in saved.scores if name in _protocol(run).more).frame
    try:
        picture, true = read_picture(saved.path), saved.truth()
    except FrameError as error:
        return 0.0, [str(error)]
    if picture.shape != true.shape:
        return 0.0, [f"{where}: {picture.shape[:2]}, the true frame {true.shape[:2]}"]
    region = _protocol(run).region(*true.shape[:2])
    largest, lines = 0.0, []
    for name in (name for name in metrics if name in saved.scores):
        again = metrics[name](region.of(picture), region.of(true))
        difference = _difference(again, saved.scores[name])
        largest = max(largest, difference)
        if difference > TOLERANCE:
            lines.append(f"{where}: {name} is {again:.6f}, written down {saved.scores[name]:.6f}")
    return largest, lines


def _difference(a: float, b: float) -> float:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    return math.inf if math.isnan(a - b) else abs(a - b)


def _shown(run: Run) -> Iterator[Saved]:
    """The middle frames that the page shows, which have the true ones beside them."""
    for key, one in run.sequences.items():
        home = run.folder / "pictures" / key.replace("/", "_")
        if not home.is_dir() or not one.frames:
            continue
        frame, scores = one.frames[len(one.frames) // 2]
        for name, means in (("ours", scores.ours), ("bicubic", scores.bicubic)):
            if _finite(means):
                yield Saved(home / f"{name}.png", key, frame, _reader(home / "gt.png"), means)


def _reader(path: Path) -> Callable[[], Frame]:
    return lambda: read_picture(path)


def _images(run: Run, gt: Path | None, notes: list[str]) -> list[Saved]:
    """What --save-images kept, with the true frames of the data."""
    if not (run.folder / "images").is_dir():
        return []
    truth = gt or Path(str(run.results.facts.settings["gt"]))
    if not truth.is_dir():
        notes.append(f"images/ was not looked at: the true frames are not at {truth}; say --gt")
        return []
    protocol = _protocol(run)
    if bool(protocol.septuplets) != holds_septuplets(truth):
        notes.append(f"images/ was not looked at: {truth} is no data of protocol {protocol.name}")
        return []
    read = open_truth(truth, protocol)

    def frame_reader(key: str, frame: str) -> Callable[[], Frame]:
        return lambda: read(key, frame)

    return [
        Saved(path, key, frame, frame_reader(key, frame), scores.main)
        for key, one in run.sequences.items()
        for frame, scores in one.frames
        if _finite(scores.main) and (path := run.folder / "images" / key / f"{frame}.png").exists()
    ]


def _finite(scores: Mapping[str, float]) -> bool:
    """Whether the frame was one that can be saved: NaN in it is saved as black."""
    return bool(scores) and not any(math.isnan(value) for value in scores.values())


def _means(run: Run) -> Iterator[str]:
    """Lines for means that are not those of the numbers below them."""
    for key, one in run.sequences.items():
        if one.frames:
            parts = [scores for _, scores in one.frames]
            yield from _compare(f"per_sequence.csv, {key}", one, _of_frames(parts))
    whole = run.results.whole
    written = Scores(whole.ours or {}, whole.bicubic)
    if _protocol(run).average == "frames":
        everything = [scores for one in run.sequences.values() for _, scores in one.frames]
        again = _of_frames(everything)
    else:
        ours = [one.ours for one in run.sequences.values() if one.ours]
        bicubic = [one.bicubic for one in run.sequences.values()]
        again = Scores(mean_scores(ours) if ours else {}, mean_scores(bicubic))
    yield from _compare("results.json", written, again)


def _of_frames(parts: Sequence[Scores]) -> Scores:
    ours = mean_of_frames(scores.ours for scores in parts)
    return Scores(ours, mean_of_frames(scores.bicubic for scores in parts))


def _compare(where: str, written: Scores, again: Scores) -> Iterator[str]:
    for kind, old, new in (
        ("ours", written.ours, again.ours),
        ("bicubic", written.bicubic, again.bicubic),
    ):
        for name, value in old.items():
            if name not in new:
                yield f"{where}: {kind}, {name} is of no frame"
            elif _difference(value, new[name]) > TOLERANCE:
                yield f"{where}: {kind}, {name} is the mean {new[name]:.6f}, written {value:.6f}"


def open_truth(gt: Path, protocol: Protocol) -> Callable[[str, str], Frame]:
    """The true frames alone: a function of a sequence's key and a frame's name, as in results.

    Raises:
        EvaluationError: the folder is missing.
        VimeoToolsError: as `open_sequences`; a frame is missing or cannot be read.
    """
    if protocol.septuplets:
        source = open_sequences(gt, None, None, gt_numbers=protocol.septuplets)
        places = {f"im{number}": place for place, number in enumerate(source.gt_numbers)}
        index_of = {key: index for index, key in enumerate(source.keys)}

        def of_septuplet(key: str, frame: str) -> Frame:
            place = places[frame]
            return np.ascontiguousarray(source[index_of[key]].gt[place].transpose(1, 2, 0))

        return of_septuplet
    folders = sequence_folders(gt)

    def read(key: str, frame: str) -> Frame:
        if key not in folders:
            raise FrameError(f"{gt}: holds no sequence {key}")
        sequence = PictureSequence(folders[key])
        if frame not in sequence.names:
            raise FrameError(f"{folders[key]}: holds no frame {frame}")
        place = sequence.names.index(frame)
        frames: Frame = sequence.read(place, place + 1)
        truth: Frame = frames[0]
        return truth

    return read
