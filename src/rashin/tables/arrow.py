"""Arrow and Feather files, and the contents of Arrow columns as NumPy arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from importlib import import_module
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from rashin.extras import needs
from rashin.refusal import Refusal
from rashin.tables.keys import NoKey, keys_in, moment
from rashin.tables.sources import File
from rashin.tables.table import ANY, Chunk, Part, Uses

__all__ = [
    "LISTS_READ",
    "ArrowTable",
    "coded",
    "dictionary",
    "distinct",
    "holds_whole_numbers",
    "holds_words",
    "is_boolean",
    "is_primitive",
    "know_types",
    "list_length",
    "list_lengths",
    "numbers",
    "plain",
    "pyarrow",
    "record_chunks",
    "validate",
    "without_dates",
]

LISTS_READ = 1 << 6  # read at a time, to find the first list

Array = NDArray[Any]
Numbers = tuple[Array, "Array | None"]  # the values, and a mask of the missing ones


def pyarrow(what: str = "a Parquet, Arrow or CSV file") -> Any:
    """The package, or an error that says who needs it and how to get it."""
    with needs("pyarrow", "parquet", what):
        import pyarrow
    return pyarrow


class ArrowTable:
    """A file in Arrow's IPC format; if it is local and not compressed, its columns are memory-mapped."""

    def __init__(self, file: File, stack: ExitStack) -> None:
        pa = pyarrow()
        if file.is_local:
            self.source = stack.enter_context(pa.memory_map(file.path))
        else:
            self.source = pa.PythonFile(stack.enter_context(file.open()), "r")
        magic = self.source.read(6)
        self.source.seek(0)
        if magic[:4] == b"FEA1":
            fix = "write it again with pyarrow.feather.write_feather"
            raise Refusal("format", "version 1 of Feather", "version 2", fix)
        self.is_stream = magic != b"ARROW1"
        know_types(self._reader(None).schema)
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
        """The whole file as one part, as the number of rows of a batch is unknown before it is read."""
        return [Part()]

    def list_length(self, name: str) -> int | None:
        return list_length(self._reader(None).schema.field(name).type, self.chunks([name], Part(), LISTS_READ), name)

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        return record_chunks(self._batches(names), names, rows)

    def _batches(self, names: Sequence[str]) -> Iterator[Any]:
        """The record batches, validated.

        Raises
        ------
        ValueError : the file is damaged.
        """
        import pyarrow as pa

        try:
            reader = self._reader(names)
            for batch in reader if self.is_stream else map(reader.get_batch, range(reader.num_record_batches)):
                validate(batch)
                yield batch
        except (pa.ArrowException, MemoryError) as error:  # a damaged size may be any number
            raise ValueError(str(error)) from error


def validate(batch: Any) -> None:
    """Raise unless the offsets of codes, text and lists of a batch are valid; damaged ones would crash the process."""
    for column in batch.columns:
        if not is_primitive(column.type):
            column.validate(full=True)


def is_primitive(kind: Any) -> bool:
    """True if all values have the same number of bytes."""
    import pyarrow as pa

    return bool(pa.types.is_primitive(kind))


def record_chunks(batches: Any, names: Sequence[str], rows: int, row: int = 0) -> Iterator[Chunk]:
    """Record batches of a file from its row ``row``, split into chunks of at most ``rows`` rows."""
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            some = batch.slice(start, rows)
            yield Chunk({name: some.column(name) for name in names}, row, some.num_rows)
            row += some.num_rows


# -------------------------------------------------------------------------------------------------- the columns


def numbers(column: Any, length: int | None = None) -> Numbers:
    """The numbers of a column, (n,), or of a column of lists, (n, C); memory is shared if possible.

    ``length`` is C; None is the length of the first list.

    Raises
    ------
    TypeError : the column does not contain numbers; the error says what it contains.
    """
    import pyarrow as pa

    given, column = column.type, plain(column)
    kind = column.type
    if _is_list(kind):
        return _listed(column, length)
    if pa.types.is_null(kind):
        return np.zeros(len(column)), np.ones(len(column), bool)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.string()).cast(pa.float64())  # the direct cast does not round to nearest
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise TypeError(str(given))
    missing = _missing(column)
    if missing is not None:
        column = (column.cast(pa.float32()) if pa.types.is_float16(kind) else column).fill_null(0)
    return column.to_numpy(), missing


def plain(column: Any) -> Any:
    """A column of plain values instead of dictionary codes, runs, views or an extension type."""
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(column)
    if pa.types.is_dictionary(kind):
        return plain(column.dictionary).take(column.indices)
    if pa.types.is_run_end_encoded(kind):
        rows = np.arange(column.offset, column.offset + len(column))
        return plain(column.values).take(pa.array(np.searchsorted(column.run_ends.to_numpy(), rows, side="right")))
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return column.cast(pa.large_binary())
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return _lists_of_views(column)
    return column


def _lists_of_views(column: Any) -> Any:
    """List views as contiguous lists; pyarrow's own cast loses some lists (observed with pyarrow 26)."""
    import pyarrow as pa

    sizes = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return pa.LargeListArray.from_arrays(pa.array(ends), column.flatten(), mask=column.is_null())


