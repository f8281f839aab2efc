"""Losses of exact sums over sets: the soft confusion, and the moments of two arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.arithmetic import arrays
from rashin.backends.numpy.groups.body import Body
from rashin.backends.numpy.pointwise import domain_bounds
from rashin.backends.numpy.results import DOUBLE, NOTHING_OF, PARALLEL, Program
from rashin.exact import SUM, UNIT_EXPONENT, as_floats, divide, each_as_integer
from rashin.kernels import comoments, confusion, threads
from rashin.kernels.pointwise import ENDS, FINE

__all__ = ["KINDS", "Confusion", "Moments", "evaluate", "losses_of", "sums_of"]

UNIT = 1 << -UNIT_EXPONENT
PIECE = 1 << 16  # members of a task
SETS = 256  # of a task: their sums stay in the cache
SLAB = 1 << 14  # sets whose sums are in memory at one time


class Confusion(NamedTuple):
    """The sums of w z t, w z (1 - t), w (1 - z) t and w (1 - z) (1 - t) of each set."""

    tp: NDArray[np.float64]
    fp: NDArray[np.float64]
    fn: NDArray[np.float64]
    tn: NDArray[np.float64]

    @classmethod
    def of(cls, limbs: NDArray[np.int64]) -> Confusion:
        """From the exact sums (sets, 4, SUM)."""
        return cls(*as_floats(limbs.reshape(-1, SUM)).reshape(-1, confusion.COUNT).T)

    @classmethod
    def of_integers(cls, rows: Iterable[tuple[int, ...]]) -> Confusion:
        """From the sums in units of 2**-1088."""
        return cls(*np.array([[divide(n, UNIT) for n in row] for row in rows]).reshape(-1, confusion.COUNT).T)

    def filled(self) -> NDArray[np.bool_]:
        """Whether a set has a member whose weight is above 0; its four products sum to that weight."""
        return np.any([self.tp, self.fp, self.fn, self.tn], axis=0)  # type: ignore[no-any-return]

    def scales(self) -> NDArray[np.float64]:
        """What ``spread`` needs of a set besides slopes."""
        return np.empty((self.tp.size, 0))


class Moments(NamedTuple):
    """The weighted moments of each set, each correctly rounded.

    ``shift`` is the mean of z - t, ``residual_variance`` the variance of z - t, ``unexplained`` the variance of z less
    covariance^2 / target_variance; ``total`` is the sum of the weights, ``mean`` and ``target_mean`` are two doubles.
    """

    shift: NDArray[np.float64]
    variance: NDArray[np.float64]
    covariance: NDArray[np.float64]
    target_variance: NDArray[np.float64]
    residual_variance: NDArray[np.float64]
    unexplained: NDArray[np.float64]
    total: NDArray[np.float64]
    mean: NDArray[np.float64]
    target_mean: NDArray[np.float64]

    @classmethod
    def of(cls, limbs: NDArray[np.int64]) -> Moments:
        """From the exact sums (sets, 6, SUM)."""
        each = iter(each_as_integer(limbs.reshape(-1, SUM)))
        return cls.of_integers(zip(*[each] * comoments.COUNT, strict=True))

    @classmethod
    def of_integers(cls, rows: Iterable[tuple[int, ...]]) -> Moments:
        """From the sums in units of 2**-1088."""
        found = [_moments(*row) for row in rows]
        columns = [np.array(column) for column in zip(*found, strict=True)] or [np.empty(0)] * len(cls._fields)
        return cls(*columns[:-2], *(column.reshape(-1, 2) for column in columns[-2:]))

    def filled(self) -> NDArray[np.bool_]:
        """Whether a set has a member whose weight is above 0."""
        return self.total > 0.0

    def scales(self) -> NDArray[np.float64]:
        """What ``spread`` needs of a set besides slopes."""
        total = np.where(self.filled(), self.total, 1.0)  # it is divided by, also where all slopes are 0
        return np.column_stack([self.mean, self.target_mean, total])


def _moments(n: int, z: int, t: int, zz: int, zt: int, tt: int) -> tuple[Any, ...]:
    """Of integers in units of 2**-1088, exactly until the last division."""
    if n == 0:
        return (0.0,) * 7 + ((0.0, 0.0),) * 2
    bits = n | z | t | zz | zt | tt
    low = (bits & -bits).bit_length() - 1  # as short as possible: of 1,100 bits most are zeros at the end
    total = divide(n, UNIT)
    n, z, t, zz, zt, tt = n >> low, z >> low, t >> low, zz >> low, zt >> low, tt >> low
    square, v, u, c = n * n, n * zz - z * z, n * tt - t * t, n * zt - z * t
    return (
        divide(z - t, n),
        divide(v, square),
        divide(c, square),
        divide(u, square),
        divide(v + u - 2 * c, square),
        divide(v * u - c * c, square * u) if u else divide(v, square),
        total,
        _in_two(z, n),
        _in_two(t, n),
    )


def _in_two(numerator: int, denominator: int) -> tuple[float, float]:
    """A quotient as a double and what remains."""
    high = divide(numerator, denominator)
    top, bottom = high.as_integer_ratio()
    return high, divide(numerator * bottom - top * denominator, denominator * bottom)


class _Kind(NamedTuple):
    kernel: Any
    statistics: Any


KINDS = {"confusion": _Kind(confusion, Confusion), "moments": _Kind(comoments, Moments)}

_NO_SUMS = {name: np.empty((0, kind.kernel.COUNT, SUM), np.int64) for name, kind in KINDS.items()}


def evaluate(
    program: Program,
    z: NDArray[Any],
    t: NDArray[Any],
    w: NDArray[np.float64] | None,
    starts: NDArray[np.int64],
    order: int,
    divisor_of: Callable[[NDArray[np.float64]], float],
) -> Body | None:
    """The losses of the sets, and their derivatives over the divisor; None if a number lies outside its domain."""
    kind, of_all = KINDS[program.rule.kind], w if w is not None else NOTHING_OF[DOUBLE]
    statistics = _statistics(program, z, t, of_all, starts)
    if statistics is None:
        return None
    values, masses, slopes = losses_of(program, statistics)
    if not order:
        return Body(values, masses)
    table = np.column_stack([statistics.scales(), slopes / divisor_of(masses)])
    gradient, hessian = np.empty_like(z), np.empty_like(z) if order > 1 else NOTHING_OF[z.dtype]
    run, inputs = kind.kernel.spread(z.dtype), (z, t) if kind.statistics is Moments else (t,)

    def over(task: _Task) -> None:
        sets, members = task
        w_of = of_all[members] if of_all.size else of_all
        h = hessian[members] if order > 1 else hessian
        run(*(x[members] for x in inputs), w_of, _of(starts, task), table[sets], gradient[members], h)

    _each(over, starts)
    return Body(values, masses, gradient, hessian if order > 1 else None)


def _statistics(program: Program, z: Any, t: Any, w: Any, starts: NDArray[np.int64]) -> Any:
    """What the formula is a function of, slab by slab: the sums of a set take some kilobytes."""
    of, parts = KINDS[program.rule.kind].statistics.of, []
    for first in range(0, starts.size - 1, SLAB):
        inner = starts[first : first + SLAB + 1]
        members = slice(inner[0], inner[-1])
        limbs = sums_of(program, z[members], t[members], w[members] if w.size else w, inner - inner[0])
        if limbs is None:
            return None
        parts.append(of(limbs))
    if len(parts) == 1:
        return parts[0]
    return type(parts[0])(*map(np.concatenate, zip(*parts, strict=True))) if parts else of(_NO_SUMS[program.rule.kind])


def losses_of(program: Program, s: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The losses of sets, what each counts, and their slopes and curvatures by the statistics.

    A set without a weight above 0 does not count, as one that a mask leaves out.
    """
    rule = program.rule
    with np.errstate(all="ignore"):
        value, slopes, curvatures = rule.formula(arrays, s, *rule.parameters)
    counts = s.filled()
    if dict(rule.options).get("skip_absent"):
        counts &= s.tp + s.fn > 0.0
    table = np.column_stack([np.broadcast_to(x, counts.shape) for x in (*slopes, *curvatures)])
    return np.where(counts, value, 0.0), counts.astype(np.float64), np.where(counts[:, np.newaxis], table, 0.0)


