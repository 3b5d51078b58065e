"""The pickle inside PyTorch's files, read without running anything and within bounds.

A pickle can run any code, and a few bytes of one can ask for gigabytes or for hours. Admitted are
the globals of tensors and plain containers, and the operations that PyTorch's pickles are made of;
what an operation takes is counted before it is taken.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from rvrt.weights.limits import MAX_DIMS, MAX_TENSORS, shown, widened_bfloat16

MAX_PICKLE = 4 << 20  # bytes; each can become an object of a hundred. RVRT's has 0.1 MB
MAX_DEPTH = 100

STORAGE_DTYPES: dict[str, np.dtype[Any]] = {
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


class RefusedGlobalError(Exception):
    """The pickle asks for something that is neither a tensor nor a plain container."""


def _refuse(message: str) -> NoReturn:
    raise pickle.UnpicklingError(message)


@dataclass
class Storage:
    """One block of numbers; the older form delivers the data after the tensors that point to it."""

    kind: str
    count: int
    data: NDArray[Any] | None = None

    @property
    def length(self) -> int:
        """In bytes."""
        return self.count * STORAGE_DTYPES[self.kind].itemsize

    def fill(self, raw: bytes) -> None:
        """Give it its data."""
        if len(raw) != self.length:
            _refuse(f"{len(raw)} bytes for {self.count} numbers of a {self.kind}")
        self.data = np.frombuffer(raw, STORAGE_DTYPES[self.kind])


@dataclass(frozen=True)
class Tensor:
    """A view of a storage, as the pickle describes it; sizes in elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def length(self) -> int:
        """Of its own copy, in bytes."""
        return math.prod(self.size) * STORAGE_DTYPES[self.storage.kind].itemsize

    def to_array(self) -> NDArray[Any]:
        """A contiguous copy; bfloat16 as float32."""
        data = self.storage.data
        if data is None:
            _refuse("a tensor without data")
        count = math.prod(self.size)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        # Without these bounds as_strided would read foreign memory, or fill ours.
        if count and (last >= data.size or count > data.size):
            _refuse(f"a tensor of size {self.size} in a storage of {data.size} numbers")
        if not count:
            view = data[:0].reshape(self.size)
        else:
            strides = [s * data.itemsize for s in self.stride]
            view = np.lib.stride_tricks.as_strided(data[self.offset :], self.size, strides)
        bfloat16 = self.storage.kind == "BFloat16Storage"
        return widened_bfloat16(view) if bfloat16 else np.array(view, order="C")


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    if not isinstance(storage, Storage):
        _refuse("a tensor of something that is no storage")
    sizes, strides = _whole_numbers(size), _whole_numbers(stride)
    if len(sizes) != len(strides):
        _refuse(f"a tensor of size {sizes} and stride {strides}")
    (first,) = _whole_numbers((offset,))
    return Tensor(storage, first, sizes, strides)


