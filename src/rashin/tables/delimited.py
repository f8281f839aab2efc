"""Comma- and tab-separated text, also compressed, block by block.

Each block is read, then parsed, before the next is: ``pyarrow.csv.open_csv`` reads ahead in threads that outlive a
reader that is dropped, and one that still waits for Python when the interpreter ends aborts the process.
"""

from __future__ import annotations

import csv
import io
import lzma
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

from rashin.tables.arrow import pyarrow, record_chunks
from rashin.tables.sources import File
from rashin.tables.table import ANY, BROKEN, BreakError, Chunk, Part, Uses

__all__ = ["DelimitedTable"]

_BLOCK_BYTES = 1 << 22
_READ_BYTES = 1 << 16  # at a time: where a stream breaks, no more than that is lost
_PIECE_BYTES = 1 << 18  # of a block, that a thread parses: larger ones take more time in all
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
_MALFORMED = "a line with too few or too many fields"


class DelimitedTable:
    """A file of text. The types of its columns are those of the first block; whole numbers may turn into others.

    Keys have no type but text: what stands in another block or file does not change them.
    """

    def __init__(self, file: File, skip_malformed: bool) -> None:
        pyarrow()
        self.file, self.skip_malformed = file, skip_malformed
        self.malformed: Counter[str] = Counter()
        self.types: dict[str, Any] = {}
        self.names: Sequence[str] = ()
        with closing(self._batches({}, None)) as batches:
            schema = next(batches).schema
        self.types = {field.name: _wide(field.type) for field in schema}
        self.names = schema.names
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
        types = kinds | dict.fromkeys((uses.keys | uses.texts) & kinds.keys(), pa.string())
        done = 0
        self.malformed.clear()
        try:
            for chunk in record_chunks(self._batches(types, names), names, rows):
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
        with self._stream() as stream, suppress(csv.Error):  # such as a field that is very long
            lines = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="")
            rows = (fields for fields in csv.reader(lines, delimiter=self._delimiter) if fields)
            next(rows, None)
            for row, fields in enumerate(rows):
                if len(fields) != len(self.names):
                    raise BreakError(row, f"it has {len(fields)} fields, and the header {len(self.names)}")

    def _as_text(self, names: Sequence[str], types: dict[str, Any], rows: int, done: int) -> Iterator[Chunk]:
        """The rows from ``done`` on, every column read as text first."""
        import pyarrow as pa

        batches = self._batches(dict.fromkeys(self.names, pa.string()), names)
        for chunk in record_chunks(batches, names, rows):
            if chunk.first_row + chunk.rows > done:
                later = chunk.since(done)
                both = {name: _converted(column, types[name]) for name, column in later.columns.items()}
                columns = {name: column for name, (column, _) in both.items()}
                wrong = {name: texts for name, (_, texts) in both.items() if texts}
                yield later._replace(columns=columns, unreadable=wrong)

    def _batches(self, types: dict[str, Any], names: Sequence[str] | None) -> Generator[Any, None, None]:
        """Record batches of the columns ``names``, None for all; of each block one at least.

        A column that has no type in ``types`` gets that of its block.
        """
        import pyarrow as pa
        from pyarrow.csv import ConvertOptions

        convert = ConvertOptions(column_types=types, include_columns=None if names is None else list(names))
        with self._stream() as stream:
            for number, block in enumerate(_blocks(stream)):
                table = self._parsed(block, convert, number == 0)
                yield from table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]

    def _parsed(self, block: bytes, convert: Any, is_first: bool) -> Any:
        """The rows of a block; the header stands in the first."""
        import pyarrow as pa
        from pyarrow.csv import ParseOptions, ReadOptions, read_csv

        def parsed(piece_bytes: int) -> Any:
            read = ReadOptions(block_size=piece_bytes, column_names=None if is_first else list(self.names))
            return read_csv(pa.BufferReader(block), read, parse, convert)

        parse = ParseOptions(delimiter=self._delimiter, invalid_row_handler=self._malformed)
        found = self.malformed.copy()
        try:
            return parsed(_PIECE_BYTES)
        except pa.ArrowInvalid:
            if max(map(len, block.splitlines()), default=0) < _PIECE_BYTES // 2:
                raise
            self.malformed.clear()
            self.malformed.update(found)
            return parsed(len(block))  # a line that is longer than a piece

    @property
    def _delimiter(self) -> str:
        return "\t" if ".tsv" in self.file.path.lower().replace("\\", "/").rsplit("/", 1)[-1] else ","

    def _malformed(self, row: Any) -> str:
        self.malformed[_MALFORMED] += 1
        return "skip" if self.skip_malformed or not self.types else "error"

    @contextmanager
    def _stream(self) -> Iterator[Any]:
        """The text from its beginning, unpacked; closed at the end of the context."""
        pa = pyarrow()
        ending = "." + self.file.path.lower().rsplit(".", 1)[-1]
        with ExitStack() as stack:
            if ending == ".xz":  # Arrow has no decoder for it
                yield stack.enter_context(lzma.open(stack.enter_context(self.file.open())))
                return
            packed = self.file.path if self.file.is_local else stack.enter_context(self.file.open())
            yield stack.enter_context(pa.input_stream(packed, compression=_COMPRESSIONS.get(ending)))


def _blocks(stream: Any) -> Iterator[bytes]:
    """The lines of a stream, some megabytes at a time; one block at least. A break raises after the lines before it."""
    lines, end, is_first = bytearray(), 0, True
    try:
        while piece := stream.read(_READ_BYTES):
            place = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
            end = end if place < 0 else len(lines) + place + 1
            lines += piece
            if end and len(lines) >= _BLOCK_BYTES:
                yield bytes(lines[:end])
                del lines[:end]
                end, is_first = 0, False
    except BROKEN:
        if end:
            yield bytes(lines[:end])
        raise
    if lines or is_first:
        yield bytes(lines) + b"\n"


def _wide(kind: Any) -> Any:
    """The type for a whole column, by that of its first block."""
    import pyarrow as pa

    return pa.float64() if pa.types.is_null(kind) else kind


def _with_keys(chunk: Chunk, kinds: dict[str, Any], uses: Uses) -> Chunk:
    """The text of keys apart; where a key is a value too, the value is made of its text."""
    keys = {name: column for name, column in chunk.columns.items() if name in uses.keys}
    both = {name: _converted(column, kinds[name]) for name, column in keys.items() if name in uses.values - uses.texts}
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
