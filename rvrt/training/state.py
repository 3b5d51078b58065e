"""The state of a training on disk: one file a save, whole or not there, summed, the last K kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rvrt.errors import CheckpointError
from rvrt.weights.checkpoint import read_safetensors, write_safetensors
from vimeo_tools.running.atomic import remove_parts

CHECKPOINTS = "checkpoints"  # in the folder of a run
_NAME = "step_{:08d}.safetensors"


@dataclass(frozen=True)
class TrainState:
    """Everything that the next steps depend on.

    Attributes:
        step: steps done, which is also the position in the data.
        arrays: weights, moments, their average and the random state, by name.
        record: numbers and texts beside them, as JSON holds them.
    """

    step: int
    arrays: Mapping[str, NDArray[Any]]
    record: Mapping[str, Any]


class Checkpoints:
    """The saved states in one folder, which has no other writer.

    Args:
        folder: made when something is saved.
        keep: how many of the last ones stay.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def save(self, state: TrainState) -> Path:
        """Write a state; then remove the oldest beyond `keep`.

        Raises:
            OutputError: it cannot be written, as on a full disk; those before it are untouched.
        """
        path = self._folder / _NAME.format(state.step)
        write_safetensors(path, state.arrays, json.dumps({"step": state.step, **state.record}))
        self._remove_old()
        return path

    def _remove_old(self) -> None:
        for old in self.paths()[: -self._keep]:
            old.unlink(missing_ok=True)

    def paths(self) -> list[Path]:
        """The files, oldest first."""
        return sorted(self._folder.glob(_NAME.replace("{:08d}", "*[0-9]")))

    def newest(self) -> Path:
        """The newest file, which need not be whole.

        Raises:
            CheckpointError: there is none.
        """
        paths = self.paths()
        if not paths:
            raise CheckpointError(f"{self._folder}: holds no state of a training")
        return paths[-1]

    def last_before(self, step: int) -> Path | None:
        """The newest file of a state in which `step`, counted from 1, is not done yet."""
        return next((p for p in reversed(self.paths()) if p.name < _NAME.format(step)), None)

    def set_aside_after(self, path: Path) -> None:
        """Give the states that are newer than `path` the name NAME.bad.

        The newest first: a kill between two leaves one that is as bad as that was.
        """
        for newer in reversed([p for p in self.paths() if p > path]):
            newer.replace(newer.with_name(f"{newer.name}.bad"))

    def load_last(self, say: Callable[[str], None]) -> TrainState | None:
        """The newest state that is whole; None where nothing was saved.

        A damaged one is set aside under the name NAME.damaged, and `say` is told.

        Raises:
            CheckpointError: there are files, and all are damaged.
        """
        remove_parts(self._folder)
        damaged: list[CheckpointError] = []
        paths = self.paths()
        for path in reversed(paths):
            try:
                state = read_state(path)
            except CheckpointError as error:
                damaged.append(error)
                continue
            for bad, reason in zip(reversed(paths), damaged, strict=False):
                bad.replace(bad.with_name(f"{bad.name}.damaged"))
                say(f"{reason}; set aside as {bad.name}.damaged, and the one before is used")
            self._remove_old()  # a kill may have come between a save and this
            return state
        if paths:
            raise CheckpointError(
                f"{self._folder}: none of its {len(paths)} states is whole. Start again in another "
                "folder; best.safetensors or last.safetensors can be given to --init"
            )
        return None


def read_state(path: Path) -> TrainState:
    """One saved state.

    Raises:
        CheckpointError: damaged, cut short, or no state of a training.
    """
    try:
        arrays, text = read_safetensors(path)
        record = json.loads(text or "")
        return TrainState(int(record.pop("step")), arrays, record)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{path}: damaged, cut short or of another form ({reason})"
        ) from error
