"""Sequences grouped by how fast things move in them: slow, medium, fast, or groups of one's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from rvrt.errors import EvaluationError
from vimeo_tools.data.lists import read_list

_GROUP_FILE = re.compile(r"(?:sep_)?(slow|medium|fast)_?(?:test|testset|testlist|list)?\.txt")


def find_groups(folder: Path) -> dict[str, Path]:
    """The slow, medium and fast lists in a data folder, as sep_slow.txt or slow_testset.txt.

    Raises:
        EvaluationError: there are two of a kind.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.txt")):
        if match := _GROUP_FILE.fullmatch(path.name):
            if match[1] in found:
                raise EvaluationError(
                    f"{folder}: {found[match[1]].name} and {path.name} both list {match[1]} "
                    f"clips; say which with --group {match[1]}=FILE"
                )
            found[match[1]] = path
    order = ("slow", "medium", "fast")
    return {name: found[name] for name in order if name in found}


def read_groups(lists: dict[str, Path], keys: Iterable[str]) -> dict[str, str]:
    """The group of each key that is in a list.

    Raises:
        AnnotationError: a list is missing or one of its lines is wrong.
        EvaluationError: a clip is in two lists, or a list has none of `keys`.
    """
    groups: dict[str, str] = {}
    known = set(keys)
    for name, path in lists.items():
        listed, failures = read_list(path)
        if failures:
            raise EvaluationError(f"{failures[0]}; mend the list")
        if known.isdisjoint(listed):
            raise EvaluationError(f"{path}: group {name} has none of the {len(known)} sequences")
        for key in listed:
            if key in groups:
                raise EvaluationError(f"{path}: {key} is in group {groups[key]} already")
            groups[key] = name
    return groups
