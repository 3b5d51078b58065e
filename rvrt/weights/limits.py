"""What no file of weights may exceed, whatever its form, and how messages quote it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import CheckpointError

MAX_DIMS = 32  # NumPy's own bound; beyond it some of its functions end the process
MAX_TENSORS = 1 << 16
_SHOWN_AT_MOST = 80
_PATH_AT_MOST = 250


def require_regular_file(path: Path) -> None:
    """Raise CheckpointError for anything but a file: a folder, a pipe, a device, nothing at all."""
    name = shown(str(path), _PATH_AT_MOST)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise CheckpointError(f"{name}: no such file") from None
    except (OSError, ValueError) as error:  # a name with NUL is a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{name}: cannot be read: {reason}") from error
    if not stat.S_ISREG(mode):
        raise CheckpointError(f"{name}: not a regular file")


def shown(text: str, at_most: int = _SHOWN_AT_MOST) -> str:
    """A text of a stranger on one short line, without what a terminal would obey."""
    cut = text if len(text) <= at_most else f"{text[:at_most]}..."
    return cut if cut.isprintable() else ascii(cut)


def widened_bfloat16(halves: NDArray[Any]) -> NDArray[np.float32]:
    """bfloat16, given as uint16, is the upper half of a float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)
