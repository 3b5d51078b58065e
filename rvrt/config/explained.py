"""A config as YAML with what its docstrings say beside every key."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap

from rvrt.config.loading import to_yaml
from rvrt.config.training import TrainConfig

_WIDTH = 100
_KEY = re.compile(r"( *)([a-z]\w*):")
_ENTRY = re.compile(r"(\w[\w, ]*): (.*)", re.DOTALL)


def explained_yaml(config: TrainConfig) -> str:
    """What `to_yaml` writes, each key below a comment; it is read as an equal config."""
    lines: list[str] = []
    section: object = config
    above = ""
    for line in to_yaml(config).splitlines():
        if found := _KEY.match(line):
            indent, key = found.groups()
            held = getattr(config, key) if not indent else None
            if not indent:
                section = held if dataclasses.is_dataclass(held) else config
            text = _summary(section) if section is held else _attributes(section).get(key, "")
            lines += [""] if section is held else []
            if text != above:  # keys that share a line of the docstring share the comment
                lines += textwrap.wrap(
                    text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
                )
            above = text
        lines.append(line)
    return "\n".join(lines) + "\n"


def _summary(section: object) -> str:
    """What the docstring of a section's class says before its attributes."""
    return " ".join(_doc(type(section)).partition("Attributes:")[0].split())


def _attributes(section: object) -> dict[str, str]:
    """What the docstrings of a section's class and of those that it extends say of each field."""
    found: dict[str, str] = {}
    for kind in reversed(type(section).__mro__):
        block = textwrap.dedent(_doc(kind).partition("Attributes:\n")[2])
        for entry in re.split(r"\n(?=\w)", block):
            if match := _ENTRY.match(entry):
                names, text = match.groups()
                text = re.sub(r"\bNone\b", "null", " ".join(text.split()))
                found |= {name.strip(): text for name in names.split(",")}
    return found


def _doc(kind: type) -> str:
    """Its own docstring alone, which for a class without one would be another's."""
    return inspect.cleandoc(kind.__dict__.get("__doc__") or "")
