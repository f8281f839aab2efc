"""Tables in memory: data frames, Arrow tables and streams, and arrays by name.

Rows are matched by position; the labels of an index are ignored.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from weakref import WeakSet

import numpy as np

from rashin.tables.arrow import LISTS_READ, list_length, pyarrow, record_chunks
from rashin.tables.table import ANY, Chunk, ColumnError, Part, Table, Uses

__all__ = ["Frame", "frame_of", "is_a", "text_names"]


@dataclass(frozen=True)
class Frame:
    """A table in memory instead of a file.

    Parameters
    ----------
    table : columns and rows.
    path : name of the table in errors.
    """

    table: Table
    path: str


def frame_of(source: Any, path: str | None = None) -> Frame | None:
    """``source`` as a table in memory; None if it is something else, such as the name of a file.

    Raises
    ------
    TypeError : ``source`` is nearly such a table; the error says which step is missing.
    ValueError : two columns have the same name, or names have several levels.

    Examples
    --------
    >>> frame = frame_of({"p": [0.25, 0.5], "clicked": np.array([True, False])})
    >>> frame.path, frame.table.names
    ('the table', ['p', 'clicked'])
    """
    if isinstance(source, Frame):
        return source
    _refuse_what_is_close(source)
    known = "pandas" if is_a(source, "pandas", "DataFrame") else "polars" if is_a(source, "polars", "DataFrame") else ""
    path = path or ("the data frame" if known else "the table")
    table = _pandas(source, path) if known == "pandas" else _polars(source, path) if known else _other(source, path)
    return None if table is None else Frame(table, path)


def _pandas(source: Any, path: str) -> Table:
    labels = text_names(source.columns, path)
    return _ColumnsTable(labels, lambda name: source[labels[name]], path)


def _polars(source: Any, path: str) -> Table:
    return _ColumnsTable(text_names(source.columns, path), source.get_column, path)


def _other(source: Any, path: str) -> Table | None:
    if isinstance(source, Mapping):
        labels = text_names(source, path)
        return _ColumnsTable(labels, lambda name: source[labels[name]], path)
    if isinstance(source, np.ndarray):  # with fields; other arrays have been refused
        return _ColumnsTable(source.dtype.names or (), source.__getitem__, path)
    if is_a(source, "pyarrow", "Table") or is_a(source, "pyarrow", "RecordBatch"):
        return _ColumnsTable(text_names(source.schema.names, path), source.column, path)
    if is_a(source, "pyarrow", "RecordBatchReader"):
        _refuse_what_was_read(source)
    if hasattr(source, "__arrow_c_stream__"):
        return _StreamTable(pyarrow(path).RecordBatchReader.from_stream(source), path)
    return None


_read: WeakSet[Any] = WeakSet()  # readers, whose rows can be read only once


def _refuse_what_was_read(reader: Any) -> None:
    """Refuse a reader that was read before: its remaining rows would be taken for the whole table."""
    if reader in _read:
        raise ValueError(
            "source: got a RecordBatchReader that was used before; expected one with all its rows; fix: make a new "
            "reader, or read the rows into a table by reader.read_all() first"
        )
    _read.add(reader)


def _refuse_what_is_close(source: Any) -> None:
    package = type(source).__module__.partition(".")[0]
    fix = next((fix for kind, name, fix in _CLOSE if is_a(source, kind, name)), None)
    if isinstance(source, np.ndarray) and source.dtype.names is None:
        fix = "a dict of columns, such as {'p': array[:, 0], 'target': array[:, 1]}; rashin.measure takes arrays"
    if fix is not None:
        what = f"a {package} {type(source).__name__}"
        raise TypeError(f"source: got {what}; expected a table with the columns that are named; fix: {fix}")


_CLOSE = (  # package and class, and the step that makes a table of it
    ("polars", "LazyFrame", "frame.collect()"),
    ("polars", "Series", "series.to_frame(); rashin.measure takes a series"),
    ("pandas", "Series", "series.to_frame(); rashin.measure takes a series"),
    ("pyarrow", "Array", "pyarrow.table({'p': array}); rashin.measure takes arrays"),
    ("pyarrow", "ChunkedArray", "pyarrow.table({'p': array}); rashin.measure takes arrays"),
    ("pyarrow", "Dataset", "dataset.scanner(columns=[...]).to_reader(), or name its files"),
    ("pyarrow", "Scanner", "scanner.to_reader()"),
)


def is_a(source: Any, package: str, name: str) -> bool:
    """True for an object of a class of another package, which is not imported for this check."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(source).__mro__)


def text_names(labels: Iterable[Any], path: str) -> dict[str, Any]:
    """The labels of columns by their text; a column with the label 0 is named "0".

    Raises
    ------
    ValueError : two columns have the same name, or labels have several levels.
    """
    names: dict[str, Any] = {}
    for label in labels:
        if isinstance(label, tuple):
            raise ValueError(
                f"{path}: got the column name {label!r} of {len(label)} levels; expected names of one level; fix: "
                "frame.columns = frame.columns.map('_'.join)"
            )
        if str(label) in names:
            raise ValueError(f"{path}: got two columns named {str(label)!r}; expected one; fix: rename one of them")
        names[str(label)] = label
    return names


# ---------------------------------------------------------------------------------------------- columns that are there


