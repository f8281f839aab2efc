"""Pointwise losses on NumPy arrays: read where they lie if they lie well, else gathered box by box."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.buffers import is_contiguous, multiply, place_in, read, store
from rashin.backends.numpy.results import (
    DOUBLE,
    NO_DOUBLES,
    NOTHING,
    Outputs,
    Program,
    Results,
    Wanted,
    chunk_size,
    element_type,
    job,
)
from rashin.chunks import Box, boxes, memory_order, start_of, unravelled
from rashin.domain import Domain
from rashin.exact import BLOCK, Limbs, empty_limbs
from rashin.kernels import pointwise as kernel
from rashin.reduction import Weighing

__all__ = ["domain_bounds", "evaluate", "prepared"]

IN_PLACE = 1 << 20  # elements of a chunk that is read where it lies
GATHERED = 1 << 14  # elements of a chunk that is copied to a buffer first: it stays in the L2 cache


def evaluate(
    program: Program,
    z: NDArray[Any],
    t: NDArray[Any],
    weighing: Weighing,
    wanted: Wanted,
    out: Outputs | None,
    vector: NDArray[Any] | None = None,
) -> Results:
    """The exact sum of w l, and the arrays that are ``wanted``, of every element.

    With a ``vector``, in doubles, the second derivatives come times its elements.
    """
    checks.same_shape(z, t)
    results = Results(z.shape, z, wanted, out, (t, weighing.weight, weighing.where, vector))
    if results.in_place:
        evaluate(program, z, t, weighing, NOTHING, None)
    element = element_type(z, t) if vector is None else DOUBLE
    walk = _Walk(z, t, weighing, results, element, memory_order(z), vector)
    try:
        limbs = _swept(program, walk, wanted)
    except ValueError:
        # In C order the first bad element is the first one that the caller finds.
        limbs = _swept(program, _Walk(z, t, weighing, results, element, tuple(range(z.ndim)), vector), wanted)
    return results.finished(limbs)


def _swept(program: Program, walk: _Walk, wanted: Wanted) -> Limbs:
    return job(_Sweep(program, walk, wanted.order).over, boxes(walk.z.shape, walk.size), walk.z.size)


class _Walk:
    """The arrays in the order in which they are walked: flat if all lie well, else along the given axes."""

    def __init__(
        self,
        z: NDArray[Any],
        t: NDArray[Any],
        weighing: Weighing,
        results: Results,
        element: np.dtype[Any],
        axes: tuple[int, ...],
        vector: NDArray[Any] | None,
    ) -> None:
        self.element = element
        self.shape = z.shape
        arrays = (z, t, results.values, results.gradient, results.hessian, vector)
        self.flat = weighing.plain and all(
            is_contiguous(a, element) or (a is arrays[2] and is_contiguous(a, DOUBLE)) for a in arrays
        )
        self.axes = axes
        turned = [None if a is None else a.reshape(-1) if self.flat else a.transpose(self.axes) for a in arrays]
        self.z: NDArray[Any] = turned[0]  # type: ignore[assignment]
        self.t: NDArray[Any] = turned[1]  # type: ignore[assignment]
        self.values, self.gradient, self.hessian, self.vector = turned[2:]
        self.weighing = weighing if self.flat else weighing.transposed(self.axes)
        self.size = max(chunk_size(z.size, IN_PLACE if self.flat else GATHERED), 1)

    def index(self, box: Box, place: int) -> tuple[int, ...]:
        """Where the caller's array has the element ``place`` of a box."""
        inside = start_of(box, unravelled(place, self.z[box].shape))
        if self.flat:
            return unravelled(inside[0], self.shape)
        return tuple(inside[self.axes.index(k)] for k in range(len(self.axes)))


class _Prepared:
    """The compiled sweep of a program, with the loop of its formula and the numbers that go with it."""

    def __init__(self, program: Program, order: int, element: np.dtype[Any]) -> None:
        rule, of_prediction = program.rule, program.rule.prediction.entry()
        self.element, self.loop = element, program.loop(order, element)  # kept here: the sweep has only its address
        self.harmless = (of_prediction.samples[0], rule.target.entry().samples[0])
        free = (-np.inf, np.inf, kernel.UNCHECKED)
        bounds = np.array([*free, *free, *self.harmless])
        self.fixed = {"loop": self.loop.address, "parameters": program.numbers, "bounds": bounds}
        self.run = kernel.sweep.fixing(element, **self.fixed, count=0, answer=NO_DOUBLES)
        prediction, target = domain_bounds(of_prediction, element), domain_bounds(rule.target.entry(), element)
        self._check_gap(of_prediction, rule.target.entry())
        if self._shows_nan():
            prediction, target = (free if b[:2] == free[:2] else b for b in (prediction, target))
        bounds[:6] = *prediction, *target

    def _check_gap(self, *domains: Domain) -> None:
        """The kernels test no gap between two bounds: the formula must answer NaN there."""
        for place, domain in enumerate(domains):
            if domain.shape == "outside":
                pair = np.array(self.harmless, self.element)
                pair[place] = 0.5 * (domain.low + domain.high)
                if self.of_one(pair[:1], pair[1:], np.empty(0)) != kernel.UNDEFINED:
                    raise TypeError(
                        f"{('prediction', 'target')[place]}: got a formula with a value at {pair[place]}; expected NaN "
                        f"there, as the domain is {domain.description}"
                    )

    def _shows_nan(self) -> bool:
        """Whether the formula answers NaN with NaN, as most do: then real numbers need no test of their own."""
        pairs = np.array([[np.nan, self.harmless[1]], [self.harmless[0], np.nan]], self.element)
        return all(self.of_one(pair[:1], pair[1:], np.empty(0)) == kernel.UNDEFINED for pair in pairs)

    def of_one(self, z: Any, t: Any, w: Any) -> int:
        """What is wrong with a single sample."""
        values, slope, curvature = np.empty(1), np.empty(1, self.element), np.empty(1, self.element)
        found: int = self.run(z, t, w, 1.0, values, slope, curvature, empty_limbs())[0]
        return found


