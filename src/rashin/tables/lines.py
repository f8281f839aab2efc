"""Lines of text that are not valid rows: with too few or too many fields, or with a quote that is not closed."""

from __future__ import annotations

import csv
from typing import Any

__all__ = ["Malformed", "open_quote", "without_first"]


class Malformed:
    """Skips and counts lines with too few or too many fields; Arrow calls it for each of them.

    ``swallowing`` is such a line that spans several lines of the file, as after a quote that is never closed.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Reset the counts."""
        self.count, self.swallowing = 0, b""

    def __call__(self, row: Any) -> str:
        if "\n" in row.text.strip():
            self.swallowing = row.text.encode()
        else:
            self.count += 1
        return "skip"


def open_quote(block: bytes, delimiter: str, rows: int) -> tuple[int, bytes] | None:
    """The number of rows before a quote that is not closed at the end of its field, and the lines from there on.

    Arrow takes the lines up to the next quote as one field, and silently drops their rows. ``rows`` is the number of
    rows it found, with the header and malformed lines; only if there are more lines is a search needed.

    >>> open_quote(b'1,"a\\n2,b\\n', ",", 1)
    (0, b'1,"a\\n2,b\\n')
    """
    if b'"' not in block:
        return None
    lines = block.splitlines(keepends=True)
    filled = len(lines) - sum(map(lines.count, (b"\n", b"\r\n", b"\r")))
    if filled == rows and not block.rstrip().rpartition(b"\n")[2].count(b'"') % 2:
        return None
    start, before = 0, 0
    reader = csv.reader((line.decode("latin-1") for line in lines), delimiter=delimiter, strict=True)
    while start < len(lines):
        try:
            before += bool(next(reader))
        except csv.Error as error:
            if reader.line_num > start + 1 or "unexpected end" in str(error):
                return before, b"".join(lines[start:])
            before += 1  # a quote within a field, which is allowed
        start = reader.line_num
    return None


def without_first(block: bytes, lines: bytes) -> bytes:
    """A block without the first of the given lines."""
    start = block.index(lines)
    return block[:start] + block[start + len(lines.splitlines(keepends=True)[0]) :]
