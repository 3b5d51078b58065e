"""Reading ``data.mdb`` page by page and within its bounds, whatever is in the file.

The lmdb library maps the file into memory and trusts it: of a database that was cut short, or of
which a byte is wrong, a read may end the process. Here the worst is an error. The format is that of
LMDB 0.9 on 64-bit little-endian machines: pages of a B+ tree, its root named by the newer of the
two meta pages at the start.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vimeo_tools.errors import LmdbError

_MAGIC, _VERSION = 0xBEEFC0DE, 1
# Page header, then: magic, version, address, map size; free and main tree; last page, transaction.
_META = struct.Struct("<16x IIQQ IHH5Q IHH5Q QQ")
_PAGE = struct.Struct("<QHHHH")  # its own number, padding, flags, end of pointers, start of nodes
_NODE = struct.Struct("<HHHH")  # two halves of a number, flags, length of the key
_BRANCH, _LEAF, _OVERFLOW = 0x01, 0x02, 0x04
_BIG, _OTHER_KINDS = 0x01, 0x06  # of a value: on pages of its own; a sub-database or duplicates
_NO_ROOT = 2**64 - 1
_PAGE_SIZES = tuple(2**power for power in range(9, 16))
_DEEPEST = 32
_LARGEST_VALUE = 2**28
_BRANCHES_KEPT = 4096


class _Tree(NamedTuple):
    depth: int
    root: int


class LmdbFile:
    """A database as it was when this was opened; may be used by threads and after a fork.

    Args:
        path: of ``data.mdb``.

    Raises:
        LmdbError: it is no such database, or is cut short.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._branches: dict[int, bytes] = {}
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise LmdbError(f"{path}: cannot be opened: {error.strerror}") from None
        status = os.fstat(self._file)
        self._bytes = status.st_size
        if not stat.S_ISREG(status.st_mode):
            raise self._error("is no regular file")
        self._read_meta()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None.

        Raises:
            LmdbError: the database is damaged on the way there.
        """
        found = self._find(key)
        return None if found is None else self._value(*found)

    def length(self, key: bytes) -> int | None:
        """How many bytes the value of a key has, which is not read; None where there is none.

        Raises:
            LmdbError: as `get`.
        """
        found = self._find(key)
        if found is None:
            return None
        low, high, *_ = self._node(*found)[0]
        return low | high << 16

    def _find(self, key: bytes) -> tuple[bytes, int] | None:
        """The leaf and the place in it of a key."""
        if self._main.root == _NO_ROOT:
            return None
        page = self._page(self._main.root)
        for _ in range(self._main.depth - 1):
            place = self._first_above(page, key, start=1) - 1
            page = self._page(self._child(page, place))
        self._check_kind(page, _LEAF)
        place = self._first_above(page, key, start=0) - 1
        if place < 0 or self._node(page, place)[1] != key:
            return None
        return page, place

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value), by key.

        Raises:
            LmdbError: the database is damaged.
        """
        last = b""
        for page in self._leaves(self._main):
            for place in range(_count(page)):
                key = self._node(page, place)[1]
                if key <= last:
                    raise self._error("is damaged: its keys are out of order")
                last = key
                yield key, self._value(page, place)

    def check_free_pages(self) -> None:
        """Raise a LmdbError if the tree of pages to be used again is damaged."""
        for page in self._leaves(self._free):
            for place in range(_count(page)):
                self._value(page, place)

    def _leaves(self, tree: _Tree) -> Iterator[bytes]:
        seen = 0
        below = [(tree.root, tree.depth)] if tree.root != _NO_ROOT else []
        while below:
            number, depth = below.pop()
            page = self._page(number)
            seen += 1
            if seen > self._pages:
                raise self._error("is damaged: its pages form a ring")
            self._check_kind(page, _LEAF if depth == 1 else _BRANCH)
            if depth == 1:
                yield page
            else:
                children = [self._child(page, place) for place in range(_count(page))]
                below += [(child, depth - 1) for child in reversed(children)]

    def _read_meta(self) -> None:
        first = self._unpack_meta(0)
        self._page_size = first[4]  # its place in the free tree is used for this
        if self._page_size not in _PAGE_SIZES:
            raise self._error(f"is damaged: pages of {self._page_size} bytes")
        newest = max(first, self._unpack_meta(self._page_size), key=lambda meta: meta[-1])
        free, main, (last_page, _) = newest[4:12], newest[12:20], newest[20:]
        self._free, self._main = (_Tree(tree[2], tree[7]) for tree in (free, main))
        if main[1] or max(self._free.depth, self._main.depth) > _DEEPEST:
            raise self._error("is damaged, or not a plain table of keys and values")
        self._pages = self._bytes // self._page_size
        if last_page >= self._pages:
            # The last pages may be unused, and then need not be there.
            try:
                for _ in self.items():
                    pass
            except LmdbError:
                wanted = (last_page + 1) * self._page_size
                raise self._error(
                    f"is cut short: {self._bytes:,} of {wanted:,} bytes; copy or make it again"
                ) from None

    def _unpack_meta(self, start: int) -> tuple[int, ...]:
        data = self._read(start, _META.size)
        meta = _META.unpack(data)
        if meta[0] != _MAGIC or meta[1] != _VERSION:
            raise self._error("is not a database of LMDB 0.9, or is damaged")
        return meta

    def _read(self, start: int, length: int) -> bytes:
        if start + length > self._bytes:
            raise self._error(f"is cut short or damaged: it ends after {self._bytes:,} bytes")
        try:
            data = os.pread(self._file, length, start)
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror}") from None
        if len(data) != length:  # it became shorter since
            raise self._error("was cut short while it was read")
        return data

    def _page(self, number: int) -> bytes:
        """A branch or leaf page whose pointers lie within it."""
        if number in self._branches:
            return self._branches[number]
        data = self._read(number * self._page_size, self._page_size)
        own, _, flags, lower, upper = _PAGE.unpack_from(data)
        if own != number or not _PAGE.size <= lower <= upper <= self._page_size or lower % 2:
            raise self._error(f"is damaged: page {number}")
        if flags & _BRANCH and len(self._branches) < _BRANCHES_KEPT:
            if not _count(data):
                raise self._error(f"is damaged: page {number} leads nowhere")
            self._branches[number] = data
        return data

    def _check_kind(self, page: bytes, kind: int) -> None:
        number, _, flags, *_ = _PAGE.unpack_from(page)
        if flags & ~0x10 != kind:  # 0x10: not yet written, of no meaning in a file
            raise self._error(f"is damaged: page {number} is of another kind")

    def _node(self, page: bytes, place: int) -> tuple[tuple[int, ...], bytes, int]:
        """(header, key, where its data begin) of a node."""
        (start,) = struct.unpack_from("<H", page, _PAGE.size + 2 * place)
        if start + _NODE.size <= len(page):
            header = _NODE.unpack_from(page, start)
            end = start + _NODE.size + header[3]
            if end <= len(page):
                return header, page[start + _NODE.size : end], end
        raise self._error("is damaged: a record lies outside its page")

    def _first_above(self, page: bytes, key: bytes, start: int) -> int:
        """The place of the first node from ``start`` on whose key is greater."""
        low, high = start, _count(page)
        while low < high:
            middle = (low + high) // 2
            if self._node(page, middle)[1] <= key:
                low = middle + 1
            else:
                high = middle
        return low

    def _child(self, page: bytes, place: int) -> int:
        self._check_kind(page, _BRANCH)
        (low, high, highest, _), _, _ = self._node(page, place)
        return low | high << 16 | highest << 32

    def _value(self, page: bytes, place: int) -> bytes:
        (low, high, flags, _), key, start = self._node(page, place)
        length = low | high << 16
        if flags & _OTHER_KINDS or length > _LARGEST_VALUE:
            raise self._error(f"is damaged: record {key!r} is no picture")
        if not flags & _BIG:
            if start + length > len(page):
                raise self._error(f"is damaged: record {key!r} lies outside its page")
            return page[start : start + length]
        if start + 8 > len(page):
            raise self._error(f"is damaged: record {key!r} lies outside its page")
        (number,) = struct.unpack_from("<Q", page, start)
        data = self._read(number * self._page_size, _PAGE.size + length)
        own, _, kind, low, high = _PAGE.unpack_from(data)
        if own != number or kind != _OVERFLOW or (low | high << 16) * self._page_size < len(data):
            raise self._error(f"is damaged: record {key!r} does not lie where it should")
        return data[_PAGE.size :]

    def _error(self, problem: str) -> LmdbError:
        return LmdbError(f"{self._path}: {problem}")


def _count(page: bytes) -> int:
    """Nodes of a page."""
    (lower,) = struct.unpack_from("<H", page, 12)
    return (int(lower) - _PAGE.size) // 2
