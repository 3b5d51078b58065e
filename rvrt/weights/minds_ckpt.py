"""MindSpore's `.ckpt`, read and written without MindSpore.

MindSpore's own loader copies the bytes of a tensor into memory of the size that its dims say,
without comparing the two: a file that is damaged or made up ends the process, or gives memory that
was never in it. This reader takes nothing before sizes agree.

The form, a protocol buffer (MindSpore's checkpoint.proto; numbers of fields in brackets):
Checkpoint: repeated Value [1]. Value: tag, a text [1]; TensorProto [2] or a hash table [3].
TensorProto: repeated int64 dims [1]; type, a text [2]; content, bytes [3]. A tensor of more than
512 MiB is cut into values that follow each other under one tag. A text is a "tensor" of type str in
UTF-32. A file may end with a checksum of all before it.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rvrt.weights.limits import MAX_DIMS, MAX_TENSORS, shown, widened_bfloat16

_DTYPES: dict[str, np.dtype[Any]] = {
    "Float16": np.dtype("<f2"),
    "Float32": np.dtype("<f4"),
    "Float64": np.dtype("<f8"),
    "BFloat16": np.dtype("<u2"),  # the upper half of a float32; NumPy has no such type
    "Bool": np.dtype("?"),
    **{f"Int{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"UInt{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
}
_TYPES = {dtype: name for name, dtype in _DTYPES.items() if name != "BFloat16"}
_TEXT = "str"
_TRAILER = b"crc_num"
_TRAILER_LENGTH = len(_TRAILER) + 10
_CIPHERS = (b"\xd8^:\x7f", b"\xd9^:\x7f", b"\xda^:\x7f")  # AES-GCM, AES-CBC, SM4-CBC
_OTHERS = {
    b"PK\x03\x04": "a zip archive; if PyTorch wrote it, its name should end in .pth",
    b"\x80\x02\x8a\x0a": "PyTorch's form; its name should end in .pth",
    b"\x1f\x8b": "compressed by gzip; unpack it first",
    b"BZh": "compressed by bzip2; unpack it first",
    b"\xfd7zXZ": "compressed by xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it first",
    b"<": "a web page or XML; fetch the file again",
}
_VARINT, _BYTES = 0, 2
_MOST_VARINT_BYTES = 10

Entries = dict[str, NDArray[Any] | str]


@dataclass
class _Entry:
    """What is known of one tensor, until its last piece was read."""

    tag: str
    kind: str
    dims: tuple[int, ...]
    pieces: list[memoryview] = field(default_factory=list)

    def value(self) -> NDArray[Any] | str:
        length = sum(map(len, self.pieces))
        if self.kind == _TEXT:
            return b"".join(self.pieces).decode("utf-32-le").rstrip("\0")
        dtype = _DTYPES[self.kind]
        dims = () if self.dims == (0,) and length else self.dims  # so older releases wrote a number
        if math.prod(dims) * dtype.itemsize != length:
            raise ValueError(
                f"{shown(self.tag)} holds {length} bytes, but its shape is {dims} of {self.kind}"
            )
        array = np.frombuffer(b"".join(self.pieces), dtype).reshape(dims)
        return widened_bfloat16(array) if self.kind == "BFloat16" else array


def read_minds_ckpt(path: Path) -> tuple[Entries, bool]:
    """Read a MindSpore checkpoint.

    Returns:
        Arrays (read-only, bfloat16 as float32) and texts by name, in the file's order; and whether
        the file has a checksum, which then is right.

    Raises:
        OSError: it cannot be read.
        ValueError: damaged, cut short, encrypted, or of another form.
    """
    raw = path.read_bytes()
    _require_plain(raw)
    summed = raw[-_TRAILER_LENGTH:].startswith(_TRAILER)
    content = memoryview(raw)[: -_TRAILER_LENGTH if summed else None]
    if summed and binascii.crc32(content) != int.from_bytes(raw[-10:], "big"):
        raise ValueError("its checksum is wrong")
    entries: Entries = {}
    for entry in _entries(content):
        if entry.tag in entries:
            raise ValueError(f"{shown(entry.tag)} is in it twice")
        if len(entries) == MAX_TENSORS:
            raise ValueError(f"it holds more than {MAX_TENSORS} tensors")
        entries[entry.tag] = entry.value()
    return entries, summed


def _require_plain(raw: bytes) -> None:
    if not raw:
        raise ValueError("it is empty")
    if raw.startswith(_CIPHERS):
        raise ValueError("it is encrypted; load it in MindSpore with its key and save it without")
    for start, what in _OTHERS.items():
        if raw.startswith(start):
            raise ValueError(f"it is {what}")


def _entries(content: memoryview) -> Iterator[_Entry]:
    current: _Entry | None = None
    for number, value in _fields(content):
        if number != 1 or not isinstance(value, memoryview):
            raise ValueError(f"field {number} in a checkpoint")
        entry = _entry(value)
        if current is not None and (current.tag, current.kind) == (entry.tag, entry.kind):
            current.pieces += entry.pieces
            current.dims = entry.dims
            continue
        if current is not None:
            yield current
        current = entry
    if current is not None:
        yield current


def _entry(message: memoryview) -> _Entry:
    """One Value."""
    parts = _single(message, {1: "tag", 2: "tensor", 3: "hash table"})
    if 3 in parts:
        raise ValueError("a hash table (MapParameter), which no network here has")
    if parts.keys() != {1, 2}:
        raise ValueError("a value without a name or a tensor")
    dims: list[int] = []
    rest: dict[int, memoryview] = {}
    for number, value in _fields(parts[2]):
        if number == 1:
            dims += [value] if isinstance(value, int) else list(_varints(value))
        elif number in (2, 3) and number not in rest and isinstance(value, memoryview):
            rest[number] = value
        else:
            raise ValueError(f"field {number} in a tensor")
        if len(dims) > MAX_DIMS:
            raise ValueError(f"a tensor of more than {MAX_DIMS} dimensions")
    if rest.keys() != {2, 3}:
        raise ValueError("a tensor without a type or content")
    tag, kind = str(parts[1], "utf-8"), str(rest[2], "utf-8")
    if max(dims, default=0) >= 2**63:
        raise ValueError(f"{shown(tag)} has a negative dimension")
    if kind != _TEXT and kind not in _DTYPES:
        raise ValueError(f"{shown(tag)} is of type {shown(kind)}; known are {', '.join(_DTYPES)}")
    return _Entry(tag, kind, tuple(dims), [rest[3]])


def _single(message: memoryview, names: Mapping[int, str]) -> dict[int, memoryview]:
    """Fields of a message in which each stands at most once and holds bytes."""
    parts: dict[int, memoryview] = {}
    for number, value in _fields(message):
        if number not in names or number in parts or not isinstance(value, memoryview):
            raise ValueError(f"field {number} in a value")
        parts[number] = value
    return parts


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and content of each field of a message of the protocol buffers' wire format."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == _VARINT:
            yield key >> 3, value
        elif key & 7 == _BYTES:
            if value > len(message) - at:
                raise ValueError(f"a field of {value} bytes where {len(message) - at} are left")
            yield key >> 3, message[at : at + value]
            at += value
        else:
            raise ValueError(f"a field of wire type {key & 7}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for count, byte in enumerate(message[at : at + _MOST_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, at + count + 1
    raise ValueError("a number that does not end")


def _varints(packed: memoryview) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def write_minds_ckpt(path: Path, entries: Mapping[str, NDArray[Any] | str]) -> None:
    """Write arrays and texts as `mindspore.save_checkpoint(crc_check=True)` does, byte for byte.

    Raises:
        OSError: the file cannot be written.
    """
    crc = 0
    with path.open("wb") as file:
        for tag, value in entries.items():
            tensor = _text_tensor(value) if isinstance(value, str) else _array_tensor(value)
            message = _packed(1, _packed(1, tag.encode()) + _packed(2, tensor))
            crc = binascii.crc32(message, crc)
            file.write(message)
        file.write(_TRAILER + crc.to_bytes(10, "big"))


def _text_tensor(text: str) -> bytes:
    return b"\x08\x00" + _packed(2, _TEXT.encode()) + _packed(3, (text or "\0").encode("utf-32-le"))


def _array_tensor(array: NDArray[Any]) -> bytes:
    dims = b"".join(b"\x08" + _as_varint(dim) for dim in array.shape)
    kind = _TYPES[array.dtype.newbyteorder("<")]
    return dims + _packed(2, kind.encode()) + _packed(3, array.astype(_DTYPES[kind]).tobytes())


def _packed(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
