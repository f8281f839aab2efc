"""The class that a row of predictions decides for."""

from __future__ import annotations

from typing import Any

from rashin.native.kernel import kernel

__all__ = ["first_largest"]


@kernel("x[:, :] i8[:]")
def first_largest(rows: Any, places: Any) -> None:
    """Where the first of the largest of each row stands."""
    for i in range(rows.shape[0]):
        best, place = rows[i, 0], 0
        for k in range(1, rows.shape[1]):
            if rows[i, k] > best:
                best, place = rows[i, k], k
        places[i] = place
