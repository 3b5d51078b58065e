"""The main job: split lists and GT frames -> annotations and, if wanted, LQ frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from vimeo_tools.data.layouts import VIMEO90K, Layout, file_of, is_root
from vimeo_tools.data.lists import (
    ClipLine,
    look_at_clips,
    read_lines,
    write_annotation,
)
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import common_size, merge_keys
from vimeo_tools.degradations import DEGRADATIONS, Degradation
from vimeo_tools.errors import OutputError, SettingsError
from vimeo_tools.preparation.downsample import LqSettings, codec_notes, downsample_tree
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.folders import make_folder
from vimeo_tools.running.jobs import Summary, shard


@dataclass(frozen=True)
class PrepareSettings:
    """What to prepare.

    Attributes:
        images_root: GT; holds ``00001/0001/im1.png`` and so on.
        lists: per split ("train", "test"), the list of its clips; where there is none, all clips
            of a layout whose clips differ in length, split by what it holds out.
        output_dir: gets all that is written.
        generate_lq: make LQ frames too.
        scale: how many times smaller LQ frames are; None for 4, or 1 of what keeps the size.
        degradation: how LQ frames are made.
        annotation_form: a key of `vimeo_tools.data.lists.ANNOTATION_FORMS`.
        overwrite: make LQ frames again that are there.
        shard: (i, n) for part i of n; part 1 writes the annotations.
        layout: where frames and lists lie.

    Paths may be given as str.
    """

    images_root: Path
    lists: Mapping[str, Path]
    output_dir: Path
    generate_lq: bool = False
    scale: int | None = None
    degradation: Degradation = DEGRADATIONS["bicubic"]
    annotation_form: str = "basicsr"
    overwrite: bool = False
    shard: tuple[int, int] = (1, 1)
    layout: Layout = VIMEO90K

    def __post_init__(self) -> None:
        for name in ("images_root", "output_dir"):
            object.__setattr__(self, name, Path(getattr(self, name)))
        object.__setattr__(self, "lists", {k: Path(path) for k, path in self.lists.items()})
        if not is_root(self.images_root):
            raise SettingsError(
                f"{self.images_root}: there is no such folder; run this inside an unpacked "
                "vimeo_septuplet, or name the folder of 00001/0001/im1.png with --images-root"
            )
        if not self.lists and self.layout.numbers is not None:
            wanted = (
                str(self.layout.list_path(self.images_root.parent, split))
                for split in self.layout.lists
            )
            raise SettingsError(
                f"neither {' nor '.join(wanted)} is there; name the lists with --train-annotation "
                "and --test-annotation"
            )
        if self.overwrite and self.shard[1] > 1:
            raise SettingsError(
                "--overwrite clears a tree that other shards write: run it without --shard"
            )


def find_lists(folder: Path, layout: Layout = VIMEO90K) -> dict[str, Path]:
    """The official lists that are in ``folder``, by split."""
    paths = {split: layout.list_path(folder, split) for split in layout.lists}
    return {split: path for split, path in paths.items() if path.is_file()}


def prepare(settings: PrepareSettings, executor: Executor | None = None) -> Summary:
    """Write the annotations and make the LQ frames that are missing.

    Returns:
        The summary; bad list lines and bad frames are among its failures, each path once.

    Raises:
        VimeoToolsError: nothing can be done: no list or no frame is readable, the settings do not
            fit the frames or what the output holds, the disk is full.
    """
    splits, failures, size = _read_inputs(settings)
    keys = shard(_keys(splits), *settings.shard)
    summary = Summary()
    if settings.generate_lq:
        summary = downsample_tree(
            settings.images_root,
            settings.output_dir,
            keys,
            _lq_settings(settings, size),
            overwrite=settings.overwrite,
            executor=executor,
        )
        failures += summary.failures
    if settings.shard[0] == 1:
        failures += _write_annotations(settings, splits, size, executor)
    summary.failures = list({failure.path: failure for failure in failures}.values())
    summary.clips = len(keys)
    return summary.end()


def describe(settings: PrepareSettings) -> str:
    """What `prepare` would do; writes nothing."""
    splits, failures, size = _read_inputs(settings)
    keys = shard(_keys(splits), *settings.shard)
    lines = [f"{len(keys)} clips{f' of {size}' if size else ''}, {len(failures)} bad list lines"]
    if settings.shard[0] == 1:
        names = ", ".join(map(settings.layout.annotation_name, splits))
        lines.append(f"would write {names} into {settings.output_dir}")
    if settings.generate_lq:
        lq = _lq_settings(settings, size)
        todo, complete = _count(settings, keys)
        verb = "replace" if settings.overwrite else "keep"
        lines.append(
            f"would make {todo} LQ frames at most ({lq}) and {verb} {complete} whole clips in "
            f"{settings.output_dir}"
        )
        lines += codec_notes(settings.output_dir)
    return "\n".join(lines)


Splits = dict[str, list[ClipLine]]


def _read_inputs(settings: PrepareSettings) -> tuple[Splits, list[Failure], FrameSize | None]:
    """The clips of each split, bad list lines, and the size of all frames if they have one."""
    layout, root = settings.layout, settings.images_root
    splits: Splits = {}
    failures = []
    for split, path in settings.lists.items():
        splits[split], bad = read_lines(path, layout)
        failures += bad
    if not splits:
        found = layout.splits_of(layout.find_keys(root))
        splits = {split: [ClipLine(key) for key in keys] for split, keys in found.items()}
    return splits, failures, common_size(root, _keys(splits), layout)


def _keys(splits: Splits) -> list[str]:
    return merge_keys([line.key for line in lines] for lines in splits.values())


def _count(settings: PrepareSettings, keys: Sequence[str]) -> tuple[int, int]:
    """(LQ frames to make, clips that are whole)."""
    todo = complete = 0
    for key in keys:
        names = settings.layout.frames(settings.images_root, key)
        whole = all(file_of(settings.output_dir, name).exists() for name in names)
        complete += whole
        todo += len(names) if settings.overwrite or not whole else 0
    return todo, complete


def _lq_settings(settings: PrepareSettings, size: FrameSize | None) -> LqSettings:
    scale = settings.scale or settings.degradation.usual_scale
    return LqSettings(settings.degradation, scale, size, settings.layout)


def _write_annotations(
    settings: PrepareSettings,
    splits: Splits,
    size: FrameSize | None,
    executor: Executor | None,
) -> Sequence[Failure]:
    layout, root = settings.layout, settings.images_root
    found, failures = look_at_clips(root, _keys(splits), size, executor, layout)
    make_folder(settings.output_dir)
    try:
        for split, lines in splits.items():
            listed = [line for line in lines if line.key in found]
            wrong = {line.key: line.contradicts(found[line.key]) for line in listed}
            failures += [Failure(str(root / key), text) for key, text in wrong.items() if text]
            whole = [found[key] for key, text in wrong.items() if not text]
            path = settings.output_dir / layout.annotation_name(split)
            write_annotation(path, whole, settings.annotation_form)
    except OSError as error:
        raise OutputError(f"{settings.output_dir}: cannot be written: {error.strerror}") from None
    return failures
