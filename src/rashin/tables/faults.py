"""Refused rows: the first of them raises, or all are left out and counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Faults", "failing_rows"]

Mask = NDArray[np.bool_]


@dataclass
class Faults:
    """The faults in the rows of a batch.

    Parameters
    ----------
    path, first_row : file of the batch, and number of its first row.
    rows : number of rows.
    skip : True leaves faulty rows out; with False, the first one raises.
    """

    path: str
    first_row: int
    rows: int
    skip: bool
    wrong: Mask | None = None  # rows that are left out
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def where(self) -> Mask | None:
        """The rows that remain; None is all."""
        return None if self.wrong is None else ~self.wrong

    def add(self, wrong: Mask, reason: str, words: Callable[[int], str], column: str | None = None) -> None:
        """Leave out rows, each for the first reason found.

        Raises
        ------
        ValueError : faulty rows are not skipped; ``words`` returns the message for the first one.
        """
        fresh = wrong if self.wrong is None else wrong & ~self.wrong
        count = int(np.count_nonzero(fresh))
        if count == 0:
            return
        if not self.skip:
            row = int(np.argmax(fresh))
            raise ValueError(f"{self.place(row, column)}: {words(row)}")
        self.reasons[reason if column is None else f"{reason} in column {column!r}"] += count
        self.wrong = fresh if self.wrong is None else self.wrong | fresh

    def place(self, row: int, column: str | None) -> str:
        """The place of a row of the batch, for messages."""
        named = "" if column is None else f"column {column!r}, "
        return f"{self.path}, {named}row {self.first_row + row}"

    def refuse(self, column: str, kind: str, accepted: str) -> None:
        """Raise for a column of a type that is not accepted."""
        raise ValueError(f"{self.path}, column {column!r}, row {self.first_row}: got {kind}; expected {accepted}")


def failing_rows(check: Callable[[slice], Any], start: int, stop: int, first_only: bool) -> list[int]:
    """The rows for which ``check`` raises ``ValueError``, found by halving; only the first if that is enough.

    >>> def check(rows):
    ...     if rows.start <= 5 < rows.stop:
    ...         raise ValueError
    >>> failing_rows(check, 0, 100, first_only=False)
    [5]
    """
    if start == stop:
        return []
    try:
        check(slice(start, stop))
    except ValueError:
        if stop - start == 1:
            return [start]
        middle = (start + stop) // 2
        found = failing_rows(check, start, middle, first_only)
        return found if found and first_only else found + failing_rows(check, middle, stop, first_only)
    return []
