"""Comma- and tab-separated text, also compressed, block by block.

Each block is read and parsed before the next one. ``pyarrow.csv.open_csv`` is not used, because it reads ahead in
threads that outlive an abandoned reader, and a thread that still waits for Python at interpreter exit aborts the
process.
"""

from __future__ import annotations

import codecs
import csv
import io
import lzma
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

from rashin.refusal import Refusal
from rashin.tables.arrow import pyarrow, record_chunks
from rashin.tables.dialect import encoding_hint, header_hint
from rashin.tables.lines import Malformed, open_quote, without_first
from rashin.tables.sources import File
from rashin.tables.table import ANY, BROKEN, Chunk, Part, Uses
from rashin.tables.texts import converted, wide, with_keys, without_empty

__all__ = ["DelimitedTable"]

_BLOCK_BYTES = 1 << 22
_READ_BYTES = 1 << 16  # read at a time: at most so much is lost if a stream breaks
_PIECE_BYTES = 1 << 18  # of a block, parsed by one thread: larger chunks take more time in total
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
_SAMPLE = 1 << 16  # bytes used to guess an encoding
_SKIP = "; fix: on_error='skip' leaves such lines out"
_MALFORMED = "a line with too few or too many fields"


class DelimitedTable:
    """A text file. The first block sets the types of the columns; whole numbers may become other numbers later.

    Keys are always text, so that other blocks or files do not change them.
    """

    def __init__(self, file: File, skip_malformed: bool) -> None:
        pyarrow()
        self.file, self.skip_malformed = file, skip_malformed
        self.malformed: Counter[str] = Counter()
        self.names: Sequence[str] = ()
        with closing(self._tables({}, None)) as tables:
            schema = next(tables)[0].schema
        self.types = {field.name: wide(field.type) for field in schema}
        self.malformed.clear()

    def parts(self, names: Sequence[str]) -> list[Part]:
        """The whole file as one part, as it is unknown where lines begin in the middle."""
        return [Part()]

    def list_length(self, name: str) -> int | None:
        """None, as text files do not contain lists."""
        return None

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        """Chunks parsed with types; from the first block with unexpected text, text that is converted by column."""
        import pyarrow as pa

        kinds = {
            name: pa.float64() if name in uses.numbers and pa.types.is_string(kind) else kind
            for name, kind in self.types.items()
        }
        types = kinds | dict.fromkeys((uses.keys | uses.texts) & kinds.keys(), pa.string())
        self.malformed.clear()
        row = 0
        for table, is_raw in self._tables(types, names):
            for chunk in record_chunks(table.to_batches(), names, rows, row):
                read = converted(chunk, types, self.file.dialect) if is_raw else without_empty(chunk)
                yield with_keys(read, kinds, uses, self.file.dialect)
            row += table.num_rows

    # ---------------------------------------------------------------------------------------------- blocks

    def _tables(self, types: dict[str, Any], names: Sequence[str] | None) -> Generator[tuple[Any, bool], None, None]:
        """The columns ``names``, None for all, of each block; and True if they are bytes without a type.

        A column without a type in ``types`` gets that of its block.
        """
        is_raw, row = False, 0
        with self._stream() as stream:
            for number, block in enumerate(_blocks(stream, self.file.dialect.encoding)):
                if number == 0:
                    self.names = self._header(block)
                table = None if is_raw else self._typed(block, types, names, number == 0)
                is_raw = table is None
                if table is None:
                    table = self._raw(block, names, number == 0, row)
                yield table, is_raw
                row += table.num_rows

    def _header(self, block: bytes) -> list[str]:
        """The names of the columns.

        Raises
        ------
        Refusal : there are no names, or they are in another encoding.
        """
        encoding = self.file.dialect.encoding
        with suppress(csv.Error):
            names = next(filter(None, self._lines(block)), None)
            if names is None:
                raise Refusal("header", "an empty file", "a line with the names of the columns")
            if "\0" in names[0] or any(map(_is_broken, names)):
                hint = encoding_hint(_as_stored(block, encoding))
                raise Refusal("header", "bytes of another encoding", f"text in {encoding}{hint}")
        return names or []

    def _lines(self, block: bytes) -> Iterator[list[str]]:
        """The fields of each line; an undecodable byte is a lone surrogate."""
        text = io.StringIO(block.decode("utf-8-sig", "surrogateescape"), newline="")
        return csv.reader(text, delimiter=self._delimiter)

    def _typed(self, block: bytes, types: dict[str, Any], names: Sequence[str] | None, is_first: bool) -> Any:
        """The rows of a block; None if a value is not of its column's type, or a line is malformed."""
        import pyarrow as pa
        from pyarrow.csv import ConvertOptions

        decimal = self.file.dialect.decimal
        include = None if names is None else list(names)
        try:
            return self._parsed(
                block, ConvertOptions(column_types=types, include_columns=include, decimal_point=decimal), is_first
            )
        except (pa.ArrowInvalid, _OpenQuoteError):
            return None

    def _raw(self, block: bytes, names: Sequence[str] | None, is_first: bool, row: int) -> Any:
        """The rows of a block as bytes.

        Raises
        ------
        Refusal : a line has too few or too many fields, and such lines are not skipped.
        """
        import pyarrow as pa
        from pyarrow.csv import ConvertOptions

        wanted = list(self.names if names is None else names)
        convert = ConvertOptions(column_types=dict.fromkeys(wanted, pa.binary()), include_columns=wanted)
        try:
            return self._parsed(block, convert, is_first)
        except _OpenQuoteError as error:
            place = f"row {row + error.row}"
            raise Refusal(place, "a quote that is not closed", "quotes in pairs", "close the quote") from None
        except pa.ArrowInvalid:
            self._refuse_malformed(block, is_first, row)
            raise

    def _refuse_malformed(self, block: bytes, is_first: bool, row: int) -> None:
        """Raise for the first line of a block with too few or too many fields."""
        lines, wanted = filter(None, self._lines(block)), len(self.names)
        with suppress(csv.Error):  # such as a very long field
            for place, fields in enumerate(lines, row - is_first):
                if len(fields) != wanted:
                    quote = "; fix: close the quote in it" if any("\n" in field for field in fields) else ""
                    expected = f"{wanted}, as in the header{header_hint(self.names) or quote or _SKIP}"
                    raise Refusal(f"row {place}", f"{len(fields)} field{'s' * (len(fields) != 1)}", expected)

    def _parsed(self, block: bytes, convert: Any, is_first: bool) -> Any:
        """The rows of a block; the header is in the first block. Skipped malformed lines are counted.

        Raises
        ------
        _OpenQuoteError, ArrowInvalid : lines are malformed, and not skipped; or text is not of its column's type.
        """
        if not self.skip_malformed:
            table = self._read(block, convert, is_first, None)
            open_at = open_quote(block, self._delimiter, table.num_rows + is_first)
            if open_at is not None:
                raise _OpenQuoteError(open_at[0] - is_first)
            return table
        block, found = self._without_undecodable(block)
        while True:
            lines = Malformed()
            table = self._read(block, convert, is_first, lines)
            open_at = open_quote(block, self._delimiter, table.num_rows + lines.count + is_first)
            swallowing = lines.swallowing or (open_at and open_at[1])
            if not swallowing:
                break
            found += 1
            block = without_first(block, swallowing)
        if found + lines.count:
            self.malformed[_MALFORMED] += found + lines.count
        return table

    def _without_undecodable(self, block: bytes) -> tuple[bytes, int]:
        """A block without the lines that are both malformed and not in UTF-8, which Arrow cannot pass to Python."""
        try:
            block.decode()
        except UnicodeDecodeError:
            lines = block.splitlines(keepends=True)
            kept = [line for line in lines if not self._is_undecodable(line)]
            return b"".join(kept), len(lines) - len(kept)
        return block, 0

    def _is_undecodable(self, line: bytes) -> bool:
        try:
            line.decode()
        except UnicodeDecodeError:
            return any(len(fields) != len(self.names) for fields in self._lines(line))
        return False

    def _read(self, block: bytes, convert: Any, is_first: bool, malformed: Malformed | None) -> Any:
        import pyarrow as pa
        from pyarrow.csv import ParseOptions, ReadOptions, read_csv

        def read(piece_bytes: int) -> Any:
            options = ReadOptions(block_size=piece_bytes, column_names=None if is_first else list(self.names))
            return read_csv(pa.BufferReader(block), options, parse, convert)

        if not block.strip():
            names = convert.include_columns or self.names
            return pa.table({name: pa.array([], convert.column_types.get(name, pa.null())) for name in names})
        quoted = b'"' in block  # without quotes, lines do not span several, and chunks are found faster
        parse = ParseOptions(delimiter=self._delimiter, invalid_row_handler=malformed, newlines_in_values=quoted)
        if quoted and b"\r" in block:  # if a chunk ends between \r and \n within quotes, Arrow loses the \n
            return read(len(block))
        try:
            return read(_PIECE_BYTES)
        except pa.ArrowInvalid:
            if not quoted and max(map(len, block.splitlines()), default=0) < _PIECE_BYTES // 2:
                raise
            if malformed is not None:
                malformed.clear()
            return read(len(block))  # a line may be longer than a chunk

    @property
    def _delimiter(self) -> str:
        tabs = ".tsv" in self.file.path.lower().replace("\\", "/").rsplit("/", 1)[-1]
        return self.file.dialect.delimiter or ("\t" if tabs else ",")

    @contextmanager
    def _stream(self) -> Iterator[Any]:
        """The text from its beginning, decompressed; closed at the end of the context."""
        pa = pyarrow()
        ending = "." + self.file.path.lower().rsplit(".", 1)[-1]
        with ExitStack() as stack:
            if ending == ".xz":  # Arrow has no decoder for it
                yield stack.enter_context(lzma.open(stack.enter_context(self.file.open())))
                return
            packed = self.file.path if self.file.is_local else stack.enter_context(self.file.open())
            yield stack.enter_context(pa.input_stream(packed, compression=_COMPRESSIONS.get(ending)))


