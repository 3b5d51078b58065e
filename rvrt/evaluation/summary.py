"""What an evaluation says as a whole: with what it was measured, and the means. No MindSpore."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from rvrt.evaluation.meter import Means, mean_of_frames
from rvrt.evaluation.protocol import PROTOCOLS, Protocol, Published
from rvrt.evaluation.results import SequenceRecord, mean_scores
from rvrt.evaluation.sequences import DataSource
from vimeo_tools.running.json_lines import plain

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class NetworkRun:
    """How a network is run, as far as numbers depend on it.

    Attributes:
        weights_sha256: of the file of weights.
        device: "CPU", "GPU" or "Ascend".
        dtype: "float32" or "float16".
        tile: side of tiles in LQ pixels; None for whole frames.
        tile_frames: frames seen at once, at most; None for all.
        padding: how frames grow to what the network takes, see `rvrt.restoration.frames`.
        tiling: "blended" as by `rvrt.Restorer`, or "authors" as by their test program.
    """

    weights_sha256: str
    device: str
    dtype: str
    tile: int | None
    tile_frames: int | None
    padding: str
    tiling: str = "blended"


@dataclass(frozen=True)
class Settings:
    """What the measurement of a sequence depends on; settings.json."""

    source: DataSource
    protocol: str
    save_images: bool
    network: NetworkRun | None
    metrics: tuple[str, ...] = ()  # beside those of METRICS
    restored: Path | None = None  # the frames of another program, in place of a network's

    def to_json(self) -> dict[str, Scalar]:
        """All in one level."""
        network = {} if self.network is None else asdict(self.network)
        own: dict[str, Scalar] = {"protocol": self.protocol, "save_images": self.save_images}
        if self.metrics:
            own["metrics"] = ", ".join(self.metrics)
        if self.restored is not None:
            own["restored"] = str(self.restored)
        return {**self.source.to_json(), **own, **network}


@dataclass(frozen=True)
class Weights:
    """The network that was measured; `preset` is None for sizes of one's own."""

    path: str
    sha256: str
    preset: str | None

    @property
    def name(self) -> str:
        """The preset, or the file."""
        return self.preset or PurePath(self.path).stem


@dataclass(frozen=True)
class Facts:
    """What stands in results.json beside the measurements.

    Attributes:
        title: what was measured on what.
        protocol: its name.
        split: of Vimeo90K; None for other sequences.
        weights: None without a network.
        versions: of Python and of packages.
        device: in words.
        published: figures of others.
        settings: what the measurements depend on, and which sequences were chosen.
    """

    title: str
    protocol: str
    split: str | None
    weights: Weights | None
    versions: Mapping[str, str]
    device: str
    published: Sequence[Published]
    settings: Mapping[str, Scalar]


@dataclass(frozen=True)
class Part:
    """Means over sequences, by the names of metrics; `ours` is None without a network."""

    sequences: int
    ours: Means | None
    bicubic: Means

    @classmethod
    def of(cls, records: Sequence[SequenceRecord], protocol: Protocol | None = None) -> Part:
        """Means over records, one or more, as the protocol averages."""
        ours = [record.ours for record in records if record.ours is not None]
        means = mean_scores(ours) if ours else None
        bicubic = mean_scores(record.bicubic for record in records)
        if protocol is not None and protocol.average == "frames":
            frames = [record.per_frame for record in records if record.per_frame is not None]
            if means is not None:
                over = mean_of_frames(scores for each in frames for scores in each.ours or ())
                means = {name: over[name] for name in means}
            over = mean_of_frames(scores for each in frames for scores in each.bicubic)
            bicubic = {name: over[name] for name in bicubic}
        return cls(len(records), means, bicubic)


@dataclass(frozen=True)
class Results:
    """results.json.

    Attributes:
        facts: what was measured, with what.
        frames: how many were measured.
        nan_frames: restored frames that hold NaN or infinity.
        seconds_per_call: that the network took for a sequence, median over those for which nothing
            was compiled; None where there is none.
        peak_memory_bytes: None without a network.
        whole: means over all sequences.
        groups: means over the sequences of each group.
    """

    facts: Facts
    frames: int
    nan_frames: int
    seconds_per_call: float | None
    peak_memory_bytes: int | None
    whole: Part
    groups: Mapping[str, Part] = field(default_factory=dict)

    @property
    def sequences(self) -> int:
        """How many were measured."""
        return self.whole.sequences

    def to_json(self) -> dict[str, Any]:
        """As in the file; NaN and infinity as strings."""
        facts, whole = asdict(self.facts), asdict(self.whole)
        for figures in facts["published"]:
            for name in ("psnr_rgb", "ssim_rgb", "ssim_matlab"):
                if figures[name] is None:
                    del figures[name]
        fields: dict[str, Any] = plain(
            {
                **facts,
                "sequences": whole.pop("sequences"),
                "frames": self.frames,
                "nan_frames": self.nan_frames,
                "seconds_per_call": self.seconds_per_call,
                "peak_memory_bytes": self.peak_memory_bytes,
                "means": whole,
                "groups": {name: asdict(part) for name, part in self.groups.items()},
            }
        )
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Results:
        """From what `to_json` gives.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is of another form.
        """
        weights = fields["weights"]
        facts = Facts(
            title=fields["title"],
            protocol=fields["protocol"],
            split=fields["split"],
            weights=Weights(**weights) if weights else None,
            versions=dict(fields["versions"]),
            device=fields["device"],
            published=tuple(Published(**figures) for figures in fields["published"]),
            settings=dict(fields["settings"]),
        )
        seconds = fields["seconds_per_call"]
        return cls(
            facts,
            int(fields["frames"]),
            int(fields["nan_frames"]),
            None if seconds is None else float(seconds),
            fields["peak_memory_bytes"],
            _part({"sequences": fields["sequences"], **fields["means"]}),
            {name: _part(part) for name, part in fields["groups"].items()},
        )


def _part(fields: Mapping[str, Any]) -> Part:
    ours = fields["ours"]
    means = None if ours is None else _means(ours)
    return Part(int(fields["sequences"]), means, _means(fields["bicubic"]))


def _means(fields: Mapping[str, Any]) -> Means:
    return {name: float(value) for name, value in fields.items()}


def summarise(
    facts: Facts, records: Sequence[SequenceRecord], groups: Mapping[str, str]
) -> Results:
    """Means over sequences, and speed and memory.

    Args:
        facts: what was measured, with what.
        records: of all sequences, one or more.
        groups: the group of a key, for those that have one.
    """
    members: dict[str, list[SequenceRecord]] = {name: [] for name in groups.values()}
    for record in records:
        if record.key in groups:
            members[groups[record.key]].append(record)
    protocol = PROTOCOLS.get(facts.protocol)
    seconds = [record.seconds for record in records if record.seconds is not None]
    return Results(
        facts,
        sum(record.frames for record in records),
        sum(record.nan_frames for record in records),
        statistics.median(seconds) if seconds else None,
        _largest(record.peak_memory_bytes for record in records),
        Part.of(records, protocol),
        {name: Part.of(part, protocol) for name, part in members.items() if part},
    )


def _largest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
