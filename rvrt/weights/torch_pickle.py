"""PyTorch's files of weights, read and written without PyTorch.

A `.pth` holds a pickle, and a pickle can run any code. The reader here admits tensors and plain
containers and refuses every other global by name. Both forms are read: the zip archive that
`torch.save` writes since 1.6, and the sequence of pickles that it wrote before.
"""

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rvrt.errors import CheckpointError

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LEGACY_START = b"\x80\x02\x8a\x0a" + _LEGACY_MAGIC.to_bytes(10, "little")

_STORAGE_DTYPES: dict[str, np.dtype[Any]] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype("<u2"),  # the upper half of a float32; NumPy has no such type
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("<i1"),
    "ByteStorage": np.dtype("<u1"),
    "BoolStorage": np.dtype("?"),
}
_STORAGE_KINDS = {
    dtype: kind for kind, dtype in _STORAGE_DTYPES.items() if kind != "BFloat16Storage"
}

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


@dataclass
class _Storage:
    """One block of numbers; the older form delivers the data after the tensors that point to it."""

    kind: str
    count: int
    data: NDArray[Any] | None = None

    def fill(self, raw: bytes) -> None:
        dtype = _STORAGE_DTYPES[self.kind]
        if len(raw) != self.count * dtype.itemsize:
            raise ValueError(f"{len(raw)} bytes for {self.count} numbers of a {self.kind}")
        self.data = np.frombuffer(raw, dtype)


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage, as the pickle describes it; sizes in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def to_array(self) -> NDArray[Any]:
        data = self.storage.data
        if data is None:
            raise ValueError("a tensor without data")
        if len(self.size) != len(self.stride) or min((self.offset, *self.size, *self.stride)) < 0:
            raise ValueError(f"a tensor of size {self.size} and stride {self.stride}")
        count = int(np.prod(self.size, dtype=object))
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        # Without these bounds as_strided would read foreign memory, or fill ours.
        if count and (last >= data.size or count > data.size):
            raise ValueError(f"a tensor of size {self.size} in a storage of {data.size} numbers")
        strides = [s * data.itemsize for s in self.stride]
        view = np.lib.stride_tricks.as_strided(data[self.offset :], self.size, strides)
        if self.storage.kind == "BFloat16Storage":
            return (view.astype(np.uint32) << 16).view(np.float32)
        return np.array(view, order="C")


def _rebuild_tensor(storage: _Storage, offset: int, size: Any, stride: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor of something that is no storage")
    return _Tensor(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _rebuild_parameter(data: _Tensor, *_: Any) -> _Tensor:
    return data


_ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): dict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
} | {("torch", kind): kind for kind in _STORAGE_DTYPES}


class _RefusedGlobalError(Exception):
    """The pickle asks for something that is neither a tensor nor a plain container."""


class _Unpickler(pickle._Unpickler):
    """Looks globals up in a table, and nowhere else.

    Python's own form of the unpickler: the one in C fills memory when a damaged stream asks for a
    memo of some billion places.
    """

    dispatch = dict(pickle._Unpickler.dispatch)  # noqa: RUF012
    for _opcode in (pickle.EXT1, pickle.EXT2, pickle.EXT4):
        del dispatch[_opcode[0]]

    def __init__(self, stream: BinaryIO, storages: dict[str, _Storage]):
        super().__init__(stream)
        self._storages = storages

    def _drop_state(self) -> None:
        # `torch.save` hangs a `_metadata` onto a state dict; nothing else here has a state.
        self.stack.pop()  # type: ignore[attr-defined]

    dispatch[pickle.BUILD[0]] = _drop_state  # type: ignore[assignment]

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise _RefusedGlobalError(f"{module}.{name}") from None

    def persistent_load(self, pid: Any) -> _Storage:
        tag, kind, key, _location, count, *view = pid
        if tag != "storage" or kind not in _STORAGE_DTYPES or not isinstance(count, int):
            raise pickle.UnpicklingError(f"a reference to {pid!r}")
        if any(part is not None for part in view):
            raise pickle.UnpicklingError("a view of a storage, as PyTorch wrote before 0.4")
        known = self._storages.setdefault(str(key), _Storage(kind, count))
        if (known.kind, known.count) != (kind, count):
            raise pickle.UnpicklingError(f"two descriptions of storage {key}")
        return known


def read_torch_file(path: Path) -> Any:
    """Read a PyTorch file of weights, in either form, on any machine without PyTorch.

    Returns what was saved: dicts, lists, tuples, strings and numbers as they are, tensors as
    contiguous arrays of their own dtype (bfloat16 as float32).

    Raises:
        CheckpointError: the file is absent, damaged, cut short, no PyTorch file, or its pickle
            asks for any other class or function, which is then named and not run.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_LEGACY_START))
            stream.seek(0)
            if zipfile.is_zipfile(stream):
                return _resolve(_read_archive(stream))
            if start == _LEGACY_START:
                stream.seek(0)
                return _resolve(_read_legacy(stream))
    except _RefusedGlobalError as refused:
        raise CheckpointError(
            f"{path}: asks for '{refused}', which is neither a tensor nor a plain container; "
            "loading it could run foreign code, so it is refused. Where you trust the file, load "
            "it in PyTorch and save its state_dict alone"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path}: damaged or cut short ({error or type(error).__name__}); fetch it again"
        ) from error
    cut = start[:4] == b"PK\x03\x04"
    raise CheckpointError(
        f"{path}: {'cut short' if cut else 'not a PyTorch file'} ({path.stat().st_size} bytes); "
        "known are the zip form of PyTorch 1.6 and later and the pickles before it"
    )


def _read_archive(stream: BinaryIO) -> Any:
    with zipfile.ZipFile(stream) as archive:
        roots = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise ValueError("a zip archive without exactly one data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("compressed records, which PyTorch does not write")
        root = roots[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            _require_little_endian(archive.read(f"{root}byteorder") == b"little")
        storages: dict[str, _Storage] = {}
        content = _Unpickler(io.BytesIO(archive.read(roots[0])), storages).load()
        for key, storage in storages.items():
            storage.fill(archive.read(f"{root}data/{key}"))
    return content


def _read_legacy(stream: BinaryIO) -> Any:
    magic, protocol, system = (_Unpickler(stream, {}).load() for _ in range(3))
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
        raise ValueError(f"protocol {protocol!r}")
    _require_little_endian(system["little_endian"])
    storages: dict[str, _Storage] = {}
    content = _Unpickler(stream, storages).load()
    keys = _Unpickler(stream, {}).load()
    if set(keys) != set(storages):
        raise ValueError("a list of storages that does not match the tensors")
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack("<q", stream.read(8))
        if count != storage.count:
            raise ValueError(f"storage {key} of {count} numbers instead of {storage.count}")
        storage.fill(stream.read(count * _STORAGE_DTYPES[storage.kind].itemsize))
    return content


def _require_little_endian(is_little: bool) -> None:
    if not is_little:
        raise ValueError("written on a big-endian machine; save it on a common one")


def _resolve(content: Any) -> Any:
    if isinstance(content, _Tensor):
        return content.to_array()
    if isinstance(content, dict):
        return {key: _resolve(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(map(_resolve, content))
    return content


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
