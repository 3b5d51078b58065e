"""Which data set lies in a folder: its layout, its GT, its LQ trees, and why that is thought."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vimeo_tools.data.layouts import LAYOUTS, Layout, choose_layout, is_root, split_root
from vimeo_tools.errors import SettingsError

AUTO = "auto"
_TREE = re.compile(r"([A-Z]+)x([1-9][0-9]?)")
_BICUBIC = "BI"


class LqTree(NamedTuple):
    """LQ frames beside GT.

    Attributes:
        root: of the frames; see `vimeo_tools.data.layouts`.
        scale: how many times smaller, by its name; 1 for blurred frames as large as GT.
        tag: begins its name, as BI or BD; "" where the name says nothing.
    """

    root: Path
    scale: int
    tag: str


@dataclass(frozen=True)
class DataSet:
    """A data set on disk.

    Attributes:
        name: of its layout, a key of `LAYOUTS`.
        layout: where frames lie.
        gt: the root of GT.
        keys: the clips of GT.
        reason: what it was recognised by, in words.
        lq: trees of LQ beside GT.
    """

    name: str
    layout: Layout
    gt: Path
    keys: list[str]
    reason: str
    lq: list[LqTree] = field(default_factory=list)

    def __str__(self) -> str:
        trees = ", ".join(str(tree.root) for tree in self.lq) or "none, made from GT as it is read"
        return f"layout {self.name}: {self.reason}; LQ: {trees}"


def find_data_set(folder: Path, layout: str = AUTO, gt: Path | None = None) -> DataSet:
    """The data set in a folder.

    Args:
        folder: holds GT, and maybe LQ and lists; or is the root of GT itself.
        layout: a key of `LAYOUTS`; "auto" for the first whose keys and frames are found.
        gt: the root of GT, where it is known.

    Raises:
        SettingsError: nothing of the layout, or of none, is there.
    """
    names = list(LAYOUTS) if layout == AUTO else [layout]
    if not (gt is not None and is_root(gt)) and not folder.is_dir():
        raise SettingsError(f"{gt or folder}: there is no such folder")
    for name in names:
        chosen = choose_layout(name)
        for root in [gt] if gt else gt_roots(folder, chosen):
            found = _look(root, chosen)
            if found:
                beside = gt.parent if gt else folder
                reason = _reason(root, chosen, found)
                return DataSet(name, chosen, root, found, reason, find_lq(beside, chosen))
    wanted = ", ".join(f"{n} ({choose_layout(n).gt_folder}/)" for n in names)
    raise SettingsError(
        f"{gt or folder}: holds no clips of any layout looked for: {wanted}; name the folder of GT "
        "with --images-root, or the layout with --layout"
    )


def gt_roots(folder: Path, layout: Layout) -> list[Path]:
    """Where GT of a layout may lie in a folder: by the names it has, the folder itself last."""
    names = [layout.gt_folder, *layout.gt_folders]
    return [root for root in (*(folder / name for name in names), folder) if is_root(root)]


def find_lq(folder: Path, layout: Layout) -> list[LqTree]:
    """The trees of LQ in a folder, by their names: BIx4, BDx4, those of the layout."""
    found = []
    for path in sorted(folder.iterdir()):
        match = _TREE.fullmatch(path.name)
        if match and path.is_dir():
            found.append(LqTree(path, int(match[2]), match[1]))
    for template in layout.lq_folders:
        if "{scale}" not in template:
            scales = [1] if _look(folder / template, layout) else []
        else:
            roots = ((s, folder / template.format(scale=s)) for s in (2, 3, 4, 8))
            scales = [s for s, root in roots if _look(root, layout)]
        tag = _BICUBIC if "bicubic" in template else ""
        found += [LqTree(folder / template.format(scale=s), s, tag) for s in scales]
    return found


def _look(root: Path, layout: Layout) -> list[str]:
    """The clips below ``root`` where they are of the layout; none otherwise."""
    if not is_root(root):
        return []
    try:
        keys = layout.find_keys(root)
        return keys if layout.recognises(root, keys) else []
    except SettingsError:
        return []


def _reason(root: Path, layout: Layout, keys: list[str]) -> str:
    first = next(iter(layout.frames(root, keys[0]).values()))
    words = f"{root} holds {len(keys)} clips ({layout.key_words}), {first} for one frame"
    folder = split_root(root)[0].parent
    lists = [name for name in layout.lists.values() if (folder / name).is_file()]
    if lists:
        return f"{words}; parted by {' and '.join(lists)}"
    if layout.held_out is None:
        return f"{words}; a test set"
    held_out = [key for key in keys if key in layout.held_out]
    return f"{words}; tested on and never trained on: {', '.join(held_out)}" if held_out else words
