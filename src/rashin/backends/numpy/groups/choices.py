"""Losses of choices on NumPy arrays: sets, one side by side, in threads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin.backends.numpy.groups import ordering
from rashin.backends.numpy.groups.body import Body
from rashin.backends.numpy.results import DOUBLE, NO_DOUBLES, PARALLEL, Program
from rashin.kernels import choices as kernel
from rashin.kernels import threads

__all__ = ["evaluate"]

LARGE = 1 << 15  # samples of a set whose steps are divided among the threads, by spans of SPAN
SPAN = 1 << 15
CHUNK = 1 << 14  # samples of smaller sets that are handed out together
MOST = 1 << 29  # samples of a set that its sorted integers can count


def evaluate(
    program: Program,
    z: NDArray[np.float64],
    t: NDArray[np.float64],
    w: NDArray[np.float64] | None,
    starts: NDArray[np.int64],
    order: int,
) -> Body:
    """The loss of each set, its mass, and the derivatives up to ``order``."""
    work = _Work(program, z, t, w, starts, order)
    for g in np.flatnonzero(np.diff(starts) > LARGE):
        work.of_large(int(g))
    workers = threads.count() if z.size >= PARALLEL else 1
    threads.share(work.of_small, _chunks(starts), workers)
    if np.isnan(work.values).any():
        _refuse_without_limit(z, starts, int(np.argmax(np.isnan(work.values))))
    masses = work.masses if t.ndim == 2 else (work.masses > 0.0).astype(np.float64)  # lists count as one each
    return Body(work.values, masses, work.gradient if order > 0 else None, work.hessian if order > 1 else None)


class _Work:
    """The arrays of an evaluation, empty where they are not wanted or all of their numbers are equal."""

    def __init__(
        self,
        program: Program,
        z: NDArray[np.float64],
        t: NDArray[np.float64],
        w: NDArray[np.float64] | None,
        starts: NDArray[np.int64],
        order: int,
    ) -> None:
        self.z, self.starts, self.w = z, starts, NO_DOUBLES if w is None else w
        self.times, self.shares = _roles(program.rule.kind, t)
        self.values, self.masses = np.zeros(starts.size - 1), np.empty(starts.size - 1)
        self.gradient = np.empty(z.size if order > 0 else 0)
        self.hessian = np.empty(z.size if order > 1 else 0)
        self.loop, self.parameters = program.loop(order, DOUBLE), program.numbers
        self.efron = int(dict(program.rule.options).get("efron", False))
        kernel.weigh_choices(DOUBLE)(self.shares, self.w, starts, self.masses)

    def of_small(self, chunks: Iterator[tuple[int, int]]) -> None:
        """Sweep over the sets of the chunks that fall to this thread."""
        for first, last in chunks:
            starts = self.starts[first : last + 1]
            rows = self._rows(int(np.diff(starts).max()))
            self._take(kernel.ORDER, kernel.SCATTER + 1, first, last, rows, self.values[first:last])

    def of_large(self, g: int) -> None:
        """Take the steps of a large set one by one, those over spans of rows in threads."""
        n = int(self.starts[g + 1] - self.starts[g])
        if n > MOST:
            raise ValueError(f"group: got a set of {n} samples; expected at most {MOST}")
        rows, spans = self._rows(n), [(first, min(first + SPAN, n)) for first in range(0, n, SPAN)]
        totals = np.zeros(len(spans))

        def whole(step: int, known: int) -> int:
            return self._take(step, step + 1, g, g + 1, rows, np.empty(1), (0, n), known)

        def divided(step: int, known: int) -> None:
            def over(mine: Iterator[int]) -> None:
                for k in mine:
                    self._take(step, step + 1, g, g + 1, rows, totals[k : k + 1], spans[k], known)

            threads.share(over, range(len(spans)), min(threads.count(), len(spans)))

        lacking = whole(kernel.ORDER, 0)
        ordering.sort(rows[:n].view(np.int64), rows[n : 2 * n].view(np.int64), (n - 1).bit_length())
        whole(kernel.REFINE, lacking)
        divided(kernel.GATHER, 0)
        segments = whole(kernel.SEGMENT, 0)
        divided(kernel.WEIGH, segments)
        whole(kernel.SCAN, segments)
        divided(kernel.SCORE, segments)
        self.values[g] = _total(totals)
        if self.gradient.size:
            whole(kernel.BACK, segments)
            divided(kernel.SCATTER, segments)

    def _rows(self, n: int) -> NDArray[np.float64]:
        return np.empty(kernel.columns(self.w, self.hessian) * n)

    def _take(
        self,
        begin: int,
        end: int,
        first: int,
        last: int,
        rows: NDArray[np.float64],
        values: NDArray[np.float64],
        span: tuple[int, int] = (0, 0),
        known: int = 0,
    ) -> int:
        starts = self.starts[first : last + 1]
        arrays = (self.z, self.times, self.shares, self.w, self.gradient, self.hessian)
        # Of those that are empty there is nothing to take.
        z, times, shares, w, gradient, hessian = (x[starts[0] : starts[-1]] for x in arrays)
        found: int = kernel.sweep(DOUBLE)(
            begin, end, *span, known, self.loop.address, z, times, shares, w, starts - starts[0], self.efron,
            self.parameters, rows, values, gradient, hessian,
        )[1]  # fmt: skip
        return found


def _refuse_without_limit(z: NDArray[np.float64], starts: NDArray[np.int64], g: int) -> NoReturn:
    """Raise for a set that has no limit."""
    own = z[starts[g] : starts[g + 1]]
    got = "more than one inf" if np.count_nonzero(own == np.inf) > 1 else "-inf for all"
    raise ValueError(
        f"prediction: got {got} at risk when a member is chosen, in set {g} of {starts.size - 1}; expected a set "
        f"with a finite loss or a limit; fix: leave the members out by where=..., or change the predictions"
    )


def _total(parts: NDArray[np.float64]) -> float:
    """Their sum, rounded once; infinite or NaN as in arithmetic."""
    return math.fsum(parts) if np.isfinite(parts).all() else float(parts.sum())


def _roles(kind: str, t: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """When samples leave those at risk, and the shares of the choices; empty if all are equal."""
    if kind == "choices":
        return NO_DOUBLES, t
    if t.ndim == 2:
        return np.ascontiguousarray(t[:, 0]), np.ascontiguousarray(t[:, 1])
    return -t, NO_DOUBLES  # what has a high target is chosen first, among all that are not higher


def _chunks(starts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Small sets that go together: so many that they have CHUNK samples, or one that has more."""
    sets, first = starts.size - 1, 0
    while first < sets:
        last = int(np.searchsorted(starts, starts[first] + CHUNK, side="right")) - 1
        last = min(max(last, first + 1), sets)
        if last > first + 1 or starts[last] - starts[first] <= LARGE:
            yield first, last
        first = last
