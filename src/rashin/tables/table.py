"""The interface of an opened file of a table: the names of its columns, its parts, and its rows in chunks."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

__all__ = ["ANY", "BROKEN", "Chunk", "ColumnError", "Part", "Table", "Unreadable", "Uses"]

Unreadable: TypeAlias = "Mapping[int, str | bytes]"  # text that should be a number, and bytes that are not text, by row

# Errors of readers if a file does not have the format that its name says, or ends too early.
BROKEN = (
    ValueError,  # also the base of pyarrow's ArrowInvalid
    OSError,
    EOFError,
    KeyError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)


class ColumnError(ValueError):
    """A column has content that its role does not allow: a mistake of the caller, unlike a broken file."""


class Chunk(NamedTuple):
    """Some rows of a file; ``columns`` contains an Arrow or NumPy array for each requested name."""

    columns: dict[str, Any]
    first_row: int  # counted from 0 within the file
    rows: int
    unreadable: Mapping[str, Unreadable] = MappingProxyType({})  # by column
    keys: Mapping[str, Any] = MappingProxyType({})  # columns of groups and clusters, if they are read separately

    def since(self, row: int) -> Chunk:
        """The rows of the chunk from a row of the file."""
        start = row - self.first_row
        if start <= 0:
            return self
        texts = {
            name: {place - start: text for place, text in wrong.items() if place >= start}
            for name, wrong in self.unreadable.items()
        }
        columns, keys = ({name: column[start:] for name, column in some.items()} for some in (self.columns, self.keys))
        return Chunk(columns, row, self.rows - start, {name: wrong for name, wrong in texts.items() if wrong}, keys)


class Uses(NamedTuple):
    """The uses of columns, which decide the types of text."""

    numbers: frozenset[str] = frozenset()  # other text in them is a fault
    keys: frozenset[str] = frozenset()  # groups and clusters: their text is not converted
    values: frozenset[str] = frozenset()  # keys that are also a prediction, a target or a weight
    texts: frozenset[str] = frozenset()  # targets that are compared with names: their text is not converted
    looking: bool = False  # the rows will be read again later


ANY = Uses()


class Part(NamedTuple):
    """A part of a file: row groups or rows from ``start`` to ``stop``; None is the end."""

    start: int = 0
    stop: int | None = None
    first_row: int = 0
    rows: int | None = None  # None if unknown before reading


class Table(Protocol):
    """The interface of every format."""

    names: Sequence[str]
    malformed: Counter[str]  # malformed lines found so far, by reason

    def parts(self, names: Sequence[str]) -> list[Part]:
        """The file in parts of some hundred megabytes, if its format allows reading from the middle."""

    def list_length(self, name: str) -> int | None:
        """The length of the lists in a column, from its type or its first list; None if there are no lists."""

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        """The rows of a part in order, at most ``rows`` at a time."""
