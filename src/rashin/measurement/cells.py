"""Running exact sums by cell: one for all rows, or one for each group, class or cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.exact import DIGITS
from rashin.kernels import moments as kernel
from rashin.kernels import threads
from rashin.measurement.clusters import Cluster, Key, in_order
from rashin.measurement.keys import Codes
from rashin.measurement.moments import Moments
from rashin.measurement.sums import ExactSum

__all__ = ["EVERYTHING", "Cells"]

Array = NDArray[Any]

PARALLEL = 1 << 16  # rows below which a second thread costs more than it brings
PIECE = 1 << 18  # rows handed to a thread at a time, at most: among many, each cell has a run that is worth a block
MOST_COPIED = 1 << 22  # limbs up to which every thread has sums of its own
MOST_UNCARRIED = 1 << 28  # rows: each adds to a digit at most 8 numbers below 2**32, and 2**63 is the end

EVERYTHING = Codes(np.zeros(0, np.int64), (0,))  # one cell, whatever the row

_NOTHING = np.empty(0)
_DOUBLE = np.dtype(np.float64)


class _Sums(NamedTuple):
    """Arrays of sums, a row for each cell: how many rows there were, the largest loss, and limbs."""

    counts: Array
    highest: Array
    limbs: Array

    @classmethod
    def empty(cls, cells: int, sums: int) -> _Sums:
        return cls(np.zeros(cells, np.int64), np.full(cells, -np.inf), np.zeros((cells, sums, DIGITS + 2), np.int64))

    def like(self, cells: int) -> _Sums:
        return _Sums.empty(cells, self.limbs.shape[1])

    def grown(self, cells: int) -> _Sums:
        """With room for so many cells at least."""
        missing = cells - self.counts.size
        if missing <= 0:
            return self
        more = self.like(max(missing, self.counts.size))
        return _Sums(*(np.concatenate(pair) for pair in zip(self, more, strict=True)))

    def add(self, losses: Array, w: Array, cells: Array) -> None:
        """Add rows; ``w`` is empty for weight 1, and ``cells`` where all fall to the first."""
        if cells.size:
            kernel.add_by_cell(_DOUBLE)(losses, w, cells, self.counts, self.highest, self.limbs)
        elif losses.size:
            self.counts[0] += losses.size
            self.highest[0] = max(self.highest[0], kernel.add_together(_DOUBLE)(losses, w, self.limbs[0]))

    def carry(self) -> None:
        """Bring each digit below 2**32 again, before rows without end overflow it."""
        for digit in range(DIGITS - 1):
            self.limbs[..., digit + 1] += self.limbs[..., digit] >> 32
            self.limbs[..., digit] &= 0xFFFF_FFFF

    def add_shared(self, losses: Array, w: Array, cells: Array) -> None:
        """Add rows with threads, where there are many."""
        workers = threads.count() if losses.size >= PARALLEL and self.limbs.size <= MOST_COPIED else 1
        if workers == 1:
            self.add(losses, w, cells)
            return

        def work(mine: Iterator[int]) -> _Sums:
            own = self.like(self.counts.size)
            for start in mine:
                own.add(*(part[start : start + size] for part in (losses, w, cells)))
            return own

        size = min(PIECE, -(-losses.size // workers))
        for found in threads.share(work, range(0, losses.size, size), workers):
            np.add(self.counts, found.counts, out=self.counts)
            np.maximum(self.highest, found.highest, out=self.highest)
            np.add(self.limbs, found.limbs, out=self.limbs)

    def at(self, cell: int) -> tuple[int, float, list[ExactSum]]:
        """Count, largest loss and sums of a cell; those of nothing, if it has had no room yet."""
        if cell >= self.counts.size or not self.counts[cell]:
            return 0, -np.inf, [ExactSum()] * self.limbs.shape[1]
        return int(self.counts[cell]), float(self.highest[cell]), [ExactSum.of(row) for row in self.limbs[cell]]


class Cells:
    """The sums of each cell; there are more cells as keys come.

    Parameters
    ----------
    plain, weighed : how many sums to keep of rows without and with weights, the first of ``rashin.kernels.moments``.
    """

    def __init__(self, plain: int = kernel.PLAIN_SUMS, weighed: int = kernel.WEIGHED_SUMS) -> None:
        self._cell_of: dict[Key, int] = {}
        self._mapped: tuple[Any, Array] = (None, _NOTHING)  # the keys that came last, and their cells
        self._plain, self._weighed, self._right = (_Sums.empty(0, sums) for sums in (plain, weighed, 1))
        self._asked_right = True
        self._uncarried = 0  # rows

    def add(self, losses: Array, w: Array | None, right: Array | None, codes: Codes) -> None:
        """Add rows to the cells of their keys; ``right`` tells whose prediction is right, None if nobody asked."""
        self._carry(losses.size)
        cells, everyone = self._cells(codes), len(self._cell_of)
        if w is None:
            self._plain = self._plain.grown(everyone)
            self._plain.add_shared(losses, _NOTHING, cells)
        else:
            self._weighed = self._weighed.grown(everyone)
            self._weighed.add_shared(losses, w, cells)
        if right is None:
            self._asked_right = False
        else:
            counted = np.ones(np.count_nonzero(right)) if w is None else w[right]
            self._right = self._right.grown(everyone)
            self._right.add_shared(counted, _NOTHING, cells[right] if cells.size else cells)

    def _carry(self, rows: int) -> None:
        self._uncarried += rows
        if self._uncarried > MOST_UNCARRIED:
            self._uncarried = rows
            for sums in (self._plain, self._weighed, self._right):
                sums.carry()

    def _cells(self, codes: Codes) -> Array:
        if self._mapped[0] is not codes.keys:
            places = [self._cell_of.setdefault(key, len(self._cell_of)) for key in codes.keys]
            self._mapped = codes.keys, np.array(places, np.int64)
        cells = self._mapped[1]
        if codes is EVERYTHING:
            return cells[:0]
        if (cells == np.arange(cells.size)).all():
            return np.ascontiguousarray(codes.codes, np.int64)
        return cells[codes.codes]  # type: ignore[no-any-return]

    def moments(self) -> dict[Key, Moments]:
        """What has been summed up for each key, also for those that had no row."""
        return {key: self._moments(cell) for key, cell in in_order(self._cell_of).items()}

    def _moments(self, cell: int) -> Moments:
        both = Moments.of_plain(*self._plain.at(cell)) + Moments.of_weighed(*self._weighed.at(cell))
        return both.with_right(self._right.at(cell)[2][0]) if self._asked_right else both

    def clusters(self) -> dict[Key, Cluster]:
        """The sums of w l and w of each key that had a row."""
        found = {}
        for key, cell in in_order(self._cell_of).items():
            (count, _, plain), (more, _, weighed) = self._plain.at(cell), self._weighed.at(cell)
            if count + more:
                found[key] = Cluster(plain[0] + weighed[0], ExactSum.whole(count) + weighed[1])
        return found
