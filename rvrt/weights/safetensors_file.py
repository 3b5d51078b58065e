"""`.safetensors`, read and written: a header in JSON, then the numbers.

The form: eight bytes with the length of the header, the header, the data. The header has for each
name a dtype, a shape, and where its bytes begin and end in the data; and under `__metadata__` texts
by name. The bytes of all tensors follow each other without gaps and end with the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rvrt.weights.limits import MAX_DIMS, MAX_TENSORS, shown, widened_bfloat16

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # the upper half of a float32; NumPy has no such type
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("<i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("<u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items() if name != "BF16"}
_METADATA = "__metadata__"
_MAX_HEADER = 8 << 20  # bytes; RVRT's has 60 kB
_ALIGNMENT = 8

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Entry:
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def read_safetensors_file(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Read arrays (bfloat16 as float32), in the order of their bytes, and the file's texts.

    Raises:
        OSError: it cannot be read.
        ValueError: damaged, cut short, of another form, or of a dtype that NumPy does not have.
    """
    with path.open("rb") as file:
        length = path.stat().st_size
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= min(length - 8, _MAX_HEADER):
            raise ValueError(f"a header of {size} bytes in a file of {length}")
        header = _parsed(file.read(size))
        metadata = header.pop(_METADATA, {})
        if not _is_texts(metadata):
            raise ValueError(f"{_METADATA} holds something else than texts")
        entries = sorted(
            (_entry(name, value) for name, value in header.items()), key=lambda e: (e.start, e.stop)
        )
        _require_no_gaps(entries, length - 8 - size)
        return {entry.name: _read_array(file, entry) for entry in entries}, metadata


def _read_array(file: Any, entry: _Entry) -> NDArray[Any]:
    array: NDArray[Any] = np.fromfile(file, _DTYPES[entry.dtype], math.prod(entry.shape))
    array = array.reshape(entry.shape)
    return widened_bfloat16(array) if entry.dtype == "BF16" else array


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("a header that is nested without end") from None
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise ValueError(f"a header that is no object, or has more than {MAX_TENSORS} names")
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a header with one name twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} in a header")


def _is_texts(metadata: Any) -> bool:
    return isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values())


def _entry(name: str, value: Any) -> _Entry:
    """One tensor's, checked by itself."""
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{shown(name)} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        what = shown(dtype) if isinstance(dtype, str) else "no text"
        raise ValueError(
            f"{shown(name)} is of dtype {what}; known are {', '.join(_DTYPES)}: convert it first"
        )
    if not _is_sizes(shape) or not _is_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"{shown(name)} has no shape and place of whole numbers")
    if math.prod(shape) * _DTYPES[dtype].itemsize != offsets[1] - offsets[0]:
        raise ValueError(
            f"{shown(name)} has {offsets[1] - offsets[0]} bytes for the shape {shape} of {dtype}"
        )
    return _Entry(name, dtype, tuple(shape), *offsets)


def _is_sizes(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= MAX_DIMS
        and all(type(value) is int and 0 <= value < 2**63 for value in values)
    )


def _require_no_gaps(entries: list[_Entry], length: int) -> None:
    end = 0
    for entry in entries:
        if entry.start != end:
            raise ValueError(f"{shown(entry.name)} does not begin where the one before it ends")
        end = entry.stop
    if end != length:
        raise ValueError(f"{length} bytes of numbers instead of {end}")


def write_safetensors_file(
    path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]
) -> None:
    """Write arrays and texts; the same ones give the same bytes.

    Raises:
        OSError: the file cannot be written.
    """
    # The widest numbers first: so all of them lie on multiples of their size.
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))}
    end = 0
    for name in order:
        array = arrays[name]
        header[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            file.write(np.asarray(arrays[name], _DTYPES[header[name]["dtype"]], order="C").data)
