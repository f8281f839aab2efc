"""A measurement of consecutive rows."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from rashin.measurement.measurement import Measurement

__all__ = ["Piece"]


class Piece(NamedTuple):
    """A measurement of consecutive rows, and their number; in ``a + b`` the rows of ``b`` follow those of ``a``.

    Addition is associative: the worst rows get their row numbers in the whole, although a worker does not know the
    number of rows before its own. ``lengths`` contains the lengths of the lists in columns of lists, equal for all
    rows.
    """

    measurement: Measurement
    rows: int
    lengths: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: object) -> Piece:
        if not isinstance(other, Piece):
            return NotImplemented
        before, after = dict(self.lengths), dict(other.lengths)
        for name in before.keys() & after.keys():
            if before[name] != after[name]:
                raise ValueError(
                    f"the data frame, column {name!r}: got lists of {before[name]} in some partitions and of "
                    f"{after[name]} in others; expected lists of one length"
                )
        moved = [row._replace(row=row.row + self.rows) for row in other.measurement.worst]
        added = self.measurement + replace(other.measurement, worst=moved)
        return Piece(added, self.rows + other.rows, tuple((before | after).items()))
