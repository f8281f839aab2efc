"""Comma- and tab-separated text, also compressed, block by block."""

from __future__ import annotations

import csv
import io
import lzma
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from rashin.tables.arrow import pyarrow, record_chunks
from rashin.tables.sources import File
from rashin.tables.table import ANY, BreakError, Chunk, Part, Uses

__all__ = ["DelimitedTable"]

_BLOCK_BYTES = 1 << 22
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
_MALFORMED = "a line with too few or too many fields"


class DelimitedTable:
    """A file of text. The types of its columns are those of the first block; whole numbers may turn into others.

    Keys have no type but text: what stands in another block or file does not change them.
    """

    def __init__(self, file: File, stack: ExitStack, skip_malformed: bool) -> None:
        pyarrow()
        self.file, self.stack, self.skip_malformed = file, stack, skip_malformed
        self.malformed: Counter[str] = Counter()
        self.types: dict[str, Any] = {}
        self.types = {field.name: _wide(field.type) for field in self._reader({}, None).schema}
        self.names: Sequence[str] = list(self.types)
        self.malformed.clear()

    def parts(self, names: Sequence[str]) -> list[Part]:
        """The whole: where a line begins in the middle, nobody can tell."""
        return [Part()]

    def list_length(self, name: str) -> int | None:
        """Text holds no lists."""
        return None

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        """Typed at once; from a number that is none on, as text that is converted column by column."""
        import pyarrow as pa

        kinds = {
            name: pa.float64() if name in uses.numbers and pa.types.is_string(kind) else kind
            for name, kind in self.types.items()
        }
        types = kinds | dict.fromkeys(uses.keys & kinds.keys(), pa.string())
        done = 0
        self.malformed.clear()
        try:
            for chunk in record_chunks(self._reader(types, names), names, rows):
                columns = {name: _no_empty(column) for name, column in chunk.columns.items()}
                yield _with_keys(chunk._replace(columns=columns), kinds, uses)
                done += chunk.rows
        except pa.ArrowInvalid:
            self._refuse_malformed()
            self.malformed.clear()
            for chunk in self._as_text(names, types, rows, done):
                yield _with_keys(chunk, kinds, uses)

    def _refuse_malformed(self) -> None:
        """Raise for the first line with too few or too many fields, unless such lines are skipped."""
        if self.skip_malformed:
            return
        lines = io.TextIOWrapper(self._stream(), encoding="utf-8", errors="replace", newline="")
        rows = (fields for fields in csv.reader(lines, delimiter=self._delimiter) if fields)
        with suppress(csv.Error):  # such as a field that is very long
            next(rows, None)
            for row, fields in enumerate(rows):
                if len(fields) != len(self.names):
                    raise BreakError(row, f"it has {len(fields)} fields, and the header {len(self.names)}")

    def _as_text(self, names: Sequence[str], types: dict[str, Any], rows: int, done: int) -> Iterator[Chunk]:
        """The rows from ``done`` on, every column read as text first."""
        import pyarrow as pa

        reader = self._reader(dict.fromkeys(self.names, pa.string()), names)
        for chunk in record_chunks(reader, names, rows):
            if chunk.first_row + chunk.rows > done:
                later = chunk.since(done)
                both = {name: _converted(column, types[name]) for name, column in later.columns.items()}
                columns = {name: column for name, (column, _) in both.items()}
                wrong = {name: texts for name, (_, texts) in both.items() if texts}
                yield later._replace(columns=columns, unreadable=wrong)

    def _reader(self, types: dict[str, Any], names: Sequence[str] | None) -> Any:
        from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv

        return open_csv(
            self._stream(),
            ReadOptions(block_size=_BLOCK_BYTES),
            ParseOptions(delimiter=self._delimiter, invalid_row_handler=self._malformed),
            ConvertOptions(column_types=types, include_columns=None if names is None else list(names)),
        )

    @property
    def _delimiter(self) -> str:
        return "\t" if ".tsv" in self.file.path.lower().replace("\\", "/").rsplit("/", 1)[-1] else ","

    def _malformed(self, row: Any) -> str:
        self.malformed[_MALFORMED] += 1
        return "skip" if self.skip_malformed or not self.types else "error"

    def _stream(self) -> Any:
        """The text from its beginning, unpacked."""
        pa = pyarrow()
        ending = "." + self.file.path.lower().rsplit(".", 1)[-1]
        packed = self.stack.enter_context(self.file.open())
        if ending == ".xz":  # Arrow has no decoder for it
            return self.stack.enter_context(lzma.open(packed))
        return pa.input_stream(packed, compression=_COMPRESSIONS.get(ending))


def _wide(kind: Any) -> Any:
    """The type for a whole column, by that of its first block."""
    import pyarrow as pa

    return pa.float64() if pa.types.is_null(kind) else kind


def _with_keys(chunk: Chunk, kinds: dict[str, Any], uses: Uses) -> Chunk:
    """The text of keys apart; where a key is a value too, the value is made of its text."""
    keys = {name: column for name, column in chunk.columns.items() if name in uses.keys}
    both = {name: _converted(column, kinds[name]) for name, column in keys.items() if name in uses.values}
    columns = chunk.columns | {name: column for name, (column, _) in both.items()}
    wrong = {name: texts for name, (_, texts) in both.items() if texts}
    return chunk._replace(columns=columns, unreadable={**chunk.unreadable, **wrong}, keys=keys)


def _converted(column: Any, kind: Any) -> tuple[Any, dict[int, str]]:
    """Text as what its column holds, with null for each text that is nothing of the sort; and these, by row."""
    import pyarrow as pa
    from pyarrow import compute
    from pyarrow.csv import ConvertOptions

    column = _no_empty(column)
    if pa.types.is_string(kind):
        return column, {}
    nulls = pa.array(ConvertOptions().null_values)
    column = compute.if_else(compute.is_in(column, value_set=nulls), pa.scalar(None, pa.string()), column)
    for accepted in (kind, pa.float64()) if pa.types.is_integer(kind) else (kind,):
        with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return column.cast(accepted), {}
    wider = pa.float64() if pa.types.is_integer(kind) else kind
    wrong = {row: text.as_py() for row, text in enumerate(column) if text.is_valid and not _is_a(text, wider)}
    good = pa.array([row not in wrong for row in range(len(column))])
    return compute.if_else(good, column, pa.scalar(None, pa.string())).cast(wider), wrong


def _is_a(text: Any, kind: Any) -> bool:
    import pyarrow as pa

    try:
        text.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _no_empty(column: Any) -> Any:
    """Text without a letter is null, as it is between numbers."""
    import pyarrow as pa
    from pyarrow import compute

    if not pa.types.is_string(column.type):
        return column
    return compute.if_else(compute.equal(column, ""), pa.scalar(None, pa.string()), column)