def sums_of(
    program: Program, z: NDArray[Any], t: NDArray[Any], w: NDArray[np.float64], starts: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """The exact sums (sets, statistics, SUM); None if a number lies outside its domain."""
    kernel = KINDS[program.rule.kind].kernel
    bounds = np.array([_tested(domain, z.dtype) for domain in (program.rule.prediction, program.rule.target)]).ravel()
    run, limbs = kernel.add(z.dtype), np.zeros((starts.size - 1, kernel.COUNT, SUM), np.int64)

    def over(task: _Task) -> Any:
        sets, members = task
        part = np.empty(((sets.stop - sets.start) * kernel.COUNT, SUM), np.int64)
        w_of = w[members] if w.size else w
        found, _ = run(z[members], t[members], w_of, _of(starts, task), bounds, part)
        return sets, part.reshape(-1, kernel.COUNT, SUM), found == FINE

    parts = _each(over, starts)
    for sets, part, _ in parts:
        limbs[sets] += part
    return limbs if all(good for _, _, good in parts) else None


def _tested(domain: Any, element: np.dtype[Any]) -> tuple[float, float, float]:
    low, high, shape = domain_bounds(domain, element)
    return low, high, float(shape == ENDS)


_Task = tuple[slice, slice]  # sets, and members


def _tasks(starts: NDArray[np.int64]) -> Iterator[_Task]:
    """Runs of small sets, and pieces of large ones."""
    last, g = starts.size - 1, 0
    while g < last:
        end = int(np.searchsorted(starts, starts[g] + PIECE, side="right")) - 1
        end = min(max(end, g + 1), g + SETS, last)
        for start in range(int(starts[g]), int(starts[end]), PIECE) if end == g + 1 else (int(starts[g]),):
            stop = min(start + PIECE, int(starts[end])) if end == g + 1 else int(starts[end])
            yield slice(g, end), slice(start, stop)
        g = end


def _of(starts: NDArray[np.int64], task: _Task) -> NDArray[np.int64]:
    """Where the sets of a task begin in it."""
    sets, members = task
    inner = starts[sets.start : sets.stop + 1] - members.start
    return np.clip(inner, 0, members.stop - members.start)  # type: ignore[no-any-return]


def _each(run: Callable[[_Task], Any], starts: NDArray[np.int64]) -> list[Any]:
    """What the function returns of each task, in threads if there are many members."""
    tasks = _tasks(starts)
    workers = threads.count() if starts[-1] >= PARALLEL else 1
    if workers == 1:
        return list(map(run, tasks))
    parts = threads.share(lambda mine: list(map(run, mine)), tasks, workers)
    return list(itertools.chain.from_iterable(parts))
