"""Values from a YAML file and from the command line, put into one checked `TrainConfig`."""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
import stat
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml

from rvrt.config.plain_yaml import MAX_LENGTH, parse_yaml
from rvrt.config.presets import TRAIN_PRESETS
from rvrt.config.training import TrainConfig
from rvrt.errors import ConfigError

Config = TypeVar("Config")

_SECTIONS_AT_MOST = 4
_TEXT_AT_MOST = 4095  # bytes that Linux takes as a path
_KEY_AT_MOST = 80
_EXPONENT = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{0,30})?[eE][-+]?[0-9]{1,4}")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _KEY_AT_MOST
_SHORT.maxlevel = 3


def load_config(
    preset: str | None = None, file: Path | None = None, settings: Iterable[str] = ()
) -> TrainConfig:
    """A preset, changed by a YAML file, changed by settings.

    Args:
        preset: a name of TRAIN_PRESETS; None: the file's key `preset`.
        file: YAML with any part of what `to_yaml` writes.
        settings: such as "train.batch_size=4"; the value is YAML.

    Raises:
        ConfigError: no preset or two, an unknown key, a value of another type or out of range.
    """
    values = _read(file) if file else {}
    named = values.pop("preset", preset)
    if preset not in (None, named):
        raise ConfigError(
            f"preset {preset}, but {file} has preset: {_name(named)}; give one of them"
        )
    if not isinstance(named, str) or named not in TRAIN_PRESETS:
        known = ", ".join(TRAIN_PRESETS)
        raise ConfigError(
            f"no preset: give {known}"
            if named is None
            else f"preset {_shown(named)}: expected one of {known}"
        )
    for setting in settings:
        _put(values, setting)
    return override(TRAIN_PRESETS[named], values)


def override(config: Config, values: Mapping[str, Any]) -> Config:
    """A frozen config, a dataclass of dataclasses, with some of its values replaced.

    Raises:
        ConfigError: names the key, what was got, what is allowed, and the nearest valid key.
    """
    return _override(config, values, "", list(flat(config)))


def flat(config: object) -> dict[str, Any]:
    """All values of a config, or of what its YAML holds, by name: {"train.batch_size": 8, ...}."""
    held = config if isinstance(config, Mapping) else dataclasses.asdict(config)  # type: ignore[call-overload]
    return dict(_flat(held, ""))


def to_yaml(config: TrainConfig) -> str:
    """Every value; `load_config` makes an equal config of it."""
    text: str = yaml.safe_dump(_lists(dataclasses.asdict(config)), sort_keys=False, width=100)
    return text


def _read(file: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(_text(file))
    except ConfigError as error:
        where = str(file) if str(file).isprintable() else ascii(str(file))
        raise ConfigError(f"{where}: {error}") from error
    if not isinstance(values, dict | None):
        raise ConfigError(f"{file}: holds {type(values).__name__}, expected keys and values")
    return values or {}


def _text(file: Path) -> str:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise ConfigError("cannot be read: not a regular file")
        with file.open(encoding="utf-8") as stream:
            return stream.read(MAX_LENGTH + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or a name with NUL
        raise ConfigError(f"cannot be read: {error}") from error


def _put(values: dict[str, Any], setting: str) -> None:
    """Put "train.batch_size=4" into {"train": {"batch_size": ...}}."""
    name, equals, text = setting.partition("=")
    if not (name and equals):
        raise ConfigError(f"{_shown(setting)}: expected KEY=VALUE, as in train.batch_size=4")
    try:
        value = parse_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{_shown(setting)}: the value {error}") from error
    *sections, key = name.strip().split(".", _SECTIONS_AT_MOST)
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{name}: {section} holds {_shown(values)}, no keys")
    values[key] = value


def _override(config: Config, values: Mapping[str, Any], where: str, names: list[str]) -> Config:
    types_of = typing.get_type_hints(type(config))
    changed = {}
    for key, value in values.items():
        name = f"{where}{_name(key)}"
        if key not in types_of or name == "preset":
            raise ConfigError(_unknown(name, names))
        current = getattr(config, key)
        if not dataclasses.is_dataclass(current):
            changed[key] = _typed(value, types_of[key], name)
        elif isinstance(value, Mapping):
            changed[key] = _override(current, value, f"{name}.", names)
        else:
            raise ConfigError(
                f"{name}: got {_shown(value)}, expected keys such as {_keys(current)}"
            )
    try:
        return dataclasses.replace(config, **changed)  # type: ignore[type-var]
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from error


def _unknown(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, 1, 0.6)
    last = name.rpartition(".")[2]
    near = [n for n in names if n.rpartition(".")[2] == last][:1] or near
    hint = f"did you mean {near[0]}?" if near else "--print-config shows all keys"
    return f"{name}: no such key; {hint}"


def _keys(config: Any) -> str:
    return ", ".join(field.name for field in dataclasses.fields(config))


def _typed(value: Any, kind: Any, name: str) -> Any:
    """The value as `kind` wants it; raise ConfigError where that would be a guess."""
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        (kind,) = (option for option in typing.get_args(kind) if option is not types.NoneType)
    if typing.get_origin(kind) is tuple and isinstance(value, list | tuple):
        kinds = typing.get_args(kind)
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        if len(kinds) == len(value):
            pairs = zip(value, kinds, strict=True)
            return tuple(_typed(v, k, f"{name}[{i}]") for i, (v, k) in enumerate(pairs))
    if kind is float and type(value) is int:
        value = float(value)
    if kind is float and type(value) is str and _EXPONENT.fullmatch(value):
        value = float(value)  # YAML 1.1 reads 2e-4, which has no dot, as text
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise ConfigError(f"{name}: got {_shown(value)}, expected {_wanted(kind)}")
    if kind is str:
        _require_usable(value, name)
    return value


def _require_usable(text: str, name: str) -> None:
    """Texts are paths and names: no system takes NUL, half a character, or thousands of letters."""
    if len(text) > _TEXT_AT_MOST:
        raise ConfigError(f"{name}: got {len(text)} characters, expected at most {_TEXT_AT_MOST}")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ConfigError(f"{name}: got {_shown(text)}, expected text without NUL or surrogates")


def _name(key: object) -> str:
    plain = isinstance(key, str) and key.isprintable() and len(key) <= _KEY_AT_MOST
    return str(key) if plain else _shown(key)


def _shown(value: object) -> str:
    """A stranger's value on one short line."""
    return _SHORT.repr(value)


def _wanted(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        kinds = typing.get_args(kind)
        count = "a list" if kinds[-1] is Ellipsis else f"a list of {len(kinds)}"
        return f"{count}, each {_wanted(kinds[0])}"
    words = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
    return words[kind]


def _flat(values: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{where}{key}.")
        else:
            yield f"{where}{key}", value


def _lists(value: Any) -> Any:
    """YAML has lists, no tuples."""
    if isinstance(value, Mapping):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple) else value
