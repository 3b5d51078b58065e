"""GT tree -> LQ tree, clip by clip, resumable, never mixing two conventions in one tree."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vimeo_tools.data.png import FrameSize, decode_png, encode_png, read_file
from vimeo_tools.data.septuplets import FRAME_NUMBERS, find_keys, frame_path
from vimeo_tools.degradations import Degradation, from_record
from vimeo_tools.errors import FrameError, OutputError, SettingsError
from vimeo_tools.running.atomic import remove_parts, write_file
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.jobs import Outcome, Summary, run
from vimeo_tools.running.records import RECORD_NAME, read_record, write_record

# In the record while --overwrite turns a tree made with other settings into this one.
_REPLACING = "replacing"


@dataclass(frozen=True)
class LqSettings:
    """What decides the pixels of an LQ tree; recorded beside it.

    Attributes:
        degradation: how a frame is made.
        scale: how many times smaller than GT.
        gt_size: of every GT frame; a multiple of ``scale`` on both sides.
    """

    degradation: Degradation
    scale: int
    gt_size: FrameSize

    def __post_init__(self) -> None:
        self.degradation.check_scale(self.scale)
        self.gt_size.divided_by(self.scale)

    def to_record(self) -> dict[str, Any]:
        """JSON-like; read back by `read_settings`."""
        size = asdict(self.gt_size)
        return {**self.degradation.record(), "scale": self.scale, "gt_size": size}

    def __str__(self) -> str:
        return f"{self.degradation}, scale {self.scale}, GT {self.gt_size}"


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
        The summary; a frame that cannot be read or written is among its failures.

    Raises:
        OutputError: ``lq_root`` holds frames made with other or unknown settings, or the disk is
            full.
    """
    _claim(lq_root, settings, overwrite)
    task = partial(downsample_clip, gt_root, lq_root, settings, overwrite)
    return run(task, keys, executor, label="LQ frames")


def downsample_clip(
    gt_root: Path, lq_root: Path, settings: LqSettings, overwrite: bool, key: str
) -> Outcome:
    """Make the LQ frames of one clip; the arguments are those of `downsample_tree`."""
    done = skipped = 0
    failures = []
    for number in FRAME_NUMBERS:
        source, target = frame_path(gt_root, key, number), frame_path(lq_root, key, number)
        if not overwrite and target.is_file():
            skipped += 1
            continue
        try:
            if not done:
                target.parent.mkdir(parents=True, exist_ok=True)
            _downsample_frame(source, target, settings)
            done += 1
        except FrameError as error:
            failures.append(Failure(str(source), str(error)))
        except OSError as error:
            failures.append(Failure(str(target), f"cannot be written: {error.strerror}"))
    if skipped < len(FRAME_NUMBERS):
        remove_parts(lq_root / key)
    return Outcome(done, skipped, tuple(failures))


def _downsample_frame(source: Path, target: Path, settings: LqSettings) -> None:
    gt = decode_png(read_file(source), settings.gt_size)
    lq = encode_png(settings.degradation.apply(gt, settings.scale))
    write_file(target, lq)


def count_complete(lq_root: Path, keys: Sequence[str]) -> int:
    """How many of the clips have all their LQ frames."""
    return sum(all(frame_path(lq_root, key, n).exists() for n in FRAME_NUMBERS) for key in keys)


def _claim(lq_root: Path, settings: LqSettings, overwrite: bool) -> None:
    """Record the settings beside the tree before its first frame, or refuse."""
    made_with, being_replaced = _read_settings(lq_root)
    if made_with == settings and not being_replaced:
        return
    if made_with is None and not _clip_keys(lq_root):
        write_record(lq_root, settings.to_record())
        return
    if not overwrite:
        raise OutputError(_refusal(lq_root, made_with, being_replaced, settings))
    # The mark stays until the last old frame is gone: no kill can leave a mixed tree unmarked.
    write_record(lq_root, {**settings.to_record(), _REPLACING: True})
    for key in _clip_keys(lq_root):
        for number in FRAME_NUMBERS:
            frame_path(lq_root, key, number).unlink(missing_ok=True)
    write_record(lq_root, settings.to_record())


def _refusal(
    lq_root: Path, made_with: LqSettings | None, being_replaced: bool, settings: LqSettings
) -> str:
    if being_replaced:
        found = "an --overwrite of other frames was interrupted; finish it with --overwrite"
    elif made_with is None:
        found = (
            f"holds frames but no {RECORD_NAME}, so how they were made is unknown; "
            "`vimeo-prep verify` tells, --overwrite makes them anew"
        )
    else:
        found = f"was made with {made_with}, asked for is {settings}; --overwrite makes it anew"
    return f"{lq_root}: {found}, or choose another --output-dir"


def _read_settings(lq_root: Path) -> tuple[LqSettings | None, bool]:
    """(settings, whether an overwrite is under way) as recorded beside the tree."""
    record = read_record(lq_root)
    if record is None:
        return None, False
    being_replaced = bool(record.pop(_REPLACING, False))
    try:
        scale, size = record.pop("scale"), FrameSize(**record.pop("gt_size"))
        settings = LqSettings(from_record(record), scale, size)
    except (KeyError, TypeError, SettingsError) as error:
        raise OutputError(
            f"{lq_root / RECORD_NAME}: is not the record of an LQ tree ({error!r}); "
            "choose another --output-dir"
        ) from None
    return settings, being_replaced


def _clip_keys(lq_root: Path) -> list[str]:
    try:
        return find_keys(lq_root)
    except SettingsError:
        return []
