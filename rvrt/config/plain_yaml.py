"""YAML as settings need it: keys, lists, numbers, words. What can grow beyond its text is refused.

A few hundred bytes of aliases or merge keys unfold to more than any memory holds, and a tag or a
date gives values that no setting has; neither is needed here.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from rvrt.errors import ConfigError

MAX_LENGTH = 1 << 16
_MAX_DEPTH = 16
_MAX_DIGITS = 30  # of a whole number; int() takes quadratic time
_LEFT_OUT = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")


def parse_yaml(text: str) -> Any:
    """The value that a text describes: dict, list, str, int, float, bool or None.

    Raises:
        ConfigError: not YAML, more than 65,536 characters, nested deeper than 16, a key given
            twice, or aliases, tags or numbers of more than 30 digits. One line, without the
            name of the source.
    """
    if len(text) > MAX_LENGTH:
        raise ConfigError(f"more than {MAX_LENGTH} characters of YAML")
    try:
        # The loader builds plain values alone, as the safe one that it is derived from.
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = error.problem or error.context
        raise ConfigError(f"cannot be read as YAML: {problem}{where}") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"cannot be read as YAML: {reason}") from error


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _LEFT_OUT]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        parser: Any = self  # its methods have no types
        event = parser.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _refused("anchors and aliases are not taken; write the value out", event)
        if event.tag is not None:
            raise _refused("tags are not taken", event)
        if self._depth == _MAX_DEPTH:
            raise _refused(f"nested deeper than {_MAX_DEPTH}", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        values: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        if len(values) < len(node.value):
            raise _refused("a key is given twice", node)
        return values

    def construct_yaml_int(self, node: Any) -> int:
        if len(node.value) > _MAX_DIGITS:
            raise _refused(f"a number of more than {_MAX_DIGITS} digits", node)
        return int(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def _refused(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, place.start_mark)
