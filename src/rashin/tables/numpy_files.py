"""Tables in NumPy files: arrays by name (``.npz``), and one array with fields or numbered columns (``.npy``).

Nothing is unpickled. Uncompressed local files are memory-mapped; others are read as streams.
"""

from __future__ import annotations

import struct
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rashin.array_header import ArrayHeader, opened_member
from rashin.refusal import Refusal
from rashin.tables.sources import File
from rashin.tables.table import ANY, Chunk, Part, Uses

__all__ = ["ArchiveTable", "ArrayTable"]

Array = NDArray[Any]

_PART_BYTES = 1 << 28
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a member of an archive: the lengths of its name and of its extra field


class ArrayTable:
    """An ``.npy`` file: a structured array, or one of two dimensions whose columns are named "0", "1", ..."""

    def __init__(self, file: File, stack: ExitStack) -> None:
        self.stream: BinaryIO = stack.enter_context(file.open())
        self.header = ArrayHeader.read(self.stream, file.size)
        if self.header.dtype.names is None and len(self.header.shape) != 2:
            got = f"shape {self.header.shape} without fields"
            raise Refusal("array", got, "(rows, columns), or a structured array")
        self.names: Sequence[str] = self.header.dtype.names or [str(column) for column in range(self.header.shape[1])]
        self.malformed: Counter[str] = Counter()
        self.member = _Member(self.header, self.stream, file.path if file.is_local else None, self.stream.tell())

    def list_length(self, name: str) -> int | None:
        shape = self.header.dtype[name].shape if self.header.dtype.names else ()
        return int(shape[0]) if len(shape) == 1 else None

    def parts(self, names: Sequence[str]) -> list[Part]:
        return _row_parts(self.header.shape[0], self.header.dtype.itemsize * int(np.prod(self.header.shape[1:])))

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        row = part.first_row
        for array in self.member.blocks(part, rows):
            columns = {name: array[name] if array.dtype.names else array[:, int(name)] for name in names}
            yield Chunk(columns, row, len(array))
            row += len(array)


class ArchiveTable:
    """An ``.npz`` file: an array (rows,) or (rows, C) for each column."""

    def __init__(self, file: File, stack: ExitStack) -> None:
        self.file, self.stack = file, stack
        self.archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(file.open())))
        members = self.archive.infolist()
        self.names: Sequence[str] = [info.filename.removesuffix(".npy") for info in members]  # a name may occur twice
        self.infos = dict(zip(self.names, members, strict=True))
        self.malformed: Counter[str] = Counter()

    def list_length(self, name: str) -> int | None:
        shape = self._member(name).header.shape
        return shape[1] if len(shape) == 2 else None

    def parts(self, names: Sequence[str]) -> list[Part]:
        members = self._members(names)
        if not all(
            member.path for member in members.values()
        ):  # reading a compressed stream cannot start in the middle
            return [Part(rows=next(iter(members.values())).header.shape[0])]
        sizes = [member.header.dtype.itemsize * int(np.prod(member.header.shape[1:])) for member in members.values()]
        return _row_parts(next(iter(members.values())).header.shape[0], sum(sizes))

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        members = self._members(names)
        row = part.first_row
        for arrays in zip(*(member.blocks(part, rows) for member in members.values()), strict=True):
            yield Chunk(dict(zip(members, arrays, strict=True)), row, len(arrays[0]))
            row += len(arrays[0])

    def _members(self, names: Sequence[str]) -> dict[str, _Member]:
        members = {name: self._member(name) for name in names}
        lengths = {name: member.header.shape[0] for name, member in members.items()}
        if len(set(lengths.values())) > 1:
            raise Refusal("arrays", f"different lengths, {lengths}", "the same length of all")
        return members

    def _member(self, name: str) -> _Member:
        info = self.infos[name]
        stream, header = opened_member(self.archive, info, self.file.size)
        self.stack.enter_context(stream)
        if not header.shape or len(header.shape) > 2:
            raise Refusal(f"array {name!r}", f"shape {header.shape}", "(rows,) or (rows, columns)")
        is_plain = self.file.is_local and info.compress_type == zipfile.ZIP_STORED
        begins = self._begin(info) + stream.tell() if is_plain else 0
        return _Member(header, stream, self.file.path if is_plain else None, begins)

    def _begin(self, info: zipfile.ZipInfo) -> int:
        """The offset of a member's bytes in the archive."""
        with self.file.open() as file:
            file.seek(info.header_offset)
            name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        return info.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


@dataclass
class _Member:
    """An array in a file, after its header: memory-mapped if there is a ``path``, otherwise read from the stream."""

    header: ArrayHeader
    stream: Any
    path: str | None
    begins: int

    def blocks(self, part: Part, rows: int) -> Iterator[Array]:
        stop = self.header.shape[0] if part.stop is None else part.stop
        array = self._array() if self.path or self.header.is_fortran else None
        for start in range(part.start, stop, rows):
            size = min(rows, stop - start)
            yield self._next(size) if array is None else array[start : start + size]

    def _array(self) -> Array:
        shape, dtype = self.header.shape, self.header.dtype
        order: Any = "F" if self.header.is_fortran else "C"
        if self.path and np.prod(shape):
            return np.memmap(self.path, dtype, "r", self.begins, shape, order)
        return np.frombuffer(self._bytes(int(np.prod(shape))), dtype).reshape(shape, order=order)

    def _next(self, rows: int) -> Array:
        shape = (rows, *self.header.shape[1:])
        return np.frombuffer(self._bytes(int(np.prod(shape))), self.header.dtype).reshape(shape)

    def _bytes(self, numbers: int) -> bytes:
        wanted = numbers * self.header.dtype.itemsize
        found: bytes = self.stream.read(wanted)
        if len(found) < wanted:
            raise Refusal("numbers", f"{len(found)} bytes", f"{wanted}, as the header says")
        return found


def _row_parts(rows: int, row_bytes: int) -> list[Part]:
    step = max(1, _PART_BYTES // max(1, row_bytes))
    bounds = [(start, min(start + step, rows)) for start in range(0, max(1, rows), step)]
    return [Part(start, stop, start, stop - start) for start, stop in bounds]
