"""The class that a row of predictions decides for."""

from __future__ import annotations

from typing import Any

import numba as nb

from rashin.cached import cached

__all__ = ["first_largest"]


def _signature(element: Any) -> Any:
    return nb.void(nb.types.Array(element, 2, "A", readonly=True), nb.types.Array(nb.int64, 1, "C"))


@cached(_signature)
def first_largest(rows: Any, places: Any) -> None:
    """Where the first of the largest of each row stands."""
    for i in range(rows.shape[0]):
        best, place = rows[i, 0], 0
        for k in range(1, rows.shape[1]):
            if rows[i, k] > best:
                best, place = rows[i, k], k
        places[i] = place
