"""Looking into a table: its columns' names, and what stands in a column at some rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from rashin.measurement.measurement import Row
from rashin.tables.opening import open_table
from rashin.tables.sources import File, Source, find_files

__all__ = ["column_names", "values_at"]

_ROWS = 1 << 12


def column_names(source: Source, storage_options: Mapping[str, Any] | None = None) -> tuple[str, list[str]]:
    """The first file of a source, and the names of its columns."""
    file = find_files(source, storage_options)[0]
    with ExitStack() as stack:
        table = open_table(file, stack)
        return file.path, list(table.names)


def values_at(
    source: Source, column: str, rows: Iterable[Row], storage_options: Mapping[str, Any] | None = None
) -> dict[tuple[str, int], Any]:
    """What a column holds at some rows, by their file and number: a number, or an array for a list.

    Raises
    ------
    ValueError : a file has no such column.
    """
    wanted: dict[str, set[int]] = {}
    for row in rows:
        wanted.setdefault(row.source, set()).add(row.row)
    files = (file for file in find_files(source, storage_options) if file.path in wanted)
    return {place: value for file in files for place, value in _values(file, column, wanted[file.path]).items()}


def _values(file: File, column: str, rows: set[int]) -> dict[tuple[str, int], Any]:
    found: dict[tuple[str, int], Any] = {}
    with ExitStack() as stack:
        table = open_table(file, stack)
        if column not in table.names:
            raise ValueError(f"{file.path} has no column {column!r}; its columns are {', '.join(table.names[:8])}")
        for part in table.parts([column]):
            if part.rows is not None and not rows & set(range(part.first_row, part.first_row + part.rows)):
                continue
            for chunk in table.chunks([column], part, _ROWS):
                for row in rows & set(range(chunk.first_row, chunk.first_row + chunk.rows)):
                    found[file.path, row] = _plain(chunk.columns[column][row - chunk.first_row])
    return found


def _plain(value: Any) -> Any:
    return np.asarray(value.as_py() if hasattr(value, "as_py") else value)
