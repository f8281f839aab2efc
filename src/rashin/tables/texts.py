"""Columns of text converted to their types: numbers, booleans, times, or text."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from rashin.tables.dialect import Dialect
from rashin.tables.table import Chunk, Unreadable, Uses

__all__ = ["converted", "wide", "with_keys", "without_empty"]

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity|nan)$"


def wide(kind: Any) -> Any:
    """The type for a whole column, from the type of its first block."""
    import pyarrow as pa

    if pa.types.is_binary(kind):  # text in another encoding
        return pa.string()
    return pa.float64() if pa.types.is_null(kind) else kind


def without_empty(chunk: Chunk) -> Chunk:
    """The chunk with empty text as null, as in columns of numbers."""
    return chunk._replace(columns={name: _no_empty(column) for name, column in chunk.columns.items()})


def converted(chunk: Chunk, types: dict[str, Any], dialect: Dialect) -> Chunk:
    """Bytes converted to the types of their columns; values that cannot be converted are null, and kept separately."""
    columns, unreadable = {}, {}
    for name, column in chunk.columns.items():
        text, broken = _decoded(column)
        columns[name], wrong = _converted(text, types[name], dialect.decimal)
        unreadable[name] = {**wrong, **broken}
    return chunk._replace(columns=columns, unreadable={name: wrong for name, wrong in unreadable.items() if wrong})


def with_keys(chunk: Chunk, kinds: dict[str, Any], uses: Uses, dialect: Dialect) -> Chunk:
    """The chunk with the text of keys kept separately; a key that is also a value is converted from its text."""
    keys = {name: column for name, column in chunk.columns.items() if name in uses.keys}
    values = uses.values - uses.texts
    both = {name: _converted(column, kinds[name], dialect.decimal) for name, column in keys.items() if name in values}
    columns = chunk.columns | {name: column for name, (column, _) in both.items()}
    wrong = {name: texts for name, (_, texts) in both.items() if texts}
    return chunk._replace(columns=columns, unreadable={**chunk.unreadable, **wrong}, keys=keys)


def _decoded(column: Any) -> tuple[Any, Unreadable]:
    """Bytes as text, null if they are not UTF-8; and those bytes, by row."""
    import pyarrow as pa

    with suppress(pa.ArrowInvalid):
        return column.cast(pa.string()), {}
    values = column.to_pylist()
    broken = {row: value for row, value in enumerate(values) if value is not None and not _is_utf8(value)}
    texts = [None if value is None or row in broken else value.decode() for row, value in enumerate(values)]
    return pa.array(texts, pa.string()), broken


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _converted(column: Any, kind: Any, decimal: str) -> tuple[Any, Unreadable]:
    """Text converted to the type of its column, null if it cannot be converted; and that text, by row."""
    import pyarrow as pa
    from pyarrow import compute

    column = _no_empty(column)
    if pa.types.is_string(kind):
        return column, {}
    text = _no_null_words(compute.utf8_trim_whitespace(column))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _numbers(text, kind, decimal)
    with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return text.cast(kind), {}
    good = pa.array([_is_a(value, kind) for value in text])
    return _good_ones(text, text, good, kind)


def _numbers(text: Any, kind: Any, decimal: str) -> tuple[Any, Unreadable]:
    import pyarrow as pa
    from pyarrow import compute

    pointed = text if decimal == "." else _pointed(text)
    for accepted in (kind, pa.float64()) if pa.types.is_integer(kind) else (kind,):
        with suppress(pa.ArrowInvalid):
            return pointed.cast(accepted), {}
    good = compute.fill_null(compute.match_substring_regex(pointed, _NUMBER), True)
    return _good_ones(text, pointed, good, pa.float64() if pa.types.is_integer(kind) else kind)


def _pointed(text: Any) -> Any:
    """Text with decimal commas and points exchanged, so that numbers with a point are still refused."""
    from pyarrow import compute

    for old, new in ((".", "\0"), (",", "."), ("\0", ",")):
        text = compute.replace_substring(text, old, new)
    return text


def _good_ones(text: Any, values: Any, good: Any, kind: Any) -> tuple[Any, Unreadable]:
    """The converted values, null for the others; and the text of the others, by row."""
    import pyarrow as pa
    from pyarrow import compute

    rows = np.flatnonzero(~good.to_numpy(zero_copy_only=False)).tolist()
    wrong = dict(zip(rows, text.take(pa.array(rows, pa.int64())).to_pylist(), strict=True))
    return compute.if_else(good, values, pa.scalar(None, pa.string())).cast(kind), wrong


def _is_a(text: Any, kind: Any) -> bool:
    import pyarrow as pa

    try:
        text.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _no_null_words(text: Any) -> Any:
    """Text with words for missing values, such as NA, as null."""
    import pyarrow as pa
    from pyarrow import compute
    from pyarrow.csv import ConvertOptions

    words = pa.array(ConvertOptions().null_values)
    return compute.if_else(compute.is_in(text, value_set=words), pa.scalar(None, pa.string()), text)


def _no_empty(column: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    if not pa.types.is_string(column.type):
        return column
    return compute.if_else(compute.equal(column, ""), pa.scalar(None, pa.string()), column)
