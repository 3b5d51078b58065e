"""Weights on disk: strict both ways, whole or absent, and with the config they were trained for."""

import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn
from numpy.typing import NDArray

from rvrt.config.network import Execution, NetworkConfig, RVRTConfig
from rvrt.errors import CheckpointError
from rvrt.models import build_network
from rvrt.runtime import device
from rvrt.weights.limits import require_regular_file, shown
from rvrt.weights.minds_ckpt import read_minds_ckpt, write_minds_ckpt
from rvrt.weights.pretrained import weights_path
from rvrt.weights.record import Record
from rvrt.weights.safetensors_file import read_safetensors_file, write_safetensors_file
from vimeo_tools.running.atomic import whole_file

Arrays = dict[str, NDArray[Any]]
Shapes = dict[str, tuple[int, ...]]

SUFFIXES = (".ckpt", ".safetensors")
_RECORD = "rvrt_record"
_CRC = "rvrt_crc32"
_NAMED_AT_MOST = 3
_LINE_AT_MOST = 300
_MOST_OF_A_FILE = 4
_SMALL = 1 << 24  # numbers: a network that every machine holds


def shapes_of(network: nn.Cell) -> Shapes:
    """Name and shape of every parameter of a network, in its order."""
    return {parameter.name: tuple(parameter.shape) for parameter in network.get_parameters()}


def require_match(expected: Mapping[str, tuple[int, ...]], got: Shapes, source: object) -> None:
    """Compare names and shapes.

    Raises:
        CheckpointError: any is missing, unexpected or of another shape; names the first of each
            kind and how many there are.
    """
    missing = [name for name in expected if name not in got]
    unexpected = [name for name in got if name not in expected]
    misshapen = [
        f"{shown(name)} is {_size(got[name])} instead of {_size(shape)}"
        for name, shape in expected.items()
        if name in got and got[name] != shape
    ]
    problems = [
        f"{len(names)} {kind} ({_first(names)})"
        for names, kind in (
            (missing, "missing"),
            (unexpected, "unexpected"),
            (misshapen, "of another shape"),
        )
        if names
    ]
    if problems:
        raise CheckpointError(
            f"{source}: not the weights of this network: "
            + "; ".join(problems)
            + ". The file is incomplete or belongs to another model or config"
        )


