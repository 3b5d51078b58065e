"""Values from a YAML file and from the command line, put into one checked `TrainConfig`."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml

from rvrt.config.training import TRAIN_PRESETS, TrainConfig
from rvrt.errors import ConfigError

Config = TypeVar("Config")


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
        raise ConfigError(f"preset {preset}, but {file} has preset: {named}; give one of them")
    if named not in TRAIN_PRESETS:
        known = ", ".join(TRAIN_PRESETS)
        raise ConfigError(
            f"preset {named!r}: expected one of {known}" if named else f"no preset: give {known}"
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
    """All values by their dotted names: {"train.batch_size": 8, ...}."""
    return dict(_flat(dataclasses.asdict(config), ""))  # type: ignore[call-overload]


def to_yaml(config: TrainConfig) -> str:
    """Every value; `load_config` makes an equal config of it."""
    return yaml.safe_dump(_lists(dataclasses.asdict(config)), sort_keys=False, width=100)


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: cannot be read as YAML: {error}") from error
    if not isinstance(values, dict | None):
        raise ConfigError(f"{file}: holds {type(values).__name__}, expected keys and values")
    return values or {}


def _put(values: dict[str, Any], setting: str) -> None:
    """Put "train.batch_size=4" into {"train": {"batch_size": ...}}."""
    name, equals, text = setting.partition("=")
    if not (name and equals):
        raise ConfigError(f"{setting!r}: expected KEY=VALUE, as in train.batch_size=4")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{setting!r}: the value is not YAML: {error}") from error
    *sections, key = name.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{name}: {section} holds {values!r}, no keys")
    values[key] = value


def _override(config: Config, values: Mapping[str, Any], where: str, names: list[str]) -> Config:
    types_of = typing.get_type_hints(type(config))
    changed = {}
    for key, value in values.items():
        name = f"{where}{key}"
        if key not in types_of or name == "preset":
            raise ConfigError(_unknown(name, names))
        current = getattr(config, key)
        if not dataclasses.is_dataclass(current):
            changed[key] = _typed(value, types_of[key], name)
        elif isinstance(value, Mapping):
            changed[key] = _override(current, value, f"{name}.", names)
        else:
            raise ConfigError(f"{name}: got {value!r}, expected keys such as {_keys(current)}")
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
    if kind is float and type(value) in (int, str):
        try:
            return float(value)  # YAML 1.1 reads 2e-4, which has no dot, as text
        except ValueError:
            pass
    if type(value) is not kind:
        raise ConfigError(f"{name}: got {value!r}, expected {_wanted(kind)}")
    return value


def _wanted(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        kinds = typing.get_args(kind)
        count = "a list" if kinds[-1] is Ellipsis else f"a list of {len(kinds)}"
        return f"{count}, each {_wanted(kinds[0])}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
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