def _whole_numbers(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or len(values) > MAX_DIMS:
        _refuse(f"a tensor of more than {MAX_DIMS} dimensions, or of none that can be read")
    if not all(type(value) is int and 0 <= value < 2**63 for value in values):
        _refuse("a size, stride or offset that is negative, too large or no whole number")
    return tuple(values)


def _rebuild_parameter(data: Any, *_: Any) -> Tensor:
    if not isinstance(data, Tensor):
        _refuse("a parameter that is no tensor")
    return data


def _size(values: Any = ()) -> tuple[int, ...]:
    return _whole_numbers(values)


def _require_key(key: Any) -> None:
    # The hash of nested tuples takes time without end, and no file of weights has such names.
    if type(key) not in (str, int):
        _refuse("a name that is neither text nor a whole number")


class _Operations(dict[int, Any]):
    """Those of Python's unpickler that PyTorch's pickles are made of."""

    def __missing__(self, code: int) -> NoReturn:
        _refuse(f"the operation {code:#04x}, which PyTorch does not write")


_ADMITTED_OPERATIONS = (
    b"\x80\x95.(012",  # PROTO FRAME STOP MARK POP POP_MARK DUP
    b"N\x88\x89IJKML\x8a\x8bFG",  # None, booleans and numbers
    b"VX\x8c\x8dTUBC\x8e",  # texts and bytes
    b"]lae})dsu)t\x85\x86\x87",  # lists, dicts, tuples
    b"cR\x93Qb",  # GLOBAL REDUCE STACK_GLOBAL BINPERSID BUILD
    b"ghjpqr\x94",  # the memo
)
_MOST_ARGUMENTS = 8


class Unpickler(pickle._Unpickler):
    """Reads one pickle of tensors and plain containers.

    Python's own form of the unpickler: the one in C fills memory when a damaged stream asks for a
    memo of some billion places.

    Args:
        stream: its reads give at most what is left of the file.
        storages: those of the file, by key; new ones are added.
    """

    dispatch = _Operations(
        {code: pickle._Unpickler.dispatch[code] for code in b"".join(_ADMITTED_OPERATIONS)}
    )

    def __init__(self, stream: BinaryIO, storages: dict[str, Storage]) -> None:
        super().__init__(stream, encoding="utf-8")
        self._storages = storages
        self._pairs = 0  # put into dicts out of lists, which a few bytes can ask for again
        self._globals: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): self._ordered_dict,
            ("torch", "Size"): _size,
            ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        } | {("torch", kind): kind for kind in STORAGE_DTYPES}

    def find_class(self, module: str, name: str) -> Any:
        """Out of a table, and from nowhere else."""
        try:
            return self._globals[module, name]
        except KeyError:
            raise RefusedGlobalError(shown(f"{module}.{name}")) from None

    def persistent_load(self, pid: Any) -> Storage:
        """A reference to a storage."""
        if type(pid) is not tuple or len(pid) not in (5, 6) or pid[0] != "storage":
            _refuse("a reference to something that is no storage")
        _, kind, key, _, count, *view = pid
        if not isinstance(kind, str) or kind not in STORAGE_DTYPES or type(key) not in (str, int):
            _refuse("a reference to a storage of no known kind")
        if type(count) is not int or not 0 <= count < 2**63:
            _refuse("a storage without a size")
        if view not in ([], [None]):
            _refuse("a view of a storage, as PyTorch wrote before 0.4")
        known = self._storages.setdefault(str(key), Storage(kind, count))
        if (known.kind, known.count) != (kind, count):
            _refuse(f"two descriptions of storage {shown(str(key))}")
        if len(self._storages) > MAX_TENSORS:
            _refuse(f"more than {MAX_TENSORS} storages")
        return known

    def _ordered_dict(self, pairs: Any = ()) -> dict[Any, Any]:
        # Python 2 wrote the content of an OrderedDict as a list of pairs.
        if not isinstance(pairs, list | tuple):
            _refuse("an OrderedDict of something that is no list")
        self._pairs += len(pairs)
        if self._pairs > MAX_PICKLE // 8:
            _refuse("lists that are repeated without end")
        content = {}
        for pair in pairs:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                _refuse("an OrderedDict of something that is no pair")
            _require_key(pair[0])
            content[pair[0]] = pair[1]
        return content

    # What follows replaces operations of Python's; `stack` is its working stack.
    stack: list[Any]

    def _drop_state(self) -> None:
        # `torch.save` hangs a `_metadata` onto a state dict; nothing else here has a state.
        self.stack.pop()

    def _call(self) -> None:
        arguments = self.stack.pop()
        called = self.stack.pop()
        if type(arguments) is not tuple or len(arguments) > _MOST_ARGUMENTS:
            _refuse("a call with other arguments than PyTorch gives")
        if not callable(called):  # what can be is out of the table above
            _refuse("a call of something that cannot be called")
        self.stack.append(called(*arguments))

    def _set_item(self) -> None:
        _require_key(self.stack[-2])
        pickle._Unpickler.load_setitem(self)  # type: ignore[attr-defined]

    def _set_items(self) -> None:
        for key in self.stack[::2]:
            _require_key(key)
        pickle._Unpickler.load_setitems(self)  # type: ignore[attr-defined]

    def _dict(self) -> None:
        for key in self.stack[::2]:
            _require_key(key)
        pickle._Unpickler.load_dict(self)  # type: ignore[attr-defined]

    for _code, _operation in (
        (pickle.BUILD, _drop_state),
        (pickle.REDUCE, _call),
        (pickle.SETITEM, _set_item),
        (pickle.SETITEMS, _set_items),
        (pickle.DICT, _dict),
    ):
        dispatch[_code[0]] = _operation


class Resolver:
    """Puts arrays in the place of tensors, and takes no more memory than the file can mean.

    Args:
        most: bytes that all arrays together may take.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._done: dict[int, Any] = {}

    def resolve(self, content: Any, depth: int = 0) -> Any:
        """The same dicts, lists and tuples, each once however often it is shared."""
        if not isinstance(content, dict | list | tuple | Tensor):
            return content
        if depth > MAX_DEPTH:
            _refuse(f"containers that are nested deeper than {MAX_DEPTH}, or within themselves")
        if id(content) not in self._done:
            self._done[id(content)] = self._resolved(content, depth)
        return self._done[id(content)]

    def _resolved(self, content: Any, depth: int) -> Any:
        if isinstance(content, Tensor):
            self._left -= content.length
            if self._left < 0:
                _refuse("tensors that share their numbers and would take many times the file")
            return content.to_array()
        if isinstance(content, dict):
            return {key: self.resolve(value, depth + 1) for key, value in content.items()}
        return type(content)(self._each(content, depth))

    def _each(self, content: list[Any] | tuple[Any, ...], depth: int) -> Iterator[Any]:
        return (self.resolve(value, depth + 1) for value in content)
