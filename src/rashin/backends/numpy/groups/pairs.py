"""Losses of pairs: the sums, over the pairs of each set, of a formula of two predictions and their targets."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.backends.numpy.groups.body import Body
from rashin.backends.numpy.results import DOUBLE, NO_DOUBLES, Program
from rashin.kernels import pairs as kernel
from rashin.kernels import threads

__all__ = ["evaluate"]

PAIRS = 1 << 18  # pairs, at most, of the sets that a thread takes at a time
LARGE, STRIPS = 4096, 16  # samples from which threads share a set, in so many strips, whatever their number


class _Sets(NamedTuple):
    """What there is to evaluate: loops, samples and options."""

    program: Program
    z: NDArray[np.float64]
    t: NDArray[np.float64]
    w: NDArray[np.float64]
    starts: NDArray[np.int64]
    order: int
    truncation: int
    table: NDArray[np.float64]
    element: np.dtype[Any]

    def sweep(self, first: int, last: int, body: Body, strip: int = 0, strips: int = 1) -> None:
        """Sweep over some of the sets."""
        starts = self.starts[first : last + 1]
        program, order = self.program, self.order
        kernel.sweep(DOUBLE)(
            program.loop(order, self.element).address,
            program.loop(min(order + 1, 2), self.element).address,
            self.z,
            self.t,
            self.w,
            program.numbers,
            starts,
            int(np.diff(starts).max()),
            order,
            self.truncation,
            strip,
            strips,
            self.table,
            body.values[first:last],
            body.masses[first:last],
            NO_DOUBLES if body.gradient is None else body.gradient,
            NO_DOUBLES if body.hessian is None else body.hessian,
        )


def evaluate(
    program: Program,
    z: NDArray[Any],
    t: NDArray[np.float64],
    w: NDArray[np.float64] | None,
    starts: NDArray[np.int64],
    order: int,
) -> Body:
    """Loss, weight of the pairs and derivatives of each set, all of whose samples have a weight that is not 0."""
    sizes = np.diff(starts)
    options = dict(program.rule.options)
    most = int(sizes.max(initial=0))
    table = _discounts(most) if options.get("ndcg") else np.empty((3, 0))
    truncation = int(min(options.get("truncation") or 0, most))
    weights = np.empty(0) if w is None else w
    sets = _Sets(program, z.astype(DOUBLE, copy=False), t, weights, starts, order, truncation, table, z.dtype)
    body = _empty(len(sizes), z.size, order)
    chunks = _chunks(sizes)
    workers = threads.count() if (sizes * sizes).sum() > 2 * PAIRS else 1

    def small(mine: Iterator[tuple[int, int]]) -> None:
        for first, last in mine:
            sets.sweep(first, last, body)

    threads.share(small, (chunk for chunk in chunks if sizes[chunk[0]] < LARGE), workers)
    for first, _ in chunks:
        if sizes[first] >= LARGE:
            _large(sets, first, body)
    return body


def _large(sets: _Sets, g: int, body: Body) -> None:
    """Evaluate one set in strips, which are added in their order: the same bits for any number of threads."""
    own = slice(int(sets.starts[g]), int(sets.starts[g + 1]))
    one = sets._replace(
        z=sets.z[own],
        t=sets.t[own],
        w=sets.w[own] if sets.w.size else sets.w,
        starts=np.array([0, own.stop - own.start]),
    )
    parts = [_empty(1, own.stop - own.start, sets.order) for _ in range(STRIPS)]

    def strips(mine: Iterator[int]) -> None:
        for strip in mine:
            one.sweep(0, 1, parts[strip], strip, STRIPS)

    threads.share(strips, range(STRIPS), threads.count())
    body.values[g] = _sum([float(part.values[0]) for part in parts])
    body.masses[g] = _sum([float(part.masses[0]) for part in parts])
    if body.gradient is not None:
        body.gradient[own] = _halved([part.gradient for part in parts])
    if body.hessian is not None:
        body.hessian[own] = _halved([part.hessian for part in parts])


def _sum(parts: list[float]) -> float:
    return math.fsum(parts) if all(map(math.isfinite, parts)) else sum(parts)


def _halved(parts: list[Any]) -> NDArray[np.float64]:
    """The sum of the arrays, of two halves each time: four roundings of sixteen."""
    while len(parts) > 1:
        parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]  # type: ignore[no-any-return]


def _empty(groups: int, samples: int, order: int) -> Body:
    gradient, hessian = (np.zeros(samples) if order >= wanted else None for wanted in (1, 2))
    return Body(np.zeros(groups), np.zeros(groups), gradient, hessian)


def _chunks(sizes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Sets that a thread takes at a time: of about as many pairs, or one that is large."""
    reached = np.cumsum(np.where(sizes < LARGE, sizes * sizes, 0) + sizes)
    cuts = np.searchsorted(reached, np.arange(PAIRS, int(reached[-1]) if sizes.size else 0, PAIRS))
    large = np.flatnonzero(sizes >= LARGE)
    bounds = np.unique(np.concatenate([[0, sizes.size], cuts, large, large + 1]))
    return [(int(a), int(b)) for a, b in itertools.pairwise(bounds)]


@functools.lru_cache(maxsize=4)
def _discounts(count: int) -> NDArray[np.float64]:
    """The table of discounts for so many ranks."""
    table = np.empty((3, count))
    kernel.discounts(DOUBLE)(table)
    return table
