"""What a file of weights says of itself.

GELU's form and LayerNorm's epsilon belong to the weights (the authors' network and mindediting's
differ in both), so the config is recorded in the same file and comes back with it.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from rvrt.config.network import NetworkConfig
from rvrt.models import NETWORKS, kind_of
from rvrt.weights.limits import shown


@dataclass(frozen=True)
class Record:
    """What a weights file says of itself.

    Attributes:
        config: of the network that the weights belong to.
        origin: where they were trained: "authors", "mindediting" or "rvrt".
        part: "network", or "spynet" for the optical flow alone.
        degradation: how the LQ frames were made that they were trained on, as
            `vimeo_tools.DEGRADATIONS` name it, such as "bd"; None where nobody has noted it.
    """

    config: NetworkConfig
    origin: str
    part: str = "network"
    degradation: str | None = None

    def to_json(self) -> str:
        """One line of JSON."""
        fields = dataclasses.asdict(self.config)
        record = {
            "model": kind_of(self.config),
            "config": fields,
            "origin": self.origin,
            "part": self.part,
        }
        if self.degradation is not None:
            record["degradation"] = self.degradation
        return json.dumps(record)

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """From `to_json`.

        Raises:
            ValueError: another form, an unknown key, a value that the config refuses.
        """
        try:
            stored = json.loads(text)
            fields = {key: _frozen(value) for key, value in stored["config"].items()}
            config = NETWORKS[stored["model"]].config(**fields)
            origin, part = stored["origin"], stored["part"]
            if part not in ("network", "spynet") or not isinstance(origin, str):
                raise KeyError("origin and part")
            degradation = stored.get("degradation")
            if degradation is not None:
                degradation = shown(degradation)
            return cls(config, shown(origin), part, degradation)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"record {text[:200]!r}: {error!r}") from error


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
