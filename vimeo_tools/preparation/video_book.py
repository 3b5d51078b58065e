"""Which videos a folder was cut from, and which clips each of them gave: its record and lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vimeo_tools.data.layouts import REDS, SPLITS, VIMEO90K, Layout
from vimeo_tools.data.lists import read_list
from vimeo_tools.data.septuplets import FRAMES_PER_CLIP, numbered_keys
from vimeo_tools.errors import SettingsError
from vimeo_tools.running.atomic import write_text
from vimeo_tools.running.records import Record, differences, read_record

if TYPE_CHECKING:
    from vimeo_tools.preparation.video import CutSettings

# Room for this many clips before the folder number of the next video.
_FOLDERS_PER_VIDEO = 10
_CLIPS_PER_FOLDER = 9999
_MOST_SEQUENCES = 1000  # keys of three digits
_OF_SEQUENCES = ("layout", "frames", "least")


class _Cut(NamedTuple):
    """What one video gave: keys to train on and to test on, and how many in all."""

    train: list[str]
    test: list[str]
    clips: int


class VideoBook:
    """The videos of a folder in their order, and what is known of them.

    Args:
        root: the folder.
        settings: how it is cut.
        videos: what each video is called; None for one that is not there.
        add: they come after those of before.

    Attributes:
        names: of all videos; None for one that gave no septuplet, and may be replaced.
        kept: places of videos of before that are whole and not to be cut again.

    Raises:
        SettingsError: a video of before is not whole, and not named again.
    """

    def __init__(
        self, root: Path, settings: CutSettings, videos: Sequence[str | None], add: bool
    ) -> None:
        self._root, self._settings, self._add = root, settings, add
        self._layout: Layout = REDS if settings.is_long else VIMEO90K
        found = read_record(root) if root.is_dir() else None
        before = list((found or {}).get("cut_from", [])) if add else []
        self.names: list[str | None] = [*before, *(v for v in videos if v not in before)]
        if not add:
            self.names = list(videos)
        self._cuts = self._read_cuts((found or {}).get("clips"))
        self.kept = {i for i, name in enumerate(before) if name not in videos}
        for number in self.kept:
            if self.names[number] is not None and number not in self._cuts:
                raise SettingsError(
                    f"{root}: {self.names[number]} was begun and is not whole; name it too"
                )

    def keys(self, number: int) -> Iterator[str]:
        """The keys of a video's clips, in order.

        Raises:
            SettingsError: there are no more.
        """
        if not self._settings.is_long:
            first = 1 + number * _FOLDERS_PER_VIDEO
            return iter(numbered_keys(first, _FOLDERS_PER_VIDEO * _CLIPS_PER_FOLDER))
        return self._numbers(self._first(number))

    def enter(self, number: int, keys: Sequence[str]) -> None:
        """Note the clips of a video that was cut to its end."""
        settings = self._settings
        if not (keys or settings.is_long):
            self.names[number] = None
        first_test = len(keys) - round(settings.test_fraction * len(keys))
        # Clips that share frames with the first test clip belong to neither list.
        shares = (FRAMES_PER_CLIP - 1) // settings.stride if first_test < len(keys) else 0
        overlapping = 0 if settings.is_long else shares
        train = list(keys[: max(first_test - overlapping, 0)])
        self._cuts[number] = _Cut(train, list(keys[first_test:]), len(keys))

    def write_lists(self) -> None:
        """The lists of all clips that are known, each if it is not empty."""
        cuts = [self._cuts[number] for number in sorted(self._cuts)]
        for split in SPLITS:
            keys = [key for cut in cuts for key in getattr(cut, split)]
            if keys:
                path = self._layout.list_path(self._root, split)
                write_text(path, "".join(f"{key}\n" for key in keys))

    def record(self) -> Record:
        """What stands in the folder."""
        settings = asdict(self._settings)
        if self._settings.is_long:
            settings["clips"] = [
                self._cuts[number].clips if number in self._cuts else None
                for number in range(len(self.names))
            ]
        else:
            settings = {k: v for k, v in settings.items() if k not in _OF_SEQUENCES}
        return _VideoRecord({"cut_from": list(self.names), **settings}, may_change={"clips"})

    def _first(self, number: int) -> int:
        return sum(self._cuts[n].clips for n in range(number) if n in self._cuts)

    def _numbers(self, first: int) -> Iterator[str]:
        for number in range(first, _MOST_SEQUENCES):
            yield f"{number:03d}"
        raise SettingsError(
            f"{self._root}: sequences are numbered to {_MOST_SEQUENCES - 1}; cut longer ones "
            "(--frames), or fewer videos"
        )

    def _read_cuts(self, clips: Any) -> dict[int, _Cut]:
        """What lists and record of before say of each video."""
        lists = {}
        for split in SPLITS:
            path = self._layout.list_path(self._root, split)
            lists[split] = read_list(path, self._layout).keys if path.is_file() else []
        if not self._settings.is_long:
            return {
                number: cut
                for number in range(len(self.names))
                if (cut := self._of(lists, set(_folders(number)))).clips
            }
        cuts: dict[int, _Cut] = {}
        for number, count in enumerate(clips or []):
            if count is None:
                break
            first = sum(cut.clips for cut in cuts.values())
            found = self._of(lists, set(islice(self._numbers(first), count)))
            cuts[number] = found._replace(clips=count)
        return cuts

    def _of(self, lists: Mapping[str, list[str]], wanted: set[str]) -> _Cut:
        train, test = (
            [key for key in lists[split] if key in wanted or key.partition("/")[0] in wanted]
            for split in SPLITS
        )
        return _Cut(train, test, len(train) + len(test))


def _folders(number: int) -> list[str]:
    first = 1 + number * _FOLDERS_PER_VIDEO
    return [f"{folder:05d}" for folder in range(first, first + _FOLDERS_PER_VIDEO)]


class _VideoRecord(Record):
    """Names the videos in their order; one that gave no clip is null, and may be another one."""

    def differences(self, found: Mapping[str, Any]) -> str:
        old, new = found.get("cut_from"), self.settings["cut_from"]
        if isinstance(old, list) and len(old) <= len(new):
            filled = [n if o is None else o for o, n in zip(old, new, strict=False)]
            # More of them: `VideoBook` has put the new ones behind those that are there.
            found = {**found, "cut_from": [*filled, *new[len(old) :]]}
        return differences(found, self.settings, self.may_change)