class _ColumnsTable:
    """Complete columns by name; Arrow and NumPy share their memory if possible."""

    def __init__(self, names: Iterable[str], column: Callable[[str], Any], path: str) -> None:
        self.names: Sequence[str] = list(names)
        self.malformed: Counter[str] = Counter()
        self._column, self._path = column, path
        self._converted: dict[str, Any] = {}

    def parts(self, names: Sequence[str]) -> list[Part]:
        lengths = {name: len(self._of(name)) for name in names}
        first = next(iter(lengths))
        for name, length in lengths.items():
            if length != lengths[first]:
                expected = f"{lengths[first]}, as in column {first!r}"
                raise ColumnError(f"{self._path}, column {name!r}: got {length} rows; expected {expected}")
        return [Part(rows=lengths[first])]

    def list_length(self, name: str) -> int | None:
        column = self._of(name)
        if isinstance(column, np.ndarray):
            return int(column.shape[1]) if column.ndim == 2 else None
        return list_length(column.type, self.chunks([name], Part(), LISTS_READ), name)

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        columns = {name: self._of(name) for name in names}
        total = len(next(iter(columns.values())))
        for start in range(0, total, rows):
            some = {name: _contiguous(column[start : start + rows]) for name, column in columns.items()}
            yield Chunk(some, start, min(rows, total - start))

    def _of(self, name: str) -> Any:
        if name not in self._converted:
            self._converted[name] = _converted(self._column(name), f"{self._path}, column {name!r}")
        return self._converted[name]


def _contiguous(column: Any) -> Any:
    """A column in several arrays as one contiguous array."""
    if not hasattr(column, "num_chunks"):
        return column
    return (
        column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    )  # combine_chunks copies even a single one


def _converted(values: Any, place: str) -> Any:
    """A column as a NumPy or Arrow array."""
    if isinstance(values, np.ma.MaskedArray):
        return pyarrow(place).array(values.data, mask=np.ma.getmaskarray(values))
    if is_a(values, "pandas", "Series"):
        dense = str(values.dtype).startswith("Sparse")
        return _arrow_array(np.asarray(values) if dense else values, values.tolist, place)
    if is_a(values, "polars", "Series"):
        return _of_polars(values, place)
    if hasattr(values, "__arrow_c_stream__"):
        return pyarrow(place).chunked_array(values)
    if hasattr(values, "__arrow_c_array__"):
        return pyarrow(place).array(values)
    return _of_numpy(values, place)


def _of_polars(values: Any, place: str) -> Any:
    pyarrow(place)
    if str(values.dtype) == "Object":
        return _of_numpy(values.to_numpy(), place)
    return values.to_arrow()


def _of_numpy(values: Any, place: str) -> Any:
    """Arrays of numbers or text are unchanged; Python objects, and text in a list, become an Arrow array."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        return _arrow_array(values, lambda: values, place)
    if array.ndim not in (1, 2):
        raise ColumnError(f"{place}: got shape {array.shape}; expected (rows,), or (rows, classes)")
    if array.dtype.kind == "O" or (array.dtype.kind not in "biuf" and not isinstance(values, np.ndarray)):
        listed = array.tolist() if isinstance(values, np.ndarray) else list(values)
        return _arrow_array(listed, lambda: listed, place)
    return array


def _arrow_array(values: Any, listed: Callable[[], Sequence[Any]], place: str) -> Any:
    """An Arrow array, in which missing values, such as NaN in an object array, are null.

    Raises
    ------
    ColumnError : the values are of several types, or of a type that Arrow does not have; the error names the row.
    """
    pa = pyarrow(place)
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError) as error:
        row, value = _first_refused(pa, list(listed()))
        words = " ".join(str(error).split())
        raise ColumnError(
            f"{place}, row {row}: got {value!r}; expected values of one type in a column, numbers, text or lists of "
            f"numbers ({words})"
        ) from None


def _first_refused(pa: Any, values: list[Any]) -> tuple[int, Any]:
    """The first value whose type does not fit those before it."""

    def fails(stop: int) -> bool:
        try:
            pa.array(values[:stop], from_pandas=True)
        except (pa.ArrowException, OverflowError):
            return True
        return False

    row = bisect.bisect_left(range(1, len(values) + 1), True, key=fails)
    row = min(row, len(values) - 1)
    return row, values[row]


# ---------------------------------------------------------------------------------------------- rows that come


class _StreamTable:
    """Record batches that can be read only once, such as those of a query; batches read early are kept."""

    def __init__(self, reader: Any, path: str) -> None:
        self.names: Sequence[str] = list(text_names(reader.schema.names, path))
        self.malformed: Counter[str] = Counter()
        self._schema, self._coming = reader.schema, iter(reader)
        self._seen: list[Any] = []

    def parts(self, names: Sequence[str]) -> list[Part]:
        return [Part()]

    def list_length(self, name: str) -> int | None:
        return list_length(self._schema.field(name).type, record_chunks(self._looked_at(), [name], LISTS_READ), name)

    def _looked_at(self) -> Iterator[Any]:
        yield from self._seen
        for batch in self._coming:
            self._seen.append(batch)
            yield batch

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        if uses.looking:
            return record_chunks(self._looked_at(), names, rows)
        seen, self._seen = self._seen, []
        return record_chunks(chain(seen, self._coming), names, rows)
