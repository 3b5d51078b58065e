"""GT tree -> LQ tree, clip by clip, resumable, never mixing two conventions in one tree."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vimeo_tools.data.codecs import CODECS, VARIABLE, Codec, choose_codec
from vimeo_tools.data.frame_files import decode_frame, read_frame_size
from vimeo_tools.data.frames import ENCODERS
from vimeo_tools.data.layouts import VIMEO90K, Layout, clip_folder, file_of, split_root
from vimeo_tools.data.png import FrameSize, read_file
from vimeo_tools.degradations import Degradation, from_record
from vimeo_tools.errors import FrameError, OutputError, SettingsError
from vimeo_tools.running.atomic import remove_parts, write_file
from vimeo_tools.running.failures import FAILURES_PATTERN, Failure
from vimeo_tools.running.folders import refuse_overlap, taken
from vimeo_tools.running.jobs import Outcome, Summary, run
from vimeo_tools.running.records import RECORD_NAME, Record, read_record

# In the record while --overwrite turns a tree made with other settings into this one.
_REPLACING = "replacing"
# Of frames that were made before the record said what encoded them.
_NOT_RECORDED = "what was not recorded"


@dataclass(frozen=True)
class LqSettings:
    """What decides the pixels of an LQ tree; recorded beside it.

    Attributes:
        degradation: how a frame is made.
        scale: how many times smaller than GT.
        gt_size: of every GT frame, a multiple of ``scale`` on both sides; None where each clip has
            its own.
        layout: where frames lie; not recorded, as it is seen.
    """

    degradation: Degradation
    scale: int
    gt_size: FrameSize | None
    layout: Layout = VIMEO90K

    def __post_init__(self) -> None:
        self.degradation.check_scale(self.scale)
        if self.gt_size is not None:
            self.gt_size.divided_by(self.scale)

    def to_record(self) -> dict[str, Any]:
        """JSON-like; read back by `read_settings`."""
        size = {} if self.gt_size is None else {"gt_size": asdict(self.gt_size)}
        return {**self.degradation.record(), "scale": self.scale, **size}

    def __str__(self) -> str:
        size = "" if self.gt_size is None else f", GT {self.gt_size}"
        return f"{self.degradation}, scale {self.scale}{size}"


def read_settings(lq_root: Path) -> LqSettings | None:
    """The settings recorded beside an LQ tree, or None where there is no record.

    Raises:
        OutputError: the record cannot be understood.
    """
    return _read_settings(lq_root)[0]


def downsample_tree(
    gt_root: Path,
    lq_root: Path,
    keys: Sequence[str],
    settings: LqSettings,
    *,
    overwrite: bool = False,
    executor: Executor | None = None,
) -> Summary:
    """Make the LQ frames of the clips ``keys`` that are missing below ``lq_root``.

    Args:
        gt_root: holds ``00001/0001/im1.png`` and so on.
        lq_root: gets the same tree, and the record of the settings.
        keys: the clips.
        settings: what to make; a tree made otherwise is refused.
        overwrite: make frames again that are there, also those made with other settings.
        executor: see `vimeo_tools.running.jobs.run`.

    Returns:
        The summary; a frame that cannot be read or written is among its failures, and its notes
        say which codec was used, and which others the tree has frames of.

    Raises:
        OutputError: ``lq_root`` holds frames made with other or unknown settings, is where GT is,
            is used by a process that makes it anew, or the disk is full.
    """
    refuse_overlap(lq_root, split_root(gt_root)[0])
    clear = partial(_clear, lq_root, settings) if overwrite else None
    codec = choose_codec()
    record = _record(settings, codec.encoder)
    with taken(lq_root, record, shared=not overwrite, replace=clear):
        task = partial(downsample_clip, gt_root, lq_root, settings, codec.encoder, overwrite)
        summary = run(task, keys, executor, label="LQ frames")
        summary.notes += codec_notes(lq_root)
        return summary


def downsample_clip(
    gt_root: Path, lq_root: Path, settings: LqSettings, encoder: str, overwrite: bool, key: str
) -> Outcome:
    """Make the LQ frames of one clip.

    The arguments are those of `downsample_tree`; ``encoder`` is of the process that started it.
    """
    codec = choose_codec(encoder)
    done = skipped = ties = 0
    failures = []
    try:
        frames = settings.layout.frames(gt_root, key)
        size = settings.gt_size or _size_of_clip(frames.values(), settings.scale)
    except (FrameError, SettingsError) as error:
        return Outcome(failures=(Failure(str(clip_folder(gt_root, key)), str(error)),))
    for name, source in frames.items():
        target = file_of(lq_root, name)
        if not overwrite and target.is_file():
            skipped += 1
            continue
        try:
            if not done:
                target.parent.mkdir(parents=True, exist_ok=True)
                remove_parts(target.parent)
            made = settings.degradation.of_frame(name)
            ties += _downsample_frame((source, target), size, made, settings.scale, codec)
            done += 1
        except FrameError as error:
            failures.append(Failure(str(source), str(error)))
        except OSError as error:
            failures.append(Failure(str(target), f"cannot be written: {error.strerror}"))
    return Outcome(done, skipped, tuple(failures), ties)


def _downsample_frame(
    paths: tuple[Path, Path],
    size: FrameSize,
    made: Degradation,
    scale: int,
    codec: Codec,
) -> int:
    """Make a frame, from one path to the other; how many of its samples are at a tie."""
    source, target = paths
    lq = made.make(decode_frame(read_file(source), size, codec.decode), scale)
    write_file(target, codec.encode(lq.frame))
    return lq.ties


def codec_notes(lq_root: Path) -> list[str]:
    """What decodes and encodes here, and what else encoded frames of a tree, for people."""
    codec = choose_codec()
    notes = [f"pictures {codec}"]
    if others := [encoder for encoder in _encoders(lq_root) if encoder != codec.encoder]:
        notes.append(
            f"frames in {lq_root} were also encoded by {'; '.join(others)}: the pixels are the "
            f"same, the bytes are not; {VARIABLE}={'|'.join(CODECS)} chooses the encoder"
        )
    return notes


def _size_of_clip(files: Collection[Path], scale: int) -> FrameSize:
    """The size that all frames of a clip must have."""
    if not files:
        raise FrameError("holds no frame (PNG or JPEG)")
    size = read_frame_size(next(iter(files)))
    size.divided_by(scale)
    return size


@dataclass(frozen=True)
class _LqRecord(Record):
    """The record of an LQ tree, which may lie among other files.

    Attributes:
        encoder: what encodes the frames of this run; another one than before is noted beside it, as
            the pixels do not depend on it.
    """

    layout: Layout = VIMEO90K
    encoder: str = ""

    def read(self, folder: Path) -> Mapping[str, Any] | None:
        settings, being_replaced = _read_settings(folder)
        if settings is None:
            return None
        return {**settings.to_record(), **({_REPLACING: True} if being_replaced else {})}

    def write(self, folder: Path) -> None:
        earlier = [] if self.holds_nothing(folder) else _encoders(folder) or [_NOT_RECORDED]
        encoders = list(dict.fromkeys((*earlier, self.encoder)))
        Record({**self.settings, ENCODERS: encoders}).write(folder)

    def refusal(self, found: Mapping[str, Any]) -> str:
        if _REPLACING in found:
            words = "an --overwrite of other frames was interrupted; finish it with --overwrite"
        else:
            made, asked = _parsed(found), _parsed(self.settings)
            words = f"was made with {made}, asked for is {asked}; --overwrite makes it anew"
        return f"{words}, or {self.remedy}"

    def stranger(self, folder: Path) -> str | None:
        return next(_clip_keys(folder, self.layout), None)


def _encoders(lq_root: Path) -> list[str]:
    """What encoded the frames of a tree, as recorded."""
    return list((read_record(lq_root) or {}).get(ENCODERS, ()))


def _record(settings: LqSettings, encoder: str) -> Record:
    return _LqRecord(
        settings.to_record(),
        reports=(FAILURES_PATTERN, *map(settings.layout.annotation_name, settings.layout.lists)),
        layout=settings.layout,
        encoder=encoder,
    )


def _clear(lq_root: Path, settings: LqSettings) -> None:
    """Remove the frames of a tree made otherwise."""
    # The mark stays until the last old frame is gone: no kill can leave a mixed tree unmarked.
    Record({**settings.to_record(), _REPLACING: True}).write(lq_root)
    for key in _clip_keys(lq_root, settings.layout):
        for name in settings.layout.frames(lq_root, key):
            file_of(lq_root, name).unlink(missing_ok=True)


def _read_settings(lq_root: Path) -> tuple[LqSettings | None, bool]:
    """(settings, whether an overwrite is under way) as recorded beside the tree."""
    record = read_record(lq_root)
    if record is None:
        return None, False
    being_replaced = bool(record.pop(_REPLACING, False))
    record.pop(ENCODERS, None)
    try:
        return _parsed(record), being_replaced
    except (KeyError, TypeError, SettingsError) as error:
        raise OutputError(
            f"{lq_root / RECORD_NAME}: is not the record of an LQ tree ({error!r}); "
            "choose another --output-dir"
        ) from None


def _parsed(record: Mapping[str, Any]) -> LqSettings:
    made = {name: value for name, value in record.items() if name not in ("scale", "gt_size")}
    if not made:
        raise KeyError("degradation")
    size = FrameSize(**record["gt_size"]) if "gt_size" in record else None
    return LqSettings(from_record(made), record["scale"], size)


def _clip_keys(lq_root: Path, layout: Layout) -> Iterator[str]:
    """The clips of which there is a frame."""
    with contextlib.suppress(SettingsError):
        for key in layout.find_keys(lq_root):
            if any(path.exists() for path in layout.frames(lq_root, key).values()):
                yield key
