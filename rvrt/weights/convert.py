"""Weights of other programs to ours, and ours to the authors'.

Three sources are known by their names and shapes: the authors' RVRT (also as KAIR saves it while
training), SpyNet alone, and mindediting's RVRT and RVRT Light. Our parameters have the authors'
names, but that LayerNorm's weight and bias are gamma and beta, as MindSpore and mindediting
have them.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rvrt.config.network import MODEL_PRESETS, NetworkConfig, RVRTConfig
from rvrt.errors import CheckpointError
from rvrt.models import build_network
from rvrt.weights.checkpoint import (
    SUFFIXES,
    Arrays,
    Record,
    Shapes,
    read_arrays,
    require_match,
    save_weights,
    shapes_of,
)
from rvrt.weights.torch_pickle import read_torch_file, write_torch_file
from vimeo_tools.running.atomic import whole_file

TORCH_SUFFIXES = (".pth", ".pt")
ENTRIES = ("params", "params_ema", "state_dict")
# What the weights were trained with: PyTorch's defaults, and MindSpore's.
ORIGINS: dict[str, dict[str, Any]] = {
    "authors": {"gelu": "erf", "layer_norm_eps": 1e-5},
    "mindediting": {"gelu": "tanh", "layer_norm_eps": 1e-7},
}
_SPYNET_MEAN = (0.485, 0.456, 0.406)
_SPYNET_STD = (0.229, 0.224, 0.225)
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
) -> Conversion:
    """Read weights of any known form and write them for this package or for the authors'.

    Args:
        source: PyTorch's .pth, MindSpore's .ckpt, or .safetensors.
        target: .ckpt or .safetensors for this package, .pth for the authors'.
        form: "mindspore" or "pytorch"; must agree with the suffix of `target`.
        model: a name in MODEL_PRESETS; without it the file tells.
        origin: a name in ORIGINS; without it the file tells.
        entry: of a PyTorch file; without it the first of ENTRIES that is there.

    Raises:
        CheckpointError: damaged, unsafe, of another model, or of a form that cannot be written.
    """
    suffixes = {"mindspore": SUFFIXES, "pytorch": TORCH_SUFFIXES}[form]
    if target.suffix not in suffixes:
        raise CheckpointError(f"{target}: for {form} the name ends in {' or '.join(suffixes)}")
    arrays, record, notes = read_weights(source, model, origin, entry)
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
    expected = shapes_of(build_network(record.config))
    if record.part == "spynet":
        expected = {name: shape for name, shape in expected.items() if name.startswith("spynet.")}
    arrays = to_our_names(found, expected, official_buffers(record.config, expected), source)
    return arrays, record, notes


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
        str(name)
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
            f"{', '.join(list(found)[:3]) or 'none at all'}"
        )
    if model not in MODEL_PRESETS:
        raise CheckpointError(f"model {model!r}: known are {', '.join(MODEL_PRESETS)}")
    preset = MODEL_PRESETS[model]
    if origin is None:
        # The authors have no Light, and mindediting publishes no .pth.
        by_authors = source.suffix != ".ckpt" and isinstance(preset, RVRTConfig)
        origin = "authors" if by_authors else "mindediting"
    return Record(dataclasses.replace(preset, **ORIGINS[origin]), origin, part)


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
        if not np.allclose(arrays[name], buffers[name], rtol=0, atol=1e-6):
            raise CheckpointError(
                f"{source}: {name} differs from this network's: the weights were trained with "
                "another window or another normalisation of the frames"
            )
    return {name: _as_float32(name, arrays[name], source) for name in expected}


def _unused(name: str, arrays: Arrays, source: object) -> str:
    if name in arrays:
        raise CheckpointError(f"{source}: holds {name} twice, under both of its names")
    return name


def _as_float32(name: str, array: NDArray[Any], source: object) -> NDArray[np.float32]:
    if not np.issubdtype(array.dtype, np.floating):
        raise CheckpointError(f"{source}: {name} holds {array.dtype}, need floating point")
    return np.ascontiguousarray(array, np.float32)


def official_name(name: str) -> str:
    """The authors' name of one of our parameters."""
    stem, _, last = name.rpartition(".")
    return f"{stem}.{ {'gamma': 'weight', 'beta': 'bias'}.get(last, last) }"


def official_buffers(config: NetworkConfig, names: Mapping[str, Any]) -> Arrays:
    """What the authors' state dict holds beside parameters, for parameters of the given names.

    Returns:
        spynet.mean and spynet.std, (1, 3, 1, 1) float32; one relative_position_index for each
        table of relative position bias, (N, N) int64 with N tokens in a window.
    """
    buffers: Arrays = {}
    if any(name.startswith("spynet.") for name in names):
        buffers["spynet.mean"] = np.array(_SPYNET_MEAN, np.float32).reshape(1, 3, 1, 1)
        buffers["spynet.std"] = np.array(_SPYNET_STD, np.float32).reshape(1, 3, 1, 1)
    for name in names:
        if name.endswith("relative_position_bias_table"):
            per_frame = name.startswith(("feat_extract.", "reconstruction."))
            window = (1, *config.window_size[1:]) if per_frame else tuple(config.window_size)
            index = name.replace("relative_position_bias_table", "relative_position_index")
            buffers[index] = relative_position_index(window)
    return buffers


def relative_position_index(window: tuple[int, ...]) -> NDArray[np.int64]:
    """Row of the bias table for each pair of tokens in a (frames, rows, columns) window: (N, N)."""
    tokens = np.stack(np.meshgrid(*map(np.arange, window), indexing="ij")).reshape(3, -1)
    difference = tokens[:, :, None] - tokens[:, None, :]
    spans = [2 * size - 1 for size in window]
    strides = [math.prod(spans[axis + 1 :]) for axis in range(3)]
    shifted = difference + np.array(window).reshape(3, 1, 1) - 1
    return np.tensordot(strides, shifted, axes=1).astype(np.int64)


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
