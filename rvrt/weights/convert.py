"""Weights of other programs to ours, and ours to the authors'.

Three sources are known by their names and shapes: the authors' RVRT (also as KAIR saves it while
training), SpyNet alone, and mindediting's RVRT and RVRT Light. Our parameters have the authors'
names, but that LayerNorm's weight and bias are gamma and beta, as MindSpore and mindediting
have them.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rvrt.config.network import MODEL_PRESETS, RVRTConfig
from rvrt.errors import CheckpointError
from rvrt.models import build_network
from rvrt.weights.checkpoint import (
    SUFFIXES,
    Arrays,
    Shapes,
    read_arrays,
    require_match,
    require_size,
    save_weights,
    shapes_of,
)
from rvrt.weights.limits import shown
from rvrt.weights.official import is_buffer, official_buffers, official_name
from rvrt.weights.record import Record
from rvrt.weights.torch_pickle import read_torch_file, write_torch_file
from vimeo_tools.degradations import choose_degradation
from vimeo_tools.running.atomic import whole_file
from vimeo_tools.running.folders import refuse_overlap

TORCH_SUFFIXES = (".pth", ".pt")
ENTRIES = ("params", "params_ema", "state_dict")
# What the weights were trained with: PyTorch's defaults, and MindSpore's.
ORIGINS: dict[str, dict[str, Any]] = {
    "authors": {"gelu": "erf", "layer_norm_eps": 1e-5},
    "mindediting": {"gelu": "tanh", "layer_norm_eps": 1e-7},
}
# The authors' files by name, of those that enlarge.
TRAINED_ON = {
    "001_RVRT_videosr_bi_REDS_30frames.pth": "bicubic",
    "002_RVRT_videosr_bi_Vimeo_14frames.pth": "bicubic",
    "003_RVRT_videosr_bd_Vimeo_14frames.pth": "bd",
}
# What MindSpore's optimisers, loss scaling and checkpoint callback save beside the weights.
_TRAINING_PREFIXES = ("moment1.", "moment2.", "moments.", "vhat.", "learning_rate.")
_TRAINING_NAMES = {
    "beta1_power",
    "beta2_power",
    "learning_rate",
    "global_step",
    "loss_scale",
    "scale_sense",
    "current_iterator_step",
    "last_overflow_iterator_step",
    "epoch_num",
    "step_num",
}


@dataclass(frozen=True)
class Conversion:
    """What was converted: so many tensors, of so many numbers; notes are for the user."""

    record: Record
    parameters: int
    numbers: int
    notes: tuple[str, ...]


def convert(
    source: Path,
    target: Path,
    form: str = "mindspore",
    model: str | None = None,
    origin: str | None = None,
    entry: str | None = None,
    degradation: str | None = None,
) -> Conversion:
    """Read weights of any known form and write them for this package or for the authors'.

    Args:
        source: PyTorch's .pth, MindSpore's .ckpt, or .safetensors.
        target: .ckpt or .safetensors for this package, .pth for the authors'.
        form: "mindspore" or "pytorch"; must agree with the suffix of `target`.
        model: a name in MODEL_PRESETS; without it the file tells.
        origin: a name in ORIGINS; without it the file tells.
        entry: of a PyTorch file; without it the first of ENTRIES that is there.
        degradation: what the weights were trained on, see `Record`; without it the file, or the
            authors' name of it, tells.

    Raises:
        SettingsError: there is no such degradation.
        CheckpointError: damaged, unsafe, of another model, or of a form that cannot be written.
        OutputError: the target is the source, or cannot be written.
    """
    suffixes = {"mindspore": SUFFIXES, "pytorch": TORCH_SUFFIXES}[form]
    if target.suffix not in suffixes:
        raise CheckpointError(f"{target}: for {form} the name ends in {' or '.join(suffixes)}")
    refuse_overlap(target, source)
    arrays, record, notes = read_weights(source, model, origin, entry)
    if degradation is not None:
        choose_degradation(degradation)
        record = dataclasses.replace(record, degradation=degradation)
    if form == "pytorch":
        notes += write_official(target, arrays, record)
    else:
        save_weights(target, arrays, record)
    numbers = sum(array.size for array in arrays.values())
    return Conversion(record, len(arrays), numbers, notes)


def read_weights(
    source: Path, model: str | None = None, origin: str | None = None, entry: str | None = None
) -> tuple[Arrays, Record, tuple[str, ...]]:
    """Weights of any known form, under our names, complete and checked.

    Returns:
        float32 arrays in the network's order, their record, and notes for the user.

    Raises:
        CheckpointError: as `convert`.
    """
    found, record, notes = _read_any(source, entry)
    found = _without_training_state(_without_wrapper(found))
    part = "spynet" if _is_spynet_alone(found) else "network"
    if part == "spynet":
        model = model or "rvrt"
        found = {f"spynet.{name}": array for name, array in found.items()}
    if record is None:
        record = _guess_record(source, found, model, origin, part)
    elif model is not None or origin is not None:
        raise CheckpointError(f"{source}: says itself which model and origin; leave them out")
    expected = _expected(record, found, source)
    arrays = to_our_names(found, expected, official_buffers(record.config, expected), source)
    return arrays, record, notes + _note_of_numbers(arrays)


def _note_of_numbers(arrays: Arrays) -> tuple[str, ...]:
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if not bad:
        return ()
    return (
        f"{len(bad)} of {len(arrays)} tensors hold numbers that are not finite, {bad[0]} the "
        "first: the training went wrong, or the file is damaged",
    )


def _expected(record: Record, found: Arrays, source: Path) -> Shapes:
    """Names and shapes of what the record says."""
    if record.part == "spynet":  # the same in each RVRT
        shapes = shapes_of(build_network(MODEL_PRESETS["rvrt-debug"]))
        return {name: shape for name, shape in shapes.items() if name.startswith("spynet.")}
    require_size(record.config, found, source)
    return shapes_of(build_network(record.config))


def _read_any(source: Path, entry: str | None) -> tuple[Arrays, Record | None, tuple[str, ...]]:
    if source.suffix in SUFFIXES:
        return *read_arrays(source), ()
    content = read_torch_file(source)
    if not isinstance(content, dict):
        raise CheckpointError(f"{source}: holds a {type(content).__name__}, not named tensors")
    nested = [name for name in ENTRIES if isinstance(content.get(name), dict)]
    if entry is not None and not isinstance(content.get(entry), dict):
        raise CheckpointError(
            f"{source}: no entry {entry!r} of named tensors; known here: {', '.join(nested) or '-'}"
        )
    chosen = entry or (nested[0] if nested else None)
    tensors = content if chosen is None else content[chosen]
    others = [
        shown(str(name))
        for name, value in tensors.items()
        if not (isinstance(name, str) and isinstance(value, np.ndarray))
    ]
    if others or not tensors:
        raise CheckpointError(
            f"{source}: holds no named tensors but {', '.join(others[:5]) or 'nothing'}; is it an "
            "optimiser's state? The weights are in another file"
        )
    notes = (
        (f"took '{chosen}' of {', '.join(nested)}",) if entry is None and len(nested) > 1 else ()
    )
    return tensors, None, notes


def _guess_record(
    source: Path, found: Arrays, model: str | None, origin: str | None, part: str
) -> Record:
    if model is None:
        known = (name for name, preset in MODEL_PRESETS.items() if preset.recognises(found))
        model = next(known, None)
    if model is None:
        raise CheckpointError(
            f"{source}: not the weights of a network that is known here; its first names are "
            f"{', '.join(map(shown, list(found)[:3])) or 'none at all'}"
        )
    if model not in MODEL_PRESETS:
        raise CheckpointError(f"model {model!r}: known are {', '.join(MODEL_PRESETS)}")
    preset = MODEL_PRESETS[model]
    if origin is None:
        # The authors have no Light, and mindediting publishes no .pth.
        by_authors = source.suffix != ".ckpt" and isinstance(preset, RVRTConfig)
        origin = "authors" if by_authors else "mindediting"
    trained_on = TRAINED_ON.get(source.name) if origin == "authors" and part == "network" else None
    return Record(dataclasses.replace(preset, **ORIGINS[origin]), origin, part, trained_on)


def _without_wrapper(found: Arrays) -> Arrays:
    # PyTorch's DataParallel puts its one attribute before every name.
    if all(name.startswith("module.") for name in found):
        return {name.removeprefix("module."): array for name, array in found.items()}
    return found


def _without_training_state(found: Arrays) -> Arrays:
    return {
        name: array
        for name, array in found.items()
        if name not in _TRAINING_NAMES and not name.startswith(_TRAINING_PREFIXES)
    }


def _is_spynet_alone(found: Arrays) -> bool:
    own = [name for name in found if name not in ("mean", "std")]
    return bool(own) and all(name.startswith("basic_module.") for name in own)


def to_our_names(
    found: Mapping[str, NDArray[Any]],
    expected: Shapes,
    buffers: Mapping[str, NDArray[Any]],
    source: object,
) -> Arrays:
    """Rename by table, check everything, leave out what the network computes itself.

    Args:
        found: arrays by official or mindediting's name.
        expected: names and shapes of our network, or of its part.
        buffers: official buffers by name; those in the file must be equal.
        source: what messages call the file.

    Raises:
        CheckpointError: names, shapes or buffers differ; the first are named.
    """
    ours = {official_name(name): name for name in expected} | {name: name for name in expected}
    # mindediting keeps a copy of the bias, looked up from its table, for training on Ascend.
    copies = {name.removesuffix("_table") for name in expected if name.endswith("_bias_table")}
    arrays: Arrays = {}
    for name, array in found.items():
        if name not in copies:
            arrays[_unused(ours.get(name, name), arrays, source)] = array
    present = {name: array.shape for name, array in buffers.items() if name in arrays}
    require_match(expected | present, {name: a.shape for name, a in arrays.items()}, source)
    for name in present:
        if not is_buffer(arrays[name], buffers[name]):
            raise CheckpointError(
                f"{source}: {name} differs from this network's: the weights were trained with "
                "another window or another normalisation of the frames"
            )
    return {name: _as_float32(name, arrays[name], source) for name in expected}


def _unused(name: str, arrays: Arrays, source: object) -> str:
    if name in arrays:
        raise CheckpointError(f"{source}: holds {shown(name)} twice, under both of its names")
    return name


def _as_float32(name: str, array: NDArray[Any], source: object) -> NDArray[np.float32]:
    if not np.issubdtype(array.dtype, np.floating):
        raise CheckpointError(f"{source}: {name} holds {array.dtype}, need floating point")
    with np.errstate(over="ignore"):  # said by _note_of_numbers
        return np.ascontiguousarray(array, np.float32)


def write_official(path: Path, arrays: Arrays, record: Record) -> tuple[str, ...]:
    """Write `{'params': ...}` with names, shapes and buffers that the authors' strict loader takes.

    SpyNet alone is written as SpyNet's own file. Returns notes for the user.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = official_buffers(record.config, arrays) if record.part == "network" else {}
    tensors |= {official_name(name): array for name, array in arrays.items()}
    if record.part == "spynet":
        tensors = {name.removeprefix("spynet."): array for name, array in tensors.items()}
    with whole_file(path) as part:
        write_torch_file(part, "params", tensors)
    theirs = ORIGINS["authors"]
    if all(getattr(record.config, key) == value for key, value in theirs.items()):
        return ()
    return (
        "these weights were trained with tanh GELU or another LayerNorm epsilon than PyTorch's "
        "default; the authors' network will give slightly other pictures with them",
    )
