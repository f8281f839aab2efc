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
    program: Program, z: NDArray[Any], t: NDArray[Any], weighing: Weighing, wanted: Wanted, out: NDArray[Any] | None
) -> Results:
    """The exact sum of w l, and the arrays that are ``wanted``, of every element."""
    checks.same_shape(z, t)
    results = Results(z.shape, z, wanted, out, (t, weighing.weight, weighing.where))
    if results.in_place:
        evaluate(program, z, t, weighing, NOTHING, None)
    element = element_type(z, t)
    walk = _Walk(z, t, weighing, results, element, memory_order(z))
    try:
        limbs = _swept(program, walk, wanted)
    except ValueError:
        # In C order the first bad element is the first one that the caller finds.
        limbs = _swept(program, _Walk(z, t, weighing, results, element, tuple(range(z.ndim))), wanted)
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


class _Sweep:
    """The formula's loop and the numbers that go with it, over the boxes of a walk."""

    def __init__(self, program: Program, walk: _Walk, order: int) -> None:
        rule, of_prediction = program.rule, program.rule.prediction.entry()
        self.program, self.rule, self.walk = program, rule, walk
        self.loop = program.loop(order, walk.element)
        self.sweep = kernel.sweep(walk.element)
        self.harmless = (of_prediction.samples[0], rule.target.samples[0])
        free = (-np.inf, np.inf, kernel.UNCHECKED)
        self.bounds = np.array([*free, *free, *self.harmless])
        prediction, target = domain_bounds(of_prediction, walk.element), domain_bounds(rule.target, walk.element)
        if self._shows_nan():
            prediction, target = (free if b[:2] == free[:2] else b for b in (prediction, target))
        self.bounds = np.array([*prediction, *target, *self.harmless])

    def _shows_nan(self) -> bool:
        """Whether the formula answers NaN with NaN, as most do: then real numbers need no test of their own."""
        shown = self.loop.shows_nan.get(self.harmless)
        if shown is None:
            pairs = np.array([[np.nan, self.harmless[1]], [self.harmless[0], np.nan]], self.walk.element)
            found = [
                self.run(pair[:1], pair[1:], np.empty(0), 1.0, *self._scratch(), empty_limbs())[0] for pair in pairs
            ]
            shown = self.loop.shows_nan[self.harmless] = found == [kernel.UNDEFINED] * 2
        return shown

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

    def _scratch(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Scratch memory for the value, slope and curvature of one sample if they are not requested."""
        return np.empty(1), np.empty(1, self.walk.element), np.empty(1, self.walk.element)

    def run(
        self, z: Any, t: Any, w: Any, divisor: float, values: Any, gradient: Any, hessian: Any, limbs: Limbs
    ) -> tuple[int, int]:
        """The compiled sweep."""
        return self.sweep(  # type: ignore[no-any-return]
            self.loop.address, z, t, w, divisor, self.program.numbers, self.bounds, values, gradient, hessian, limbs
        )

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
            alone, _ = self.run(z[one], t[one], w[one], 1.0, *self._scratch(), empty_limbs())
            if alone != kernel.FINE:
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
