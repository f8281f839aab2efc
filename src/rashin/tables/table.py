"""What an opened file of a table gives: its columns' names, the parts it falls into, and its rows, some at a time."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

__all__ = ["ANY", "BROKEN", "BreakError", "Chunk", "ColumnError", "Part", "Table", "Unreadable", "Uses"]

Unreadable: TypeAlias = "Mapping[int, str | bytes]"  # text that should be a number, and bytes that are no text, by row

# What readers raise where a file is not what its name says, or ends too early.
BROKEN = (
    ValueError,  # pyarrow's ArrowInvalid is one
    OSError,
    EOFError,
    KeyError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)


class BreakError(ValueError):
    """A file cannot be read on from a row."""

    def __init__(self, row: int, words: str) -> None:
        super().__init__(row, words)  # what a copy is made with
        self.row, self.words = row, words

    def __str__(self) -> str:
        return self.words


class ColumnError(ValueError):
    """A column holds what cannot be meant: the caller's mistake, where a broken file is not."""


class Chunk(NamedTuple):
    """Some rows of a file: ``columns`` holds an Arrow or NumPy array for each name that was asked for."""

    columns: dict[str, Any]
    first_row: int  # counted from 0 within the file
    rows: int
    unreadable: Mapping[str, Unreadable] = MappingProxyType({})  # by column
    keys: Mapping[str, Any] = MappingProxyType({})  # columns of groups and clusters, where they are read apart

    def since(self, row: int) -> Chunk:
        """What there is of it from a row of the file on."""
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
    """What columns are for, where text has to be given a type."""

    numbers: frozenset[str] = frozenset()  # text in them is no value
    keys: frozenset[str] = frozenset()  # groups and clusters: they stay the text that they are
    values: frozenset[str] = frozenset()  # keys that are a prediction, a target or a weight as well
    texts: frozenset[str] = frozenset()  # targets that are compared with names: they stay the text that they are
    looking: bool = False  # the rows are read once more, later


ANY = Uses()


class Part(NamedTuple):
    """Some of a file: row groups or rows from ``start`` to ``stop``; None is to the end."""

    start: int = 0
    stop: int | None = None
    first_row: int = 0
    rows: int | None = None  # None where only reading would tell


class Table(Protocol):
    """What there is for each format."""

    names: Sequence[str]
    malformed: Counter[str]  # lines that are no rows, found so far

    def parts(self, names: Sequence[str]) -> list[Part]:
        """The file in parts of some hundred megabytes, where its format allows to begin in the middle."""

    def list_length(self, name: str) -> int | None:
        """How long the lists in a column are, by its type or by the first that is one; None where none is found."""

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        """The rows of a part, in order, no more than ``rows`` at a time."""