def prepared(program: Program, order: int, element: np.dtype[Any]) -> _Prepared:
    """What does not depend on the samples, made once."""
    made = program.prepared.get((order, element))
    if made is None:
        made = program.prepared[order, element] = _Prepared(program, order, element)
    return made


class _Sweep:
    """The prepared sweep over the boxes of a walk."""

    def __init__(self, program: Program, walk: _Walk, order: int) -> None:
        self.rule, self.walk = program.rule, walk
        self.prepared = prepared(program, order, walk.element)
        self.run, self.harmless = self.prepared.run, self.prepared.harmless

    def over(self, mine: Iterator[Box], limbs: Limbs) -> None:
        """Sweep over the boxes that fall to this thread."""
        walk = self.walk
        buffers = [
            np.empty(0 if walk.flat else walk.size, walk.element) for _ in range(5 if walk.vector is not None else 4)
        ]
        numbers = np.empty(walk.size if walk.values is not None else 0)
        for box in mine:
            z, t, w = self.samples(box, buffers)
            values = place_in(walk.values, box, numbers, z.size)
            gradient = place_in(walk.gradient, box, buffers[2], z.size)
            hessian = place_in(walk.hessian, box, buffers[3], z.size)
            found, start = self.run(z, t, w, self.walk.weighing.divisor, values, gradient, hessian, limbs)
            if found != kernel.FINE:
                self.refuse(z, t, w, start, box)
            if walk.vector is not None:
                multiply(hessian, walk.vector, box, buffers[4], walk.weighing.outside(box))
            store(walk.values, box, values, numbers)
            store(walk.gradient, box, gradient, buffers[2])
            store(walk.hessian, box, hessian, buffers[3])

    def samples(self, box: Box, buffers: list[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Prediction, target and weight of a box; harmless numbers outside ``where``."""
        walk = self.walk
        outside = walk.weighing.outside(box)
        z = read(walk.z, box, buffers[0], own=outside is not None)
        t = read(walk.t, box, buffers[1], own=outside is not None)
        if outside is not None:
            z[outside], t[outside] = self.harmless
        return z, t, walk.weighing.read(box)

    @np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
    def refuse(self, z: Any, t: Any, w: Any, start: int, box: Box) -> NoReturn:
        """Scan the failing block again, for the index and the words."""
        block = slice(start, start + BLOCK)
        zs, ts = z[block].astype(np.float64), t[block].astype(np.float64)
        good_z, good_t = self.rule.prediction.contains(zs), self.rule.target.contains(ts)
        if not (good_z & good_t).all():
            place = int(np.argmin(good_z & good_t))
            index = self.walk.index(box, start + place)
            if not good_z[place]:
                checks.refuse_prediction(zs[place], index, self.rule.prediction.entry())
            checks.refuse_target(ts[place], index, self.rule.target.entry())
        for place in range(zs.size):
            one = slice(start + place, start + place + 1)
            if self.prepared.of_one(z[one], t[one], w[one]) != kernel.FINE:
                break
        checks.refuse_without_limit(zs[place], ts[place], self.walk.index(box, start + place))


@functools.cache
def domain_bounds(domain: Domain, element: np.dtype[Any]) -> tuple[float, float, float]:
    """The domain as the kernel tests it: bounds that the element type holds, rounded inwards.

    A gap between two bounds is left to the formula.
    """
    least, most = (-domain.reach, domain.reach) if domain.shape == "outside" else (domain.low, domain.high)
    with np.errstate(over="ignore", under="ignore"):
        low, high = element.type(least), element.type(most)
    if float(low) < least:
        low = np.nextafter(low, element.type(np.inf))
    if float(high) > most:
        high = np.nextafter(high, element.type(-np.inf))
    return float(low), float(high), kernel.ENDS if domain.shape == "ends" else kernel.INTERVAL