class _OpenQuoteError(ValueError):
    """A quote is not closed in a row of a block."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def _as_stored(block: bytes, encoding: str) -> bytes:
    """The first bytes of a block in the original encoding."""
    return block[:_SAMPLE].decode("utf-8", "surrogateescape").encode(encoding, "surrogateescape")


def _is_broken(text: str) -> bool:
    """True if some bytes of a text could not be decoded."""
    return any("\udc80" <= letter <= "\udcff" for letter in text)


def _in_utf8(stream: Any, encoding: str) -> Iterator[bytes]:
    """A stream converted to UTF-8 in chunks; bytes that are invalid in its encoding are kept."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    while piece := stream.read(_READ_BYTES):
        yield piece if encoding == "utf-8" else decoder.decode(piece).encode("utf-8", "surrogateescape")
    if encoding != "utf-8":
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")


def _blocks(stream: Any, encoding: str) -> Iterator[bytes]:
    """The lines of a stream in blocks of some megabytes; at least one block. A break raises after the lines before it.

    A block does not end within quotes, unless they are open for very long.
    """
    lines, end, is_first, least = bytearray(), 0, True, _BLOCK_BYTES
    try:
        for piece in _in_utf8(stream, encoding):
            place = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
            end = end if place < 0 else len(lines) + place + 1
            lines += piece
            if end and len(lines) >= least:
                if lines.count(b'"', 0, end) % 2 and least < 4 * _BLOCK_BYTES:
                    least *= 2
                    continue
                yield bytes(lines[:end])
                del lines[:end]
                end, is_first, least = 0, False, _BLOCK_BYTES
    except BROKEN:
        if end:
            yield bytes(lines[:end])
        raise
    if lines or is_first:
        yield bytes(lines) + b"\n"
