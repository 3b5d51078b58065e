"""Networks that come with the package: by name, beside a record of how each was trained.

Of each network two files lie here: NAME.safetensors, its weights in half precision, and NAME.json,
the record (docs/pretrained.md tells it at length).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
DEFAULT = "rvrt-small"
NAMES = (DEFAULT,)
OF_THE_AUTHORS = "https://github.com/JingyunLiang/RVRT/releases"


@dataclass(frozen=True)
class Pretrained:
    """A network of this package.

    Attributes:
        name: what `rvrt.load_network` and `--weights` take.
        trained_on: what people should know of its data, one line.
        sha256: of the file of weights, in hexadecimal digits.
        data: what it was trained, validated and tested on: package, files, licence, use.
        recipe: the training, step by step, as `benchmarks/rvrt_small` repeats it.
        curve: steps of the whole training, and PSNR on Y of the validation after so many, in dB.
    """

    name: str
    trained_on: str
    sha256: str
    data: tuple[dict[str, str], ...]
    recipe: dict[str, Any]
    curve: tuple[tuple[int, float], ...]

    @property
    def degradation(self) -> str:
        """How the LQ frames were made that it was trained on, as `Record.degradation`."""
        return str(self.recipe["degradation"]).partition(",")[0]

    @property
    def path(self) -> Path:
        """The file of weights."""
        return FOLDER / f"{self.name}.safetensors"


def pretrained(name: str) -> Pretrained:
    """The record of one of `NAMES`."""
    stored = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    curve = tuple((int(step), float(value)) for step, value in stored.pop("curve").items())
    return Pretrained(name, data=tuple(stored.pop("data")), curve=curve, **stored)


def weights_path(weights: str | Path) -> Path:
    """The file that is meant by a path, or by one of `NAMES`.

    A name has no suffix and a file of weights has one, so neither is taken for the other.
    """
    name = str(weights)
    return pretrained(name).path if name in NAMES else Path(weights)
