"""Parquet files, row group by row group.

Measured with pyarrow 26, for 1e8 rows of a double and a byte in row groups of 2^20 (two cores, file in the page cache):
``iter_batches`` takes 0.8 s and 45 MiB. A memory map saves 0.08 s of this, but its pages count as memory of the
process: 1 GB. ``read_table`` takes 5.3 s and 2.8 GB. ``Dataset.to_batches`` keeps all it has read (apache/arrow#39808).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate, pairwise
from typing import Any

from rashin.refusal import Refusal
from rashin.tables.arrow import LISTS_READ, is_primitive, know_types, list_length, pyarrow, validate
from rashin.tables.sources import File
from rashin.tables.table import ANY, Chunk, Part, Uses

__all__ = ["ParquetTable"]

_PART_BYTES = 1 << 28  # of a part, decoded
_WHOLE_BYTES = 1 << 26  # of a row group that is read at once; larger ones are read in small chunks
_PIECE_BYTES = 1 << 16  # of such a chunk, for each column


class ParquetTable:
    def __init__(self, file: File, stack: ExitStack) -> None:
        pyarrow()
        from pyarrow import parquet

        self.stream: Any = file.path if file.is_local else stack.enter_context(file.open())
        self.metadata = parquet.read_metadata(self.stream)
        know_types(self.metadata.schema.to_arrow_schema())
        groups = [self.metadata.row_group(g) for g in range(self.metadata.num_row_groups)]
        self.rows = [group.num_rows for group in groups]
        if min(self.rows, default=0) < 0 or sum(self.rows) != self.metadata.num_rows:
            got = f"groups of {self.rows[:9]} rows"
            raise Refusal("metadata", got, f"groups of {self.metadata.num_rows} rows in all, as it says")
        is_small = max((group.total_byte_size for group in groups), default=0) <= _WHOLE_BYTES
        self.reader = parquet.ParquetFile(
            self.stream,
            metadata=self.metadata,
            buffer_size=0 if is_small else _PIECE_BYTES,
            pre_buffer=is_small and not file.is_local,  # fewer and larger requests to a remote store
            page_checksum_verification=True,
        )
        stack.callback(self.reader.close, force=True)
        self.names: Sequence[str] = self.reader.schema_arrow.names
        self.malformed: Counter[str] = Counter()

    def parts(self, names: Sequence[str]) -> list[Part]:
        """Runs of consecutive row groups, each within the size of a part."""
        bounds, size = [0], 0.0
        for group, more in enumerate(self._bytes(set(names))):
            if group > bounds[-1] and size + more > _PART_BYTES:
                bounds.append(group)
                size = 0.0
            size += more
        firsts = list(accumulate(self.rows, initial=0))
        pairs = pairwise([*bounds, len(self.rows)])
        return [Part(start, stop, firsts[start], firsts[stop] - firsts[start]) for start, stop in pairs]

    def list_length(self, name: str) -> int | None:
        return list_length(self.reader.schema_arrow.field(name).type, self.chunks([name], Part(), LISTS_READ), name)

    def _bytes(self, names: set[str]) -> list[float]:
        """The approximate decoded size of the columns in each row group; lists and text count as the whole group.

        The sizes of single columns in the metadata would be more exact, but pyarrow crashes if they are damaged.
        """
        kinds = [self.reader.schema_arrow.field(name).type for name in names]
        row = sum(kind.bit_width / 8 if is_primitive(kind) else math.inf for kind in kinds)
        sizes = [self.metadata.row_group(g).total_byte_size for g in range(len(self.rows))]
        return [min(size, rows * row) if rows else 0 for size, rows in zip(sizes, self.rows, strict=True)]

    def chunks(self, names: Sequence[str], part: Part, rows: int, uses: Uses = ANY) -> Iterator[Chunk]:
        row = part.first_row
        stop = len(self.rows) if part.stop is None else part.stop
        for group in range(part.start, stop):
            first = row
            for batch in self.reader.iter_batches(rows, [group], columns=list(names), use_threads=False):
                validate(batch)
                yield Chunk({name: batch.column(name) for name in names}, row, batch.num_rows)
                row += batch.num_rows
            if row - first != self.rows[group]:
                expected = f"{self.rows[group]}, as the metadata says"
                raise Refusal(f"row group {group}", f"{row - first} rows", expected)
