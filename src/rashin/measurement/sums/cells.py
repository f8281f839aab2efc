"""Running exact sums by cell: one for all rows, or one for each group, class or cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice, repeat, starmap
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.exact import DIGITS
from rashin.kernels import moments as kernel
from rashin.kernels import threads
from rashin.measurement.sums.clusters import Cluster, Key, in_order
from rashin.measurement.sums.codes import Codes
from rashin.measurement.sums.moments import Infinite, Moments
from rashin.measurement.sums.sums import ExactSum

__all__ = ["EVERYTHING", "Cells", "by_first", "pairs_of"]

Array = NDArray[Any]

PARALLEL = 1 << 16  # rows below which a second thread costs more than it brings
PIECE = 1 << 18  # rows handed to a thread at a time, at most: among many, each cell has a run that is worth a block
MOST_COPIED = 1 << 22  # limbs up to which every thread has sums of its own
MOST_UNCARRIED = 1 << 28  # rows: each adds to a digit at most 8 numbers below 2**32, and 2**63 is the end

EVERYTHING = Codes(np.zeros(0, np.int64), (0,))  # one cell, whatever the row

_NOTHING = np.empty(0)
_TOGETHER = 1 << 12  # cells
_DOUBLE = np.dtype(np.float64)


class _Where(NamedTuple):
    """The cell of each row: ``cell_of[codes - low]``; there are no codes where all rows fall to the first cell."""

    codes: Array
    low: int
    cell_of: Array

    def of(self, rows: Any) -> _Where:
        """That of some rows."""
        return self._replace(codes=self.codes[rows]) if self.codes.size else self


class _Arrays(NamedTuple):
    """A row for each cell: how many rows there were, the largest loss, and limbs, (cells, sums, digits).

    In memory the same digit of all cells lies together: losses use few of the 72, and the system provides memory only
    for those. With the digits of a cell side by side, a million groups took 1.2 GB, with weights 3.5 GB.
    """

    counts: Array
    highest: Array
    limbs: Array

    @classmethod
    def empty(cls, cells: int, sums: int) -> _Arrays:
        limbs = np.zeros((DIGITS + 2, cells, sums), np.int64).transpose(1, 2, 0)
        return cls(np.zeros(cells, np.int64), np.full(cells, -np.inf), limbs)

    @property
    def by_digit(self) -> Array:
        """The limbs as they lie in memory, (digits, cells, sums)."""
        return self.limbs.transpose(2, 0, 1)

    @property
    def used(self) -> list[int]:
        """The digits that are not 0 in all cells; the others must not be written to."""
        return [digit for digit in range(DIGITS + 2) if self.limbs[..., digit].any()]

    def grown(self, cells: int) -> _Arrays:
        """With room for so many cells at least; what is not used yet takes no memory."""
        known = self.counts.size
        if cells <= known:
            return self
        found = _Arrays.empty(max(cells, 2 * known), self.limbs.shape[1])
        found.counts[:known], found.highest[:known] = self.counts, self.highest
        for digit in self.used:
            found.limbs[:known, :, digit] = self.limbs[..., digit]
        return found

    def add(self, losses: Array, w: Array, where: _Where) -> None:
        """Add rows; ``w`` is empty for weight 1."""
        losses, w = (
            np.require(array, np.float64, ["C", "A"]) for array in (losses, w)
        )  # files have them at any address
        if where.codes.size:
            kernel.add_by_cell(_DOUBLE)(losses, w, *where, self.counts, self.highest, self.by_digit)
        elif losses.size:
            self.counts[0] += losses.size
            kernel.add_together(_DOUBLE)(losses, w, self.highest, self.by_digit)

    def join(self, other: _Arrays) -> None:
        """Take over what another has, which is empty then."""
        np.add(self.counts, other.counts, out=self.counts)
        np.maximum(self.highest, other.highest, out=self.highest)
        other.counts.fill(0)
        other.highest.fill(-np.inf)
        for digit in other.used:
            self.limbs[..., digit] += other.limbs[..., digit]
            other.limbs[..., digit] = 0

    def carry(self) -> None:
        """Bring each digit below 2**32 again, before rows without end overflow it."""
        kernel.carry(_DOUBLE)(self.by_digit)


class _Sums:
    """Sums by cell; a thread has some of its own, and at the end they are joined."""

    def __init__(self, sums: int) -> None:
        self.sums = sums
        self._of_threads: list[_Arrays] = []

    def __bool__(self) -> bool:
        return bool(self._of_threads)

    def add(self, losses: Array, w: Array, where: _Where, cells: int) -> None:
        """Add rows to some of so many cells, with threads if there are many rows."""
        few = losses.size < PARALLEL or cells * self.sums * DIGITS > MOST_COPIED
        workers = 1 if few else threads.count()
        missing = max(0, workers - len(self._of_threads))
        arrays = [*self._of_threads, *(_Arrays.empty(0, self.sums) for _ in range(missing))]
        self._of_threads = [part.grown(cells) if number < workers else part for number, part in enumerate(arrays)]
        if workers == 1:
            self._of_threads[0].add(losses, w, where)
            return
        free = self._of_threads[:workers]

        def work(mine: Iterator[int]) -> None:
            own = free.pop()
            for start in mine:
                rows = slice(start, start + size)
                own.add(losses[rows], w[rows], where.of(rows))

        size = min(PIECE, -(-losses.size // workers))
        threads.share(work, range(0, losses.size, size), workers)

    def absorb(self, other: _Sums, cells: Array, everyone: int) -> None:
        """Add what another has, whose cells are ``cells`` here; it is empty then."""
        if not other:
            return
        if not self and np.array_equal(cells, np.arange(cells.size)):
            self._of_threads, other._of_threads = other._of_threads, []
            return
        mine, theirs = self.joined(everyone), other.joined(cells.size)
        counts, highest, limbs = (part[: cells.size] for part in theirs)
        mine.counts[cells] += counts
        mine.highest[cells] = np.maximum(mine.highest[cells], highest)
        for digit in theirs.used:
            mine.limbs[cells, :, digit] += limbs[..., digit]
        other._of_threads = []

    def joined(self, cells: int) -> _Arrays:
        """The arrays with so many cells, their digits carried."""
        first, *others = (part.grown(cells) for part in self._of_threads or [_Arrays.empty(0, self.sums)])
        for other in others:
            other.carry()
            first.join(other)
        first.carry()
        self._of_threads = [first]
        return first

    def taken(self, cells: int) -> Iterator[tuple[int, float, list[ExactSum]]]:
        """Count, largest loss and sums of each cell; made while they are read, as there may be millions."""
        if not self:
            yield from repeat((0, -np.inf, [ExactSum()] * self.sums), cells)
            return
        arrays = self.joined(cells)
        for start in range(0, cells, _TOGETHER):
            counts, highest, limbs = (part[start : min(start + _TOGETHER, cells)] for part in arrays)
            known = ExactSum.each_of(limbs.reshape(-1, DIGITS + 2))
            for count, most in zip(counts.tolist(), highest.tolist(), strict=True):
                yield count, most, list(islice(known, self.sums))

    def total(self, cells: int) -> tuple[int, float, list[ExactSum]]:
        """The same of all cells together."""
        if not self:
            return 0, -np.inf, [ExactSum()] * self.sums
        counts, highest, limbs = self.joined(cells)
        return int(counts.sum()), float(highest.max(initial=-np.inf)), [ExactSum.of(row) for row in limbs.sum(axis=0)]


class Cells:
    """The sums of each cell; there are more cells as keys come.

    Parameters
    ----------
    plain, weighed : how many sums to keep of rows without and with weights, the first of ``rashin.kernels.moments``.
    """

    def __init__(self, plain: int = kernel.PLAIN_SUMS, weighed: int = kernel.WEIGHED_SUMS) -> None:
        self._cell_of: dict[Key, int] = {}
        self._mapped: tuple[Any, Array] = (None, _NOTHING)  # the keys that came last, and their cells
        self._plain, self._weighed, self._right, self._infinite = _Sums(plain), _Sums(weighed), _Sums(1), _Sums(2)
        self._asked_right = True
        self._uncarried = 0  # rows

    def __bool__(self) -> bool:
        return bool(self._cell_of)

    def add(self, losses: Array, w: Array | None, right: Array | None, codes: Codes) -> None:
        """Add rows to the cells of their keys; ``right`` tells whose prediction is right, None if nobody asked."""
        self._carry(losses.size)
        where, cells = self._where(codes), len(self._cell_of)
        if w is None:
            self._plain.add(losses, _NOTHING, where, cells)
        else:
            self._weighed.add(losses, w, where, cells)
        if right is None:
            self._asked_right = False
        else:
            counted = np.ones(np.count_nonzero(right)) if w is None else w[right]
            self._right.add(counted, _NOTHING, where.of(right), cells)
        infinite = _infinite(losses, w)
        if infinite is not None:
            counted = np.ones(np.count_nonzero(infinite)) if w is None else w[infinite]
            self._infinite.add(counted, _NOTHING, where.of(infinite), cells)

    @property
    def _sums(self) -> tuple[_Sums, ...]:
        return self._plain, self._weighed, self._right, self._infinite

    def absorb(self, other: Cells) -> None:
        """Add what another has summed up, which it hands over: it is not to be used again."""
        cells = np.array([self._cell_of.setdefault(key, len(self._cell_of)) for key in other._cell_of], np.int64)
        for own, sums in zip(self._sums, other._sums, strict=True):
            own.absorb(sums, cells, len(self._cell_of))
        self._asked_right &= other._asked_right

    def _carry(self, rows: int) -> None:
        self._uncarried += rows
        if self._uncarried > MOST_UNCARRIED:
            self._uncarried = rows
            for sums in filter(None, self._sums):
                sums.joined(len(self._cell_of))

    def _where(self, codes: Codes) -> _Where:
        if self._mapped[0] is not codes.keys:
            places = [self._cell_of.setdefault(key, len(self._cell_of)) for key in codes.keys]
            self._mapped = codes.keys, np.array(places, np.int64)
        return _Where(np.require(codes.codes, np.int64, ["C", "A"]), codes.low, self._mapped[1])

    def total(self) -> Moments:
        """What has been summed up over all keys."""
        return self._moments(*(sums.total(len(self._cell_of)) for sums in self._sums))

    def moments(self) -> dict[Key, Moments]:
        """What has been summed up for each key, also for those that had no row."""
        cells = (sums.taken(len(self._cell_of)) for sums in self._sums)
        return in_order(dict(zip(self._cell_of, starmap(self._moments, zip(*cells, strict=True)), strict=True)))

    def _moments(self, plain: Any, weighed: Any, right: Any, infinite: Any) -> Moments:
        both = Moments.of_plain(*plain)
        if weighed[0]:
            both += Moments.of_weighed(*weighed)
        if infinite[0]:
            both = replace(both, infinite=Infinite(infinite[0], *infinite[2]))
        return replace(both, right=right[2][0]) if self._asked_right else both

    def clusters(self) -> dict[Key, Cluster]:
        """The sums of w l and w of each key that had a row, in the order in which they came."""
        cells = (sums.taken(len(self._cell_of)) for sums in (self._plain, self._weighed, self._infinite))
        found = {}
        for key, (count, _, (losses,)), (more, _, sums), infinite in zip(self._cell_of, *cells, strict=True):
            if count + more:
                found[key] = Cluster(losses + sums[0], ExactSum.whole(count) + sums[1], infinite[2][0])
        return found


def _infinite(losses: Array, w: Array | None) -> Array | None:
    """Which rows have an infinite w l; None where the largest numbers show that there are none."""
    if losses.size == 0:
        return None
    largest = max(float(losses.max()), -float(losses.min()))
    if isfinite(largest if w is None else largest * float(w.max())):
        return None
    with np.errstate(over="ignore"):
        found = np.isinf(losses if w is None else losses * w)
    return found if found.any() else None


# ------------------------------------------------------------------------------------- a group's clusters


def pairs_of(first: Codes, second: Codes) -> Codes:
    """The pair of keys that each row has; the keys are the pairs that occur."""
    many = len(second.keys)
    places = (first.codes - first.low) * many + (second.codes - second.low)
    if len(first.keys) * many <= 4 * places.size:
        occurs = np.zeros(len(first.keys) * many, bool)
        occurs[places] = True
        found, codes = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[places]
    else:
        found, codes = np.unique(places, return_inverse=True)
    keys: Any = [(first.keys[place // many], second.keys[place % many]) for place in found.tolist()]
    return Codes(codes.astype(np.int64, copy=False), keys)


def by_first(clusters: Mapping[Any, Cluster]) -> dict[Key, dict[Key, Cluster]]:
    """Clusters by pairs of keys, as those of each first key."""
    found: dict[Key, dict[Key, Cluster]] = {}
    for (first, second), cluster in clusters.items():
        found.setdefault(first, {})[second] = cluster
    return {key: in_order(some) for key, some in found.items()}
