"""What rvrt-eval's options choose: a network, sequences, and the job made of them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from rvrt.errors import EvaluationError
from rvrt.evaluation.meter import choose_metrics
from rvrt.evaluation.metrics import METRICS
from rvrt.evaluation.opening import (
    holds_septuplets,
    holds_vimeo,
    open_data_set,
    open_folders,
    open_septuplets_at,
    open_vimeo,
)
from rvrt.evaluation.protocol import PROTOCOLS, Protocol, choose_protocol
from rvrt.evaluation.restored import RestoredFrames
from rvrt.evaluation.sequences import SequenceSet
from rvrt.evaluation.summary import Facts, NetworkRun, Scalar, Settings, Weights
from rvrt.restoration.frames import Padding
from rvrt.restoration.tiling import GRID, MANY_FRAMES
from vimeo_tools.degradations import Degradation, choose_degradation
from vimeo_tools.running.jobs import available_workers

if TYPE_CHECKING:
    from rvrt.restoration.network import OpenNetwork
    from rvrt.restoration.restorer import Restorer

NO_WEIGHTS = "none"
# Figures are compared with the authors', so frames grow as in their test program.
_PADDING: Padding = "authors"
WINDOW = 8  # of the attention, in LQ pixels; the authors' tiles are multiples of it
TILINGS = ("blended", "authors")


@dataclass(frozen=True)
class Choices:
    """The options that more than one step needs; named as on the command line.

    Raises:
        EvaluationError: they contradict each other, or name what is not there.
    """

    weights: Path | None
    restored: Path | None
    preset: str | None
    data: Path | None
    split: str
    gt: Path | None
    lq: Path | None
    clip_list: Path | None
    protocol: str | None
    scale: int | None
    degradation: str | None
    convention: str | None
    tile: int | None
    tile_frames: int | None
    tiling: str
    metrics: tuple[str, ...]
    target_device: str
    dtype: str
    save_images: bool

    def __post_init__(self) -> None:
        _check(self)

    @property
    def chosen_protocol(self) -> Protocol | None:
        """None where the data says which."""
        return None if self.protocol is None else choose_protocol(self.protocol)


def _check(choices: Choices) -> None:
    """What contradicts itself, before a network is loaded."""
    if (choices.data is None) == (choices.gt is None):
        raise EvaluationError("give either --data vimeo_septuplet, or --gt FOLDER and --lq FOLDER")
    if choices.data is not None and (choices.lq is not None or choices.clip_list is not None):
        raise EvaluationError("--lq and --list go with --gt; --data brings its own")
    if choices.weights is not None and choices.restored is not None:
        raise EvaluationError("--restored FOLDER takes the place of --weights: give one of them")
    if choices.weights is None and choices.preset:
        raise EvaluationError(f"--preset {choices.preset} needs weights, not --weights none")
    step = GRID if choices.tiling == "blended" else WINDOW
    if choices.tile is not None and (choices.tile % step or choices.tile < 2 * GRID):
        raise EvaluationError(
            f"--tile {choices.tile}: give a multiple of {step} from {2 * GRID} on"
        )
    protocol = choices.chosen_protocol
    made_here = choices.gt is not None and choices.lq is None and choices.degradation is None
    if protocol is not None and not protocol.enlarges and made_here:
        raise EvaluationError(
            f"protocol {protocol.name} needs --lq, frames as large as --gt's, or --degradation "
            "noise"
        )


def open_network(choices: Choices) -> OpenNetwork | None:
    """The network of the weights; None for --weights none.

    Raises:
        EvaluationError: MindSpore is missing, or the network is of another scale than asked for.
        VimeoToolsError: as `rvrt.restoration.network.open_network`.
    """
    if choices.weights is None:
        return None
    try:
        from rvrt.restoration.network import open_network as opened
    except ModuleNotFoundError as error:
        raise EvaluationError(
            f"weights need {error.name}: pip install 'vimeo-tools[train]'; --weights none measures "
            "the baseline without it"
        ) from error
    network = opened(choices.weights, choices.preset, choices.target_device, choices.dtype)
    if choices.scale not in (None, network.config.upscale):
        raise EvaluationError(
            f"--scale {choices.scale}: the network enlarges {network.config.upscale} times"
        )
    return network


def make_restorer(
    choices: Choices, network: OpenNetwork | None
) -> Restorer | RestoredFrames | None:
    """What gives restored frames as the options say; None for the baseline alone.

    Raises:
        EvaluationError: tiles that are all overlap, or no folder of restored frames.
    """
    if choices.restored is not None:
        return RestoredFrames(choices.restored)
    if network is None:
        return None
    if choices.tiling == "authors":
        from rvrt.evaluation.authors_tiling import AuthorsRestorer, AuthorsTiles

        return AuthorsRestorer(network.cell, AuthorsTiles(choices.tile_frames, choices.tile))
    from rvrt.restoration.restorer import Cutting, Restorer

    cutting = Cutting(choices.tile, choices.tile_frames or MANY_FRAMES, padding=_PADDING)
    if choices.target_device != "CPU":
        from rvrt.restoration.memory import memory_limits

        limit, host = memory_limits(choices.target_device)
        cutting = replace(cutting, max_memory=limit, host_memory=host, as_asked=True)
    return Restorer(network.cell, cutting)


def open_sequences(choices: Choices, network: OpenNetwork | None) -> SequenceSet:
    """What is to be measured.

    Raises:
        EvaluationError: the data is not what the options say.
        VimeoToolsError: it cannot be read.
    """
    scale = network.config.upscale if network else choices.scale
    sequences = _open_source(choices, scale)
    source = sequences.source
    if choices.convention and source.lq is not None:
        raise EvaluationError(
            f"--convention {choices.convention}: LQ frames are there already, in {source.lq}; to "
            "make others, give --gt without --lq"
        )
    return sequences


def _open_source(choices: Choices, scale: int | None) -> SequenceSet:
    protocol, made = choices.chosen_protocol, _degradation(choices)
    of_septuplets = protocol or PROTOCOLS["vimeo-centre"]
    if choices.data is not None:
        folder, split = choices.data, choices.split
        elsewhere = protocol is None and folder.is_dir() and not holds_vimeo(folder, split)
        if elsewhere or not of_septuplets.septuplets:
            return open_data_set(folder, split, made, scale, protocol)
        return open_vimeo(folder, split, of_septuplets, made, scale)
    assert choices.gt is not None
    if holds_septuplets(choices.gt):
        if not of_septuplets.septuplets:
            raise EvaluationError(
                f"{choices.gt}: holds septuplets, protocol {of_septuplets.name} is of others"
            )
        return open_septuplets_at(
            choices.gt, choices.lq, choices.clip_list, of_septuplets, made, scale
        )
    if (protocol is not None and protocol.septuplets) or choices.clip_list is not None:
        raise EvaluationError(
            f"{choices.gt}: holds no septuplets; --list and the protocols vimeo-centre and "
            "vimeo-all are for septuplets"
        )
    return open_folders(choices.gt, choices.lq, made, scale, protocol)


def _degradation(choices: Choices) -> Degradation | None:
    """What was asked for; None where nothing was."""
    if choices.degradation is None and choices.convention is None:
        return None
    parameters = {} if choices.convention is None else {"convention": choices.convention}
    return choose_degradation(choices.degradation or "bicubic", **parameters)


def make_settings(
    choices: Choices, sequences: SequenceSet, network: OpenNetwork | None
) -> Settings:
    """What every measurement depends on.

    Raises:
        EvaluationError: there is no such metric.
        MetricError: a metric needs a package that is not installed.
    """
    run = None
    if network is not None:
        how = choices.target_device, choices.dtype, choices.tile
        frames = choices.tile_frames
        if choices.tiling == "blended":
            frames = frames or MANY_FRAMES
        run = NetworkRun(network.sha256, *how, frames, _PADDING, choices.tiling)
    protocol = sequences.protocol
    metrics = choose_metrics([*protocol.more, *choices.metrics]).names
    more = tuple(name for name in metrics if name not in METRICS)
    kept = choices.save_images
    return Settings(sequences.source, protocol.name, kept, run, more, choices.restored)


def _device(choices: Choices, network: OpenNetwork | None) -> str:
    """What the work is done by, in words."""
    if network is None:
        return f"CPU, {available_workers()} cores"
    if choices.target_device != "CPU":
        return choices.target_device
    return f"CPU, {available_workers()} cores, {network.computed_by.removeprefix('CPU, ')}"


def make_facts(
    choices: Choices,
    sequences: SequenceSet,
    network: OpenNetwork | None,
    settings: Mapping[str, Scalar],
) -> Facts:
    """What else stands in results.json."""
    folder = (choices.data or sequences.source.gt).resolve().name
    packages = ["vimeo-tools", "numpy", "scipy", "pillow"]
    packages += ["mindspore"] if network else []
    # LQ that is there, and that nobody has noted the making of, may be of any kind.
    made = sequences.source.degradation
    others = choices.restored.resolve().name if choices.restored else "bicubic"
    return Facts(
        title=f"{network.name if network else others} on {folder}"
        + (f" {choices.split}" if choices.data else ""),
        protocol=sequences.protocol.name,
        split=choices.split if choices.data else None,
        weights=Weights(str(network.path), network.sha256, network.preset) if network else None,
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        device=_device(choices, network),
        published=sequences.protocol.published_for(made.name if made else None),
        settings=settings,
    )
