"""Look-ups in a table: the names of its columns, and the values of a column at some rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Literal

import numpy as np

from rashin.measurement.measurement import Row
from rashin.tables.columns import no_column
from rashin.tables.dialect import PLAIN, Dialect
from rashin.tables.opening import BrokenFileError, open_table, reading
from rashin.tables.sources import File, Source, find_files
from rashin.tables.table import Part, Table

__all__ = ["check_column", "column_names", "values_at"]

_ROWS = 1 << 12


def column_names(
    source: Source,
    storage_options: Mapping[str, Any] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    dialect: Dialect = PLAIN,
) -> tuple[str, list[str]]:
    """The first file of a source, and the names of its columns; with ``"skip"``, the first file that can be opened.

    Raises
    ------
    BrokenFileError : no file can be opened, or the first is broken and is not to be skipped.
    """
    broken: BrokenFileError | None = None
    for file in find_files(source, storage_options, dialect):
        try:
            with ExitStack() as stack:
                return file.path, list(open_table(file, stack, on_error == "skip").names)
        except BrokenFileError as error:
            broken = broken or error
            if on_error == "raise":
                break
    assert broken is not None  # there is at least one file
    raise broken


def check_column(
    source: Source,
    column: str,
    storage_options: Mapping[str, Any] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    dialect: Dialect = PLAIN,
) -> None:
    """Raise unless every file has a column; with ``"skip"``, files that cannot be opened are not checked.

    Raises
    ------
    ValueError : a file has no such column.
    """
    for file in find_files(source, storage_options, dialect):
        skip, names = on_error == "skip", None
        with suppress(*(BrokenFileError,) if skip else ()), ExitStack() as stack:
            names = list(open_table(file, stack, skip).names)
        if names is not None:
            _check(file, column, names)


def values_at(
    source: Source,
    column: str | Sequence[str],
    rows: Iterable[Row],
    storage_options: Mapping[str, Any] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    dialect: Dialect = PLAIN,
) -> dict[tuple[str, int], Any]:
    """The values of a column at some rows, by file and row number: a number, or an array for a list.

    Parameters
    ----------
    column : name of a column; for a list of names, the values of a row are one array.
    on_error : option with which the rows were numbered: with ``"skip"``, lines with too few or too many fields are not
        numbered. Broken files and rows are then left out here as well.
    dialect : format of text files.

    Raises
    ------
    ValueError : a file has no such column.
    """
    wanted: dict[str, set[int]] = {}
    for row in rows:
        wanted.setdefault(row.source, set()).add(row.row)
    files = (file for file in find_files(source, storage_options, dialect) if file.path in wanted)
    return {place: value for file in files for place, value in _values(file, column, wanted[file.path], on_error)}


def _values(
    file: File, column: str | Sequence[str], rows: set[int], on_error: str
) -> Iterator[tuple[tuple[str, int], Any]]:
    skip, columns = on_error == "skip", [column] if isinstance(column, str) else list(column)
    with ExitStack() as stack:
        table = open_table(file, stack, skip)
        for name in columns:
            _check(file, name, table.names)
        for part in table.parts(columns):
            stop = part.first_row + part.rows if part.rows is not None else max(rows) + 1
            left = rows & set(range(part.first_row, stop))
            with suppress(*(BrokenFileError,) if skip else ()), reading(file, part.first_row):
                for row, values in _of_part(table, part, columns, left):
                    yield (file.path, row), values[0] if isinstance(column, str) else np.array(values)


def _of_part(table: Table, part: Part, columns: list[str], rows: set[int]) -> Iterator[tuple[int, list[Any]]]:
    """The values at some rows of a part, which is read up to the last of them."""
    if not rows:
        return
    for chunk in table.chunks(columns, part, _ROWS):
        stop = chunk.first_row + chunk.rows
        for row in rows & set(range(chunk.first_row, stop)):
            yield row, [_plain(chunk.columns[column][row - chunk.first_row]) for column in columns]
        if stop > max(rows):
            return


def _check(file: File, column: str, names: Sequence[str]) -> None:
    if column not in names:
        raise no_column(file.path, "column", column, names)


def _plain(value: Any) -> Any:
    return np.asarray(value.as_py() if hasattr(value, "as_py") else value)
