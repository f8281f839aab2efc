"""Arrow and Feather files, and what Arrow's columns hold, as NumPy arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.extras import needs
from rashin.tables.sources import File
from rashin.tables.table import ANY, Chunk, Part, Uses

__all__ = [
    "LISTS_READ",
    "ArrowTable",
    "coded",
    "holds_words",
    "is_boolean",
    "list_length",
    "list_lengths",
    "numbers",
    "pyarrow",
    "record_chunks",
    "without_dates",
]

LISTS_READ = 1 << 6  # at a time, to find the first one

Array = NDArray[Any]
Numbers = tuple[Array, "Array | None"]  # the values, and where there is none


def pyarrow(what: str = "a Parquet, Arrow or CSV file") -> Any:
    """The package, or an error that says what needs it and how to get it."""
    with needs("pyarrow", "parquet", what):
        import pyarrow
    return pyarrow


class ArrowTable:
    """A file in Arrow's IPC format; where it is local and not compressed, its columns are read where they lie."""

    def __init__(self, file: File, stack: ExitStack) -> None:
        pa = pyarrow()
        if file.is_local:
            self.source = stack.enter_context(pa.memory_map(file.path))
        else:
            self.source = pa.PythonFile(stack.enter_context(file.open()), "r")
        magic = self.source.read(6)
        self.source.seek(0)
        if magic[:4] == b"FEA1":
            raise ValueError("it is in the first version of Feather; write it again with pyarrow.feather.write_feather")
        self.is_stream = magic != b"ARROW1"
        self.schema: Any = self._reader(None).schema
        self.names: Sequence[str] = self.schema.names
        self.malformed: Counter[str] = Counter()

    def _reader(self, names: Sequence[str] | None) -> Any:
        from pyarrow import ipc

        self.source.seek(0)
        opened = ipc.open_stream if self.is_stream else ipc.open_file
        fields = [] if names is None else sorted(list(self.names).index(name) for name in names)
        return opened(self.source, options=ipc.IpcReadOptions(included_fields=fields))

    def parts(self, names: Sequence[str]) -> list[Part]:
        """The whole: only reading a batch tells how many rows it has."""
        return [Part()]

    def list_length(self, name: str) -> int | None:
        return list_length(self._reader(None).schema.field(name).type, self.chunks([name], Part(), LISTS_READ), name)

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        reader = self._reader(names)
        batches = reader if self.is_stream else (reader.get_batch(i) for i in range(reader.num_record_batches))
        return record_chunks(batches, names, rows)


def record_chunks(batches: Any, names: Sequence[str], rows: int, row: int = 0) -> Iterator[Chunk]:
    """Record batches of a file from its row ``row`` on, cut into pieces of no more than ``rows``."""
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            some = batch.slice(start, rows)
            yield Chunk({name: some.column(name) for name in names}, row, some.num_rows)
            row += some.num_rows


# -------------------------------------------------------------------------------------------------- the columns


def numbers(column: Any, length: int | None = None) -> Numbers:
    """The numbers of a column, (n,), or of a column of lists, (n, C); the bytes are shared where they can be.

    ``length`` is C; None is that of the first list.

    Raises
    ------
    TypeError : it holds no numbers; the error says what.
    """
    import pyarrow as pa

    column = _decoded(column)
    kind = column.type
    if _is_list(kind):
        return _listed(column, length)
    if pa.types.is_null(kind):
        return np.zeros(len(column)), np.ones(len(column), bool)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.string()).cast(pa.float64())  # the direct way does not round to the nearest
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise TypeError(str(kind))
    missing = _missing(column)
    if missing is not None:
        column = (column.cast(pa.float32()) if pa.types.is_float16(kind) else column).fill_null(0)
    return column.to_numpy(), missing


def _decoded(column: Any) -> Any:
    """Values in the place of codes into a dictionary, of runs, or of an extension."""
    import pyarrow as pa
    from pyarrow import compute

    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    return compute.run_end_decode(column) if pa.types.is_run_end_encoded(column.type) else column


def _missing(column: Any) -> Array | None:
    if column.null_count == 0:
        return None
    missing: Array = column.is_null().to_numpy(zero_copy_only=False)
    return missing


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind))


def list_lengths(column: Any) -> Array | None:
    """How long the list in each row is, -1 for null; None if the column holds no lists."""
    column = _decoded(column)
    if not _is_list(column.type):
        return None
    lengths: Array = column.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
    return lengths


def list_length(kind: Any, chunks: Iterator[Chunk], name: str) -> int | None:
    """The length of the lists of a column: that of its type, else of the first list that is not empty."""
    import pyarrow as pa

    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    kind = kind.value_type if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) else kind
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    if not _is_list(kind):
        return None
    lengths = (_first_length(chunk.columns[name]) for chunk in chunks)
    return next((length for length in lengths if length is not None), None)


def _first_length(column: Any) -> int | None:
    lengths = list_lengths(column)
    return None if lengths is None else next((int(length) for length in lengths if length > 0), None)


def _listed(column: Any, length: int | None) -> Numbers:
    """Lists of one length as rows; missing is a list that is null, holds a null, or has another length."""
    import pyarrow as pa

    sizes = np.asarray(list_lengths(column))
    classes = length or _first_length(column) or 1
    good: Array = np.equal(sizes, classes)
    whole = bool(good.all())
    flat, holes = numbers((column if whole else column.filter(pa.array(good))).flatten())
    if whole and holes is None:
        return flat.reshape(len(column), classes), None
    values = np.zeros((len(column), classes), flat.dtype)
    some = np.count_nonzero(good), classes
    values[good] = flat.reshape(some)
    if holes is not None:
        good[good] = ~holes.reshape(some).any(axis=1)
    return values, ~good


def holds_words(column: Any) -> bool:
    """Whether a column holds text, be it by codes."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return any(is_text(kind) for is_text in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def is_boolean(column: Any) -> bool:
    """Whether a column holds booleans."""
    import pyarrow as pa

    return bool(pa.types.is_boolean(_decoded(column).type))


def without_dates(column: Any) -> Any:
    """A column with its dates and times as text, in which the unit of a time leaves no trace; any other as it is."""
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return column
    text = _decoded(column).cast(pa.string())
    whole = compute.replace_substring_regex(text, r"\.0+([Z+-].*)?$", r"\1")
    return compute.replace_substring_regex(whole, r"(\.\d*[1-9])0+([Z+-].*)?$", r"\1\2")


def coded(column: Any) -> tuple[Array, list[str], Array | None]:
    """A column of text as codes, the words that they stand for, and where there is none."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type) or len(column.dictionary) > len(column):
        column = _decoded(column).dictionary_encode()
    words = column.dictionary
    codes = column.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    missing = _missing(column.indices)
    if words.null_count:  # a dictionary may hold null as a word
        missing = words.is_null().to_numpy(zero_copy_only=False)[codes] | (False if missing is None else missing)
    return codes, words.fill_null("").to_pylist(), missing