def _of_extension(column: Any) -> Any:
    """The values of an extension type: booleans, identifiers and periods as text, others as they are stored."""
    import pyarrow as pa

    name, storage = column.type.extension_name, column.storage
    if name == "arrow.bool8":
        return storage.cast(pa.bool_())
    if name == "arrow.uuid":
        values = [None if value is None else str(UUID(bytes=value)) for value in storage.to_pylist()]
        return pa.array(values, pa.string())
    if name == "pandas.period":
        values = column.to_pandas()
        return pa.array([None if value != value else str(value) for value in values], pa.string())
    return plain(storage)


def know_types(schema: Any) -> None:
    """Import packages that register the types of a file's columns: without pandas, months are numbers since 1970."""
    if any((field.metadata or {}).get(b"ARROW:extension:name") == b"pandas.period" for field in schema):
        with needs("pandas", "dask", "a column of periods", instead="pip install pandas"):
            import_module("pandas.core.arrays.arrow.extension_types")


def _missing(column: Any) -> Array | None:
    if column.null_count == 0:
        return None
    missing: Array = column.is_null().to_numpy(zero_copy_only=False)
    return missing


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    known = ("fixed_size_list", "list", "large_list", "list_view", "large_list_view")
    return any(getattr(pa.types, f"is_{name}")(kind) for name in known)


def list_lengths(column: Any) -> Array | None:
    """The length of the list in each row, -1 for null; None if the column does not contain lists."""
    column = plain(column)
    if not _is_list(column.type):
        return None
    lengths: Array = column.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
    return lengths


def list_length(kind: Any, chunks: Iterator[Chunk], name: str) -> int | None:
    """The length of the lists of a column: that of its type, otherwise of the first list that is not empty."""
    import pyarrow as pa

    kind = _type_of_values(kind)
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
    """Lists of one length as rows. A list is missing if it is null, contains a null, or has another length."""
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


def _type_of_values(kind: Any) -> Any:
    """The type of the plain values of a column of dictionaries, runs or extensions."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        is_text = kind.extension_name in ("arrow.uuid", "pandas.period")
        return pa.string() if is_text else _type_of_values(kind.storage_type)
    is_coded = pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind)
    return _type_of_values(kind.value_type) if is_coded else kind


def holds_words(column: Any) -> bool:
    """True if a column contains text, in any layout, or bytes that may be text."""
    import pyarrow as pa

    kind = _type_of_values(column.type)
    known = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    return any(getattr(pa.types, f"is_{name}")(kind) for name in known)


def holds_whole_numbers(column: Any) -> bool:
    """True if a column contains whole numbers or booleans."""
    import pyarrow as pa

    kind = plain(column.slice(0, 0)).type
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def is_boolean(column: Any) -> bool:
    """True if a column contains booleans."""
    import pyarrow as pa

    return bool(pa.types.is_boolean(plain(column.slice(0, 0)).type))


def without_dates(column: Any) -> Any:
    """A column with dates and times as text that does not depend on the unit; other columns are unchanged."""
    import pyarrow as pa

    kind = _type_of_values(column.type)
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return column
    codes, values = dictionary(column)
    return pa.array([None, *values], pa.string()).take(pa.array(codes))


def dictionary(column: Any) -> tuple[Array, Any]:
    """For each row, 0 if it is null, otherwise the index among the distinct values, from 1; and the distinct values.

    Durations are NumPy objects; all other values are Python objects, with dates and times as text.
    """
    import pyarrow as pa

    column = _encoded(column)
    words, missing = column.dictionary, _missing(column.indices)
    codes = column.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    if words.null_count:  # a dictionary may contain null as a value
        holes = words.is_null().to_numpy(zero_copy_only=False)
        if len(codes):
            codes[holes[codes - 1]] = 0
    if missing is not None:
        codes[missing] = 0
    kind = words.type
    if pa.types.is_duration(kind):
        return codes, words.to_numpy(zero_copy_only=False)
    if pa.types.is_date(kind) or pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        texts = words.cast(pa.string()).to_pylist()
        return codes, [None if text is None else moment(text) for text in texts]
    return codes, words.to_pylist()


def distinct(column: Any) -> tuple[Array, Sequence[Any]]:
    """For each row the index of its key in the keys, in the form of ``rashin.tables.keys.distinct``."""
    codes, values = dictionary(column)
    return codes, [None, *keys_in(values)]


def _encoded(column: Any) -> Any:
    """A dictionary of plain values; no more of its values are processed than there are rows."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind) and len(column.dictionary) <= len(column):
        return pa.DictionaryArray.from_arrays(column.indices, plain(column.dictionary), safe=False)
    column = plain(column)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string())  # some decimals cannot be dictionary-encoded
        found = column.dictionary_encode()
        values = pa.array([None if text is None else Decimal(text) for text in found.dictionary.to_pylist()])
        return pa.DictionaryArray.from_arrays(found.indices, values)
    return column.dictionary_encode()


def coded(column: Any) -> tuple[Array, list[str], Array | None]:
    """A column of text as codes, the words of the codes, and a mask of the missing values.

    Raises
    ------
    TypeError : the column contains bytes that are not text in UTF-8.
    """
    codes, words = dictionary(column)
    keys = keys_in(words)
    strange = next((key for key in keys if isinstance(key, NoKey)), None)
    if strange is not None:
        raise TypeError(f"{column.type}, {strange}")
    texts = [str(key or "") for key in keys]
    missing = codes == 0
    return np.maximum(codes - 1, 0), texts, missing if missing.any() else None
