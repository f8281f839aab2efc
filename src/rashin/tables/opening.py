"""Opening the file of a table by its format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from rashin.refusal import Refusal
from rashin.tables.frames import Frame
from rashin.tables.keys import distinct
from rashin.tables.sources import File
from rashin.tables.table import ANY, BROKEN, Chunk, ColumnError, Part, Table, Uses

__all__ = ["BrokenFileError", "open_table", "reading"]


def open_table(file: File | Frame, stack: ExitStack, skip_malformed: bool = False) -> Table:
    """Open a file, which is closed when the ``stack`` is left.

    With ``skip_malformed`` lines of text with too few or too many fields are counted and left out.

    Raises
    ------
    ImportError : the file needs pyarrow, which is not installed.
    BrokenFileError : the file does not have the format that its name says.
    """
    if isinstance(file, Frame):
        return file.table
    with reading(file, 0):
        table = _table(file, stack, skip_malformed)
    return _KeyedTable(table, dict(file.keys), file.path) if file.keys else table


class BrokenFileError(ValueError):
    """A file does not have the format that its name says, or ends too early."""


@contextmanager
def reading(file: File | Frame, row: int) -> Iterator[None]:
    """Name the file and the row in errors of its reader; ``row`` is the next row.

    Raises
    ------
    BrokenFileError : the reader raised one of ``BROKEN``.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError, BrokenFileError, ColumnError):
        raise
    except Refusal as refusal:
        raise BrokenFileError(str(refusal.within(file.path))) from refusal
    except BROKEN as error:
        words = " ".join(str(error).split()) or type(error).__name__
        place = f"{file.path}, from row {row}" if row else file.path
        expected = f"a valid {file.format} file" if isinstance(file, File) else "rows"
        raise BrokenFileError(f"{place}: got content that cannot be read ({words}); expected {expected}") from error


class _KeyedTable:
    """A table with additional columns from the names of its folders; a column of the file itself must agree."""

    def __init__(self, table: Table, keys: dict[str, int | str | None], path: str) -> None:
        self.table, self.malformed, self.own = table, table.malformed, frozenset(table.names)
        self.folders, self.path = keys, path
        self.keys = {name: value for name, value in keys.items() if name not in self.own}
        self.names: Sequence[str] = [*table.names, *self.keys]

    def parts(self, names: Sequence[str]) -> list[Part]:
        return self.table.parts([name for name in names if name in self.own])

    def list_length(self, name: str) -> int | None:
        return self.table.list_length(name) if name in self.own else None

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        own = [name for name in names if name in self.own]
        given = [name for name in names if name in self.keys]
        for chunk in self.table.chunks(own, part, rows, uses):
            for name in self.folders.keys() & own:
                self._check(name, chunk)
            constant = {name: _constant(self.keys[name], chunk.rows) for name in given}
            yield chunk._replace(columns=chunk.columns | constant)

    def _check(self, name: str, chunk: Chunk) -> None:
        """Raise if a row does not agree with the folder."""
        wanted = self.folders[name]
        column = chunk.keys.get(name, chunk.columns[name])
        codes, keys = distinct(column) if isinstance(column, np.ndarray) else _distinct_in(column)
        wrong = np.array([str(key) != str(wanted) for key in keys], bool)[codes]
        if wrong.any():
            row = int(np.argmax(wrong))
            place = f"{self.path}, column {name!r}, row {chunk.first_row + row}"
            raise ColumnError(
                f"{place}: got {keys[codes[row]]}; expected {wanted}, as the folder says; fix: rename one of them"
            )


def _distinct_in(column: Any) -> Any:
    from rashin.tables.arrow import distinct as found

    return found(column)


def _constant(key: int | str | None, rows: int) -> Any:
    """A column with one key in all rows; NaN if it is missing."""
    return np.broadcast_to(np.array(np.nan if key is None else key), rows)


def _table(file: File, stack: ExitStack, skip_malformed: bool) -> Table:
    if file.format == "npz":
        from rashin.tables.numpy_files import ArchiveTable

        return ArchiveTable(file, stack)
    if file.format == "npy":
        from rashin.tables.numpy_files import ArrayTable

        return ArrayTable(file, stack)
    if file.format == "csv":
        from rashin.tables.delimited import DelimitedTable

        return DelimitedTable(file, skip_malformed)
    if file.format == "arrow":
        from rashin.tables.arrow import ArrowTable

        return ArrowTable(file, stack)
    from rashin.tables.parquet import ParquetTable

    return ParquetTable(file, stack)
