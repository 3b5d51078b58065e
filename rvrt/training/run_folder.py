"""The folder of one training: whose it is, and that one process at a time writes to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rvrt.config.loading import flat, load_config, to_yaml
from rvrt.config.training import MAY_CHANGE, TrainConfig
from vimeo_tools.running.atomic import remove_parts
from vimeo_tools.running.folders import refuse_overlap, taken
from vimeo_tools.running.records import Record

CONFIG = "config.yaml"
_EVENTS = "tensorboard"  # a run that did no step has an empty file of them


class _ConfigRecord(Record):
    """The effective config as YAML."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(
            flat(config), CONFIG, MAY_CHANGE, "give the old values, or another --output", (_EVENTS,)
        )
        object.__setattr__(self, "_text", to_yaml(config))

    def text(self) -> str:
        return str(self._text)  # type: ignore[attr-defined]

    def read(self, folder: Path) -> Mapping[str, Any] | None:
        path = folder / CONFIG
        return flat(load_config(file=path)) if path.exists() else None

    def refusal(self, found: Mapping[str, Any]) -> str:
        return f"holds a training of another config: {self.differences(found)}; {self.remedy}"


@contextmanager
def claimed(folder: Path, config: TrainConfig) -> Iterator[None]:
    """Make a folder that of this training, or find that it is, and hold it.

    The config is written into it as config.yaml.

    Raises:
        ConfigError: its config.yaml cannot be read.
        OutputError: the folder holds something else, a training of another config, is in use,
            is where the data are, or cannot be written.
    """
    data = Path(config.data.root)
    refuse_overlap(folder, *(data / name for name in (config.data.gt, config.data.lq) if name))
    with taken(folder, _ConfigRecord(config)):
        for inner in folder.iterdir():
            remove_parts(inner)
        yield
