"""Pointwise losses on NumPy arrays: read where they lie if they lie well, else gathered box by box."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.results import (
    DOUBLE,
    NOTHING,
    PARALLEL,
    Outputs,
    Program,
    Results,
    Wanted,
    chunk_size,
    element_type,
    is_contiguous,
    job,
    place_in,
    store,
)
from rashin.chunks import Box, boxes, memory_order, read, start_of, unravelled
from rashin.domain import Domain
from rashin.exact import BLOCK, Limbs, empty_limbs
from rashin.kernels import pointwise as kernel
from rashin.reduction import Weighing

__all__ = ["domain_bounds", "evaluate"]

IN_PLACE = 1 << 20  # elements of a chunk that is read where it lies
GATHERED = 1 << 14  # elements of a chunk that is copied to a buffer first: it stays in the L2 cache


def evaluate(
    program: Program, z: NDArray[Any], t: NDArray[Any], weighing: Weighing, wanted: Wanted, out: Outputs | None
) -> Results:
    """The exact sum of w l, and the arrays that are ``wanted``, of every element."""
    checks.same_shape(z, t)
    results = Results(z.shape, z, wanted, out, (t, weighing.weight, weighing.where))
    if results.in_place:
        evaluate(program, z, t, weighing, NOTHING, None)
    element = element_type(z, t)
    if z.size < PARALLEL and weighing.plain:
        limbs = _at_once(program, z, t, weighing.divisor, results, element, wanted.order)
        if limbs is not None:
            return results.finished(limbs)
    walk = _Walk(z, t, weighing, results, element, memory_order(z))
    try:
        limbs = _swept(program, walk, wanted)
    except ValueError:
        # In C order the first bad element is the first one that the caller finds.
        limbs = _swept(program, _Walk(z, t, weighing, results, element, tuple(range(z.ndim))), wanted)
    return results.finished(limbs)


def _at_once(
    program: Program, z: Any, t: Any, divisor: float, results: Results, element: np.dtype[Any], order: int
) -> Limbs | None:
    """All elements in one go, where they lie; None if they do not lie well, or something is wrong with them.

    A small call spends more time on the walk over boxes than on its numbers.
    """
    outputs = (results.values, results.gradient, results.hessian)
    if not all(is_contiguous(array, element) for array in (z, t, *outputs[1:])) or not is_contiguous(
        outputs[0], DOUBLE
    ):
        return None
    values, gradient, hessian = (_NOTHING[element] if array is None else array.reshape(-1) for array in outputs)
    values = _NO_VALUES if outputs[0] is None else values
    limbs, arrays = empty_limbs(), (z.reshape(-1), t.reshape(-1), _NO_VALUES)
    found, _ = _prepared(program, order, element).run(*arrays, divisor, values, gradient, hessian, limbs)
    return limbs if found == kernel.FINE else None


_NO_VALUES = np.empty(0)
_NOTHING = {np.dtype(np.float32): np.empty(0, np.float32), DOUBLE: _NO_VALUES}


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
    ) -> None:
        self.element = element
        self.shape = z.shape
        arrays = (z, t, results.values, results.gradient, results.hessian)
        self.flat = weighing.plain and all(
            is_contiguous(a, element) or (a is arrays[2] and is_contiguous(a, DOUBLE)) for a in arrays
        )
        self.axes = axes
        turned = [None if a is None else a.reshape(-1) if self.flat else a.transpose(self.axes) for a in arrays]
        self.z: NDArray[Any] = turned[0]  # type: ignore[assignment]
        self.t: NDArray[Any] = turned[1]  # type: ignore[assignment]
        self.values, self.gradient, self.hessian = turned[2:]
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
        self.element, self.loop = element, program.loop(order, element)
        self._sweep, self._numbers = kernel.sweep(element), program.numbers
        self.harmless = (of_prediction.samples[0], rule.target.samples[0])
        free = (-np.inf, np.inf, kernel.UNCHECKED)
        self._bounds = np.array([*free, *free, *self.harmless])
        prediction, target = domain_bounds(of_prediction, element), domain_bounds(rule.target, element)
        if self._shows_nan():
            prediction, target = (free if b[:2] == free[:2] else b for b in (prediction, target))
        self._bounds = np.array([*prediction, *target, *self.harmless])

    def _shows_nan(self) -> bool:
        """Whether the formula answers NaN with NaN, as most do: then real numbers need no test of their own."""
        pairs = np.array([[np.nan, self.harmless[1]], [self.harmless[0], np.nan]], self.element)
        return all(self.of_one(pair[:1], pair[1:], np.empty(0)) == kernel.UNDEFINED for pair in pairs)

    def of_one(self, z: Any, t: Any, w: Any) -> int:
        """What is wrong with a single sample."""
        values, slope, curvature = np.empty(1), np.empty(1, self.element), np.empty(1, self.element)
        return self.run(z, t, w, 1.0, values, slope, curvature, empty_limbs())[0]

    def run(
        self, z: Any, t: Any, w: Any, divisor: float, values: Any, gradient: Any, hessian: Any, limbs: Limbs
    ) -> tuple[int, int]:
        """The compiled sweep."""
        return self._sweep(  # type: ignore[no-any-return]
            self.loop.address, z, t, w, divisor, self._numbers, self._bounds, values, gradient, hessian, limbs
        )


def _prepared(program: Program, order: int, element: np.dtype[Any]) -> _Prepared:
    """What does not depend on the samples, made once."""
    made = program.prepared.get((order, element))
    if made is None:
        made = program.prepared[order, element] = _Prepared(program, order, element)
    return made


class _Sweep:
    """The prepared sweep over the boxes of a walk."""

    def __init__(self, program: Program, walk: _Walk, order: int) -> None:
        self.rule, self.walk = program.rule, walk
        self.prepared = _prepared(program, order, walk.element)
        self.run, self.harmless = self.prepared.run, self.prepared.harmless

    def over(self, mine: Iterator[Box], limbs: Limbs) -> None:
        """Sweep over the boxes that fall to this thread."""
        walk = self.walk
        buffers = [np.empty(0 if walk.flat else walk.size, walk.element) for _ in range(4)]
        numbers = np.empty(walk.size if walk.values is not None else 0)
        for box in mine:
            z, t, w = self.samples(box, buffers)
            values = place_in(walk.values, box, numbers, z.size)
            gradient = place_in(walk.gradient, box, buffers[2], z.size)
            hessian = place_in(walk.hessian, box, buffers[3], z.size)
            found, start = self.run(z, t, w, self.walk.weighing.divisor, values, gradient, hessian, limbs)
            if found != kernel.FINE:
                self.refuse(z, t, w, start, box)
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
            checks.refuse_target(ts[place], index, self.rule.target)
        for place in range(zs.size):
            one = slice(start + place, start + place + 1)
            if self.prepared.of_one(z[one], t[one], w[one]) != kernel.FINE:
                break
        checks.refuse_without_limit(zs[place], ts[place], self.walk.index(box, start + place))


@functools.cache
def domain_bounds(domain: Domain, element: np.dtype[Any]) -> tuple[float, float, float]:
    """The domain as the kernel tests it: bounds that the element type holds, rounded inwards."""
    with np.errstate(over="ignore", under="ignore"):
        low, high = element.type(domain.low), element.type(domain.high)
    if float(low) < domain.low:
        low = np.nextafter(low, element.type(np.inf))
    if float(high) > domain.high:
        high = np.nextafter(high, element.type(-np.inf))
    return float(low), float(high), kernel.ENDS if domain.shape == "ends" else kernel.INTERVAL
