"""PyTorch's files of weights, read and written without PyTorch.

Both forms are read: the zip archive that `torch.save` writes since 1.6, and the sequence of pickles
that it wrote before. Sizes are compared with what the file has before memory is taken for them.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import CheckpointError
from rvrt.weights.limits import MAX_TENSORS, require_regular_file, shown
from rvrt.weights.torch_unpickler import (
    MAX_PICKLE,
    STORAGE_DTYPES,
    RefusedGlobalError,
    Resolver,
    Storage,
    Unpickler,
)

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LEGACY_START = b"\x80\x02\x8a\x0a" + _LEGACY_MAGIC.to_bytes(10, "little")
_STORAGE_KINDS = {
    dtype: kind for kind, dtype in STORAGE_DTYPES.items() if kind != "BFloat16Storage"
}
# Tensors can share a storage, and bfloat16 is given as float32; more is made to fill memory.
_MOST_OF_A_FILE = 4
_LOCAL_HEADER = 30  # bytes before the name, in a zip archive
_ENCRYPTED = 0x41  # flags of an entry: with a password, or strongly

# What a damaged stream makes the unpickler, the archive reader or our own checks raise.
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    MemoryError,
    NotImplementedError,
    RecursionError,
)


def read_torch_file(path: Path) -> Any:
    """Read a PyTorch file of weights, in either form, on any machine without PyTorch.

    Returns what was saved: dicts, lists, tuples, strings and numbers as they are, tensors as
    contiguous arrays of their own dtype (bfloat16 as float32). What was shared is shared.

    Raises:
        CheckpointError: the file is absent, damaged, cut short, no PyTorch file, made to fill
            memory, or its pickle asks for any other class or function, which is then named and
            not run.
    """
    require_regular_file(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_LEGACY_START))
            stream.seek(0)
            if zipfile.is_zipfile(stream):
                return _read_archive(stream, path.stat().st_size)
            if start == _LEGACY_START:
                stream.seek(0)
                return _read_legacy(_Bounded(stream, path.stat().st_size))
    except RefusedGlobalError as refused:
        raise CheckpointError(
            f"{path}: asks for '{refused}', which is neither a tensor nor a plain container; "
            "loading it could run foreign code, so it is refused. Where you trust the file, load "
            "it in PyTorch and save its state_dict alone"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    except _DAMAGE as error:
        reason = shown(str(error).partition("\n")[0]) or type(error).__name__
        raise CheckpointError(f"{path}: damaged or cut short ({reason}); fetch it again") from error
    cut = start[:4] == b"PK\x03\x04"
    raise CheckpointError(
        f"{path}: {'cut short' if cut else 'not a PyTorch file'} ({path.stat().st_size} bytes); "
        "known are the zip form of PyTorch 1.6 and later and the pickles before it"
    )


def _read_archive(stream: BinaryIO, length: int) -> Any:
    with zipfile.ZipFile(stream) as archive:
        _require_plain_entries(archive.infolist(), length)
        roots = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise ValueError("a zip archive without exactly one data.pkl")
        root = roots[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            _require_little_endian(archive.read(f"{root}byteorder") == b"little")
        if archive.getinfo(roots[0]).file_size > MAX_PICKLE:
            raise ValueError(f"a data.pkl of more than {MAX_PICKLE} bytes")
        storages: dict[str, Storage] = {}
        content = Unpickler(io.BytesIO(archive.read(roots[0])), storages).load()
        for key, storage in storages.items():
            if storage.length != archive.getinfo(f"{root}data/{key}").file_size:
                raise ValueError(f"storage {shown(key)} of another size than its tensors say")
            storage.fill(archive.read(f"{root}data/{key}"))
    return Resolver(_MOST_OF_A_FILE * length).resolve(content)


def _require_plain_entries(entries: list[zipfile.ZipInfo], length: int) -> None:
    """Raise ValueError unless the entries lie one after the other, as they are, in the file."""
    if len(entries) > MAX_TENSORS or len({entry.filename for entry in entries}) < len(entries):
        raise ValueError(f"more than {MAX_TENSORS} records, or two of one name")
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise ValueError("encrypted records; write it again without a password")
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError("compressed records, which PyTorch does not write")
        if entry.header_offset < end:
            raise ValueError("records that overlap")
        end = entry.header_offset + _LOCAL_HEADER + len(entry.orig_filename) + entry.file_size
    if end > length:
        raise ValueError("a record that ends after the file")


class _Bounded:
    """A file that is never asked for more than it has, nor for a pickle that is too long."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream = stream
        self.length = length
        self._pickled = 0

    def read(self, count: int) -> bytes:
        self._count(count)
        return self._stream.read(count)

    def readline(self) -> bytes:
        line = self._stream.readline(MAX_PICKLE)
        self._count(len(line))
        return line

    def read_data(self, count: int) -> bytes:
        if count > self.length - self._stream.tell():
            raise EOFError(f"{count} bytes of numbers are missing")
        return self._stream.read(count)

    def _count(self, count: int) -> None:
        self._pickled += count
        if self._pickled > MAX_PICKLE:
            raise ValueError(f"pickles of more than {MAX_PICKLE} bytes")


