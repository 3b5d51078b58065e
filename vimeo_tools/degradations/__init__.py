"""How low-quality frames are made, by name.

A way of your own is a class and a line, in any module (which commands import by ``--plugin``):

    class Nearest(Degradation):
        name, tag = "nearest", "NN"

        def apply(self, frame, scale):
            return frame[::scale, ::scale]

    DEGRADATIONS["nearest"] = Nearest()
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from vimeo_tools.degradations.base import Degradation, Frame, with_parameters
from vimeo_tools.degradations.bicubic import Bicubic
from vimeo_tools.degradations.blur import MAKERS, BlurDown
from vimeo_tools.degradations.unscaled import Noise, Unchanged
from vimeo_tools.errors import SettingsError

__all__ = [
    "DEGRADATIONS",
    "Bicubic",
    "BlurDown",
    "Degradation",
    "Noise",
    "Unchanged",
    "choose_degradation",
    "degrade",
    "from_record",
]

DEGRADATIONS: dict[str, Degradation] = {
    "bicubic": Bicubic(),
    **{name: BlurDown(name) for name in MAKERS},
    "noise": Noise(),
    "none": Unchanged(),
}
# As degradations are written in messages and records: bd (sigma 1.2, border reflect).
_WRITTEN = re.compile(r"([\w.-]+) *\((.*)\)")
_NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?")


def choose_degradation(name: str | Degradation, **parameters: Any) -> Degradation:
    """The degradation of that name, with other parameters where some are given.

    Args:
        name: a key of ``DEGRADATIONS``, also with parameters as in ``bd (sigma 1.2, kernel 9)``,
            or what it stands for.
        parameters: such as ``convention="uint8"``; see the degradation's class.

    Raises:
        SettingsError: there is no such degradation or parameter, or a value is not allowed.
    """
    if isinstance(name, Degradation):
        return with_parameters(name, parameters)
    if name not in DEGRADATIONS and (written := _WRITTEN.fullmatch(str(name).strip())):
        return choose_degradation(written[1], **{**_parsed(written[2]), **parameters})
    if name not in DEGRADATIONS:
        near = difflib.get_close_matches(str(name), DEGRADATIONS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(f"degradation {name!r}: there are {', '.join(DEGRADATIONS)}{hint}")
    return with_parameters(DEGRADATIONS[name], parameters)


def _parsed(text: str) -> dict[str, Any]:
    """``sigma 1.2, border reflect`` as values by name."""
    values: dict[str, Any] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = part.partition(" ")
        number = _NUMBER.fullmatch(value.strip())
        try:
            values[name] = json.loads(value) if number else value.strip()
        except ValueError:
            raise SettingsError(f"{part!r}: write numbers as 1.2 or 9") from None
    return values


def from_record(record: Mapping[str, Any]) -> Degradation:
    """The degradation whose `Degradation.record` this is.

    Raises:
        SettingsError: there is none of that name, or its parameters are not allowed.
    """
    parameters = dict(record)
    return choose_degradation(parameters.pop("degradation", "bicubic"), **parameters)


def degrade(
    frames: Frame, name: str | Degradation = "bicubic", scale: int | None = None, **parameters: Any
) -> Frame:
    """Low-quality frames, as they would be written by ``vimeo-prep --generate-lq``.

    Args:
        frames: uint8; one picture (H, W) or (H, W, C), or a stack of frames (N, H, W, C).
        name: a key of ``DEGRADATIONS``.
        scale: how many times smaller, an integer from 2 on; None for 4, or for 1 where frames stay
            as large as they are ("noise", "none").
        parameters: of the degradation, such as ``convention="uint8"`` of bicubic. The frames of a
            stack are named 0, 1 and so on, so that each has noise of its own.

    Returns:
        uint8, ``scale`` times smaller, otherwise of the input's shape.

    Raises:
        SettingsError: an unknown name or parameter, or a value that is not allowed.
        FrameError: a frame is smaller than the scale.
        TypeError: frames are no array of uint8.
        ValueError: wrong number of dimensions, or an empty array.
    """
    degradation = choose_degradation(name, **parameters)
    scale = degradation.usual_scale if scale is None else scale
    degradation.check_scale(scale)
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
        found = getattr(frames, "dtype", type(frames).__name__)
        raise TypeError(f"got frames of {found}, need an array of uint8")
    if frames.ndim not in (2, 3, 4) or not frames.size:
        raise ValueError(
            f"got an array of shape {frames.shape}; need (H, W), (H, W, C) or (N, H, W, C), none 0"
        )
    if frames.ndim == 4:
        made = (degradation.of_frame(str(n)).apply(frame, scale) for n, frame in enumerate(frames))
        return np.stack(list(made))
    return degradation.of_frame("0").apply(frames, scale)
