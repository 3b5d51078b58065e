"""The folder of one training: whose it is, and that one process at a time writes to it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rvrt.config.loading import flat, load_config, to_yaml
from rvrt.config.training import MAY_CHANGE, TrainConfig
from rvrt.errors import ConfigError
from vimeo_tools.running.atomic import remove_parts, write_text

CONFIG = "config.yaml"
_LOCK = ".lock"


@contextmanager
def claimed(folder: Path, config: TrainConfig) -> Iterator[None]:
    """Make a folder that of this training, or find that it is, and hold it.

    The config is written into it as config.yaml.

    Raises:
        ConfigError: the folder holds something else, a training of another config, or is in use.
        OutputError: it cannot be written.
    """
    path = folder / CONFIG
    if path.exists():
        _check_same(path, config)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder}: is not empty, and no training of this command; choose another --output"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            # Held by this process alone, unlike flock: not by the workers that it starts.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"{folder}: another process is training there") from error
        remove_parts(folder)
        write_text(path, to_yaml(config))
        yield


def _check_same(path: Path, config: TrainConfig) -> None:
    """Raise ConfigError where the folder's config differs in what may not change."""
    old, new = flat(load_config(file=path)), flat(config)
    differing = [
        f"{name} was {old.get(name)!r}, is {new.get(name)!r}"
        for name in {**old, **new}
        if name not in MAY_CHANGE and old.get(name) != new.get(name)
    ]
    if differing:
        raise ConfigError(
            f"{path.parent}: holds a training of another config: {'; '.join(differing)}. Give the "
            "old values, or another --output"
        )