def _read_legacy(stream: _Bounded) -> Any:
    def load(storages: dict[str, Storage]) -> Any:
        return Unpickler(cast(BinaryIO, stream), storages).load()

    magic, protocol, system = (load({}) for _ in range(3))
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
        raise ValueError("another protocol than that of PyTorch")
    _require_little_endian(system["little_endian"] is True)
    storages: dict[str, Storage] = {}
    content = load(storages)
    keys = load({})
    if not isinstance(keys, list) or any(type(key) is not str for key in keys):
        raise ValueError("a list of storages that is none")
    if len(keys) != len(storages) or set(keys) != set(storages):
        raise ValueError("a list of storages that does not match the tensors")
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack("<q", stream.read_data(8))
        if count != storage.count:
            raise ValueError(f"storage {key} of {count} numbers instead of {storage.count}")
        storage.fill(stream.read_data(storage.length))
    return Resolver(_MOST_OF_A_FILE * stream.length).resolve(content)


def _require_little_endian(is_little: bool) -> None:
    if not is_little:
        raise ValueError("written on a big-endian machine; save it on a common one")


def write_torch_file(path: Path, entry: str, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write `{entry: tensors}` as `torch.save` would, for `torch.load(weights_only=True)`.

    The same tensors give the same bytes. `tensors` keep their order; dtypes as PyTorch has them.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), _pickle_tensors(entry, tensors))
        archive.writestr(zipfile.ZipInfo("archive/byteorder"), b"little")
        for index, array in enumerate(tensors.values()):
            archive.writestr(zipfile.ZipInfo(f"archive/data/{index}"), array.tobytes())
        archive.writestr(zipfile.ZipInfo("archive/version"), b"3\n")


def _pickle_tensors(entry: str, tensors: Mapping[str, NDArray[Any]]) -> bytes:
    # By hand, since Python's pickler writes only globals that it can import.
    ordered_dict = b"ccollections\nOrderedDict\n)R"
    out = [b"\x80\x02}", _text(entry), ordered_dict, b"("]
    for index, (name, array) in enumerate(tensors.items()):
        strides = tuple(int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim))
        storage = f"ctorch\n{_STORAGE_KINDS[array.dtype]}\n".encode()
        out += [_text(name), b"ctorch._utils\n_rebuild_tensor_v2\n(("]
        out += [_text("storage"), storage, _text(str(index)), _text("cpu"), _number(array.size)]
        out += [b"tQ", _number(0), _numbers(array.shape), _numbers(strides), b"\x89", ordered_dict]
        out += [b"tR"]
    return b"".join([*out, b"us."])


def _text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_number, values)) + b"t"
