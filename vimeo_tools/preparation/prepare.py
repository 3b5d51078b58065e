"""The main job: split lists and GT frames -> annotations and, if wanted, LQ frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from vimeo_tools.data.layouts import VIMEO90K, Layout
from vimeo_tools.data.lists import (
    ClipList,
    check_headers,
    read_list,
    write_annotation,
)
from vimeo_tools.data.png import FrameSize
from vimeo_tools.data.septuplets import (
    merge_keys,
    usual_size,
)
from vimeo_tools.degradations import DEGRADATIONS, Degradation
from vimeo_tools.errors import OutputError, SettingsError
from vimeo_tools.preparation.downsample import (
    LqSettings,
    codec_notes,
    count_complete,
    downsample_tree,
)
from vimeo_tools.running.failures import Failure
from vimeo_tools.running.folders import make_folder
from vimeo_tools.running.jobs import Summary, shard


@dataclass(frozen=True)
class PrepareSettings:
    """What to prepare.

    Attributes:
        images_root: GT; holds ``00001/0001/im1.png`` and so on.
        lists: per split ("train", "test"), the list of its clips.
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
        if not self.images_root.is_dir():
            raise SettingsError(
                f"{self.images_root}: there is no such folder; run this inside an unpacked "
                "vimeo_septuplet, or name the folder of 00001/0001/im1.png with --images-root"
            )
        if not self.lists:
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
    clip_lists, size = _read_inputs(settings)
    keys = shard(merge_keys(clips.keys for clips in clip_lists.values()), *settings.shard)
    failures = [failure for clips in clip_lists.values() for failure in clips.failures]
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
        failures += _write_annotations(settings, clip_lists, size, executor)
    summary.failures = list({failure.path: failure for failure in failures}.values())
    summary.clips = len(keys)
    return summary.end()


def describe(settings: PrepareSettings) -> str:
    """What `prepare` would do; writes nothing."""
    clip_lists, size = _read_inputs(settings)
    keys = shard(merge_keys(clips.keys for clips in clip_lists.values()), *settings.shard)
    bad_lines = sum(len(clips.failures) for clips in clip_lists.values())
    lines = [f"{len(keys)} clips of {size}, {bad_lines} bad list lines"]
    if settings.shard[0] == 1:
        names = ", ".join(map(settings.layout.annotation_name, clip_lists))
        lines.append(f"would write {names} into {settings.output_dir}")
    if settings.generate_lq:
        lq = _lq_settings(settings, size)
        complete = count_complete(settings.output_dir, keys, settings.layout)
        todo, verb = (
            (len(keys), "replace") if settings.overwrite else (len(keys) - complete, "keep")
        )
        lines.append(
            f"would make {todo * len(settings.layout.numbers)} LQ frames at most ({lq}) and {verb} "
            f"{complete} whole clips in {settings.output_dir}"
        )
        lines += codec_notes(settings.output_dir)
    return "\n".join(lines)


def _read_inputs(settings: PrepareSettings) -> tuple[dict[str, ClipList], FrameSize]:
    layout = settings.layout
    clip_lists = {split: read_list(path, layout) for split, path in settings.lists.items()}
    keys = merge_keys(clips.keys for clips in clip_lists.values())
    return clip_lists, usual_size(settings.images_root, keys, layout)


def _lq_settings(settings: PrepareSettings, size: FrameSize) -> LqSettings:
    scale = settings.scale or settings.degradation.usual_scale
    return LqSettings(settings.degradation, scale, size, settings.layout)


def _write_annotations(
    settings: PrepareSettings,
    clip_lists: Mapping[str, ClipList],
    size: FrameSize,
    executor: Executor | None,
) -> Sequence[Failure]:
    keys = merge_keys(clips.keys for clips in clip_lists.values())
    layout = settings.layout
    failures = check_headers(settings.images_root, keys, size, executor, layout)
    bad_clips = {Path(failure.path).parent for failure in failures}
    make_folder(settings.output_dir)
    try:
        for split, clips in clip_lists.items():
            whole = [key for key in clips.keys if settings.images_root / key not in bad_clips]
            path = settings.output_dir / layout.annotation_name(split)
            write_annotation(path, whole, size, settings.annotation_form, layout)
    except OSError as error:
        raise OutputError(f"{settings.output_dir}: cannot be written: {error.strerror}") from None
    return failures