def _first(names: list[str]) -> str:
    more = ", ..." if len(names) > _NAMED_AT_MOST else ""
    return ", ".join(map(shown, names[:_NAMED_AT_MOST])) + more


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def save_weights(path: Path, arrays: Mapping[str, NDArray[Any]], record: Record) -> None:
    """Write arrays of floats and their record as `.ckpt` or `.safetensors`, with a checksum.

    Raises:
        CheckpointError: another suffix.
        OutputError: the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise CheckpointError(f"{path}: weights are kept as one of {', '.join(SUFFIXES)}")
    text = record.to_json()
    if path.suffix == ".safetensors":
        write_safetensors(path, arrays, text)
        return
    with whole_file(path) as part:
        write_minds_ckpt(part, {**arrays, _RECORD: text})


def write_safetensors(path: Path, arrays: Mapping[str, NDArray[Any]], record: str) -> None:
    """Write arrays and a text that goes with them, with a checksum over both.

    Raises:
        OutputError: the file cannot be written.
    """
    metadata = {"format": "ms", _RECORD: record, _CRC: str(_checksum(arrays, record))}
    with whole_file(path) as part:
        write_safetensors_file(part, arrays, metadata)


def read_arrays(path: Path) -> tuple[Arrays, Record | None]:
    """Read a `.ckpt` or `.safetensors` of this package or of another program.

    Returns:
        The arrays by name, in the file's order, and the record, None where the file has none.

    Raises:
        CheckpointError: absent, damaged, cut short, of another form.
    """
    require_regular_file(path)
    read = {".ckpt": _read_ckpt, ".safetensors": read_safetensors}.get(path.suffix)
    if read is None:
        raise CheckpointError(f"{path}: weights are kept as one of {', '.join(SUFFIXES)}")
    try:
        arrays, text = read(path)
        return arrays, None if text is None else Record.from_json(text)
    except MemoryError as error:
        raise CheckpointError(f"{path}: does not fit into memory") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: damaged, cut short or of another form ({_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0]
    return line[:_LINE_AT_MOST] or type(error).__name__


def _read_ckpt(path: Path) -> tuple[Arrays, str | None]:
    entries, summed = read_minds_ckpt(path)
    text = entries.pop(_RECORD, None)
    if text is not None and not (summed and isinstance(text, str)):
        raise ValueError("its record has no checksum")
    return {n: value for n, value in entries.items() if not isinstance(value, str)}, text


def read_safetensors(path: Path) -> tuple[Arrays, str | None]:
    """The arrays and the text of `write_safetensors`; None for a file of another program.

    Raises:
        OSError, ValueError: damaged, cut short, of another form.
    """
    arrays, metadata = read_safetensors_file(path)
    text = metadata.get(_RECORD)
    if text is not None and metadata.get(_CRC) != str(_checksum(arrays, text)):
        raise ValueError("its checksum is wrong")
    return arrays, text


def _checksum(arrays: Mapping[str, NDArray[Any]], text: str) -> int:
    crc = binascii.crc32(text.encode())
    for name in sorted(arrays):
        head = f"{name} {arrays[name].dtype} {arrays[name].shape}"
        crc = binascii.crc32(arrays[name].tobytes(), binascii.crc32(head.encode(), crc))
    return crc


def require_size(config: NetworkConfig, arrays: Arrays, source: object) -> None:
    """Raise CheckpointError where a network would take many times what its file holds.

    What differs by less is told by its names once the network is built.
    """
    held = sum(array.size for array in arrays.values())
    if (config.numbers or 0) > _MOST_OF_A_FILE * held + _SMALL:
        raise CheckpointError(
            f"{source}: not the weights of this network: its record asks for one of "
            f"{config.numbers:,} numbers, and the file holds {held:,}"
        )


def load_arrays(network: nn.Cell, arrays: Arrays, source: object, only: str = "") -> None:
    """Put arrays into a network; `only` restricts both sides to names with that prefix.

    Numbers in half precision become float32, which holds each of them exactly.

    Raises:
        CheckpointError: a name or shape does not match, or MindSpore did not take one.
    """
    expected = {name: shape for name, shape in shapes_of(network).items() if name.startswith(only)}
    chosen = {name: _widened(a) for name, a in arrays.items() if name.startswith(only)}
    require_match(expected, {name: array.shape for name, array in chosen.items()}, source)
    parameters = {name: ms.Parameter(ms.Tensor(array), name=name) for name, array in chosen.items()}
    # Given the whole network, MindSpore warns of every parameter that stays as it is.
    part = network.get_sub_cell(only.rstrip(".")) if only else network
    not_filled, not_used = ms.load_param_into_net(part, parameters, strict_load=True)
    left = [name for name in (*not_filled, *not_used) if name.startswith(only)]
    if left:
        raise CheckpointError(f"{source}: MindSpore did not load {len(left)}: {_first(left)}")


def _widened(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def save_network(
    path: str | Path, network: nn.Cell, config: NetworkConfig, degradation: str | None = None
) -> None:
    """Write a network's weights and its config, whole or not at all; `load_network` reads them.

    Args:
        path: ends in .safetensors or .ckpt.
        network: as `rvrt.models.build_network` made it of `config`.
        config: recorded in the file.
        degradation: recorded too, see `Record`.

    Raises:
        CheckpointError: another suffix.
        OutputError: the file cannot be written.
    """
    arrays = {parameter.name: parameter.asnumpy() for parameter in network.get_parameters()}
    save_weights(Path(path), arrays, Record(config, "rvrt", degradation=degradation))


def load_network(
    path: str | Path, execution: Execution | None = None
) -> tuple[nn.Cell, NetworkConfig]:
    """The network that a weights file of this package describes, filled with its weights.

    Args:
        path: a file, or "rvrt-small", which comes with the package.
        execution: how it runs; None: as suits the device in use, for restoring. A network to be
            put into a graph of one's own (ms.jit) takes `Execution()`.

    Raises:
        CheckpointError: as `read_arrays` and `load_arrays`, or the file was not made here.
    """
    network, record = load_recorded(path, execution)
    return network, record.config


def load_recorded(path: str | Path, execution: Execution | None = None) -> tuple[nn.Cell, Record]:
    """As `load_network`, with all that the file says of itself."""
    path = weights_path(path)
    if path.suffix in (".pth", ".pt"):
        raise CheckpointError(
            f"{path}: PyTorch's form; convert it first: rvrt-convert {path} "
            f"{path.with_suffix('.safetensors')}"
        )
    arrays, record = read_arrays(path)
    if record is None:
        raise CheckpointError(
            f"{path}: has no record of its config, so this package did not write it; convert it "
            f"first: rvrt-convert {path} NEW.safetensors"
        )
    if record.part != "network":
        raise CheckpointError(f"{path}: holds {record.part} alone, not a whole network")
    require_size(record.config, arrays, path)
    how = execution or device.execution(ms.get_context("device_target"))
    network = build_network(record.config, how)
    load_arrays(network, arrays, path)
    return network, record


def load_spynet(network: nn.Cell, path: Path) -> None:
    """Fill the optical flow of an RVRT from SpyNet's or a whole RVRT's converted weights.

    Raises:
        CheckpointError: as `read_arrays` and `load_arrays`.
    """
    arrays, _ = read_arrays(path)
    load_arrays(network, arrays, path, only=RVRTConfig.flow_prefix)
