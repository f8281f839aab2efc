"""Losses of several numbers per sample on NumPy arrays: predictions (..., P) or (..., K) with targets (...)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.arithmetic import arrays
from rashin.backends.numpy.buffers import factors, multiply, place_in, read, store
from rashin.backends.numpy.pointwise import domain_bounds
from rashin.backends.numpy.results import (
    DOUBLE,
    NOTHING,
    Outputs,
    Program,
    Results,
    Wanted,
    chunk_size,
    element_type,
    gradient_type,
    job,
)
from rashin.backends.numpy.rows import classes_last
from rashin.chunks import Box, boxes, start_of, unravelled, with_axis
from rashin.domain import Domain
from rashin.exact import Limbs, empty_limbs
from rashin.kernels import columnwise as kernel
from rashin.kernels import memberwise as members
from rashin.kernels.formula import Takes
from rashin.kernels.pointwise import FINE
from rashin.reduction import Weighing, weigh

__all__ = ["evaluate", "evaluate_fisher", "evaluate_matrix", "evaluate_products", "matrix_of", "triangle"]

CELLS = 1 << 17  # numbers of a chunk


def evaluate(
    program: Program,
    z: NDArray[Any],
    t: NDArray[Any],
    axis: int,
    weighing: Weighing,
    wanted: Wanted,
    out: Outputs | None,
) -> Results:
    """The exact sum of w l, and the arrays that are ``wanted``, of every sample."""
    results = Results(checks.numbers(z, t, axis, program.rule), z, wanted, out, (t, weighing.weight, weighing.where))
    if results.in_place:
        evaluate(program, z, t, axis, weighing, NOTHING, None)
    sweep = _KINDS[program.takes](program, z, t, axis, weighing, results, element_type(z, t), wanted.order)
    return results.finished(sweep.everything())


def evaluate_products(
    program: Program, z: NDArray[Any], t: NDArray[Any], v: NDArray[Any], axis: int, weighing: Weighing, wanted: Wanted,
    out: Outputs | None,
) -> Results:  # fmt: skip
    """The Hessian of each sample, which is a full matrix, times its vector."""
    samples = checks.numbers(z, t, axis, program.rule)
    results = Results(samples, z, wanted, out, (t, weighing.weight, weighing.where, v))
    if results.in_place:
        evaluate(program, z, t, axis, weighing, NOTHING, None)
    sweep = _PRODUCTS[program.takes](program, z, t, axis, weighing, results, DOUBLE, 2)
    sweep.vector = classes_last(v, axis)
    return results.finished(sweep.everything())


def evaluate_matrix(
    program: Program, z: NDArray[Any], t: NDArray[Any], axis: int, weight: Any, where: Any, reduction: str
) -> NDArray[Any]:
    """The Hessian (..., P, P) of the reduced loss by the numbers of each sample."""
    axis = checks.axis(z, axis)
    samples = checks.numbers(z, t, axis, program.rule)
    weighing = weigh(weight, where, samples, reduction)
    results = Results(samples, z, NOTHING, None, ())
    results.hessian = np.empty((*samples, _corners(program)), gradient_type(z))
    _MatrixSweep(program, z, t, axis, weighing, results, element_type(z, t), 2).everything()
    return matrix_of(results.hessian, program.rule.columns)


def evaluate_fisher(
    program: Program, z: NDArray[Any], axis: int, weight: Any, where: Any, reduction: str
) -> NDArray[Any]:
    """The expected Hessian (..., P, P), if the target has the distribution that the prediction describes."""
    rule, axis = program.rule, checks.axis(z, axis)
    samples, moved = checks.numbers(z, None, axis, rule), classes_last(z, axis)
    weighing = weigh(weight, where, samples, reduction)
    found = np.empty((*samples, _corners(program)), gradient_type(z))
    rows = np.where(_selected(weighing, samples)[..., np.newaxis], moved, rule.prediction.harmless).astype(np.float64)
    good = rule.prediction.contains(rows)
    if not good.all():
        *index, place = unravelled(int(np.argmin(good)), good.shape)
        _refuse_prediction(program, rows[(*index, place)], tuple(index), place, axis)
    factor = np.ones(samples) if weighing.plain else weighing.read((...,)).reshape(samples)
    with np.errstate(all="ignore"):
        parts = rule.fisher(arrays, *np.moveaxis(rows, -1, 0), *rule.parameters)  # type: ignore[misc]
        for place, part in enumerate(parts):
            found[..., place] = np.where(factor == 0.0, 0.0, part * (factor / weighing.divisor))
    return matrix_of(found, rule.columns)


def triangle(columns: int) -> list[tuple[int, int]]:
    """The places of an upper triangle, row by row."""
    return [(i, j) for i in range(columns) for j in range(i, columns)]


def matrix_of(corners: NDArray[Any], columns: int) -> NDArray[Any]:
    """Symmetric matrices (..., P, P) of their upper triangles (..., P (P + 1) / 2)."""
    matrix = np.empty((*corners.shape[:-1], columns, columns), corners.dtype)
    for place, (i, j) in enumerate(triangle(columns)):
        matrix[..., i, j] = matrix[..., j, i] = corners[..., place]
    return matrix


def _corners(program: Program) -> int:
    return len(triangle(program.rule.columns))


def _selected(weighing: Weighing, samples: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.ones(samples, np.bool_) if weighing.where is None else weighing.where


def _entries(program: Program) -> list[Domain]:
    """The domains of a sample's numbers, and of its target."""
    rule = program.rule
    return [*(rule.prediction.entry(place) for place in range(rule.columns)), rule.target.entry()]


def _bounds(program: Program, element: np.dtype[Any]) -> NDArray[np.float64]:
    found = np.empty((program.rule.columns + 1, 4))
    for row, entry in zip(found, _entries(program), strict=True):
        row[:3], row[3] = domain_bounds(entry, element), entry.harmless
        row[2] = kernel.WHOLE if entry.shape == "integers" else row[2]
    return found


def _refuse_prediction(program: Program, value: Any, index: tuple[int, ...], place: int, axis: int) -> NoReturn:
    checks.refuse_prediction(value, with_axis(index, axis, place), program.rule.prediction.entry(place))


class _Sweep:
    """The compiled sweep over boxes of samples, read where they lie if they lie well, else gathered."""

    def __init__(
        self,
        program: Program,
        z: NDArray[Any],
        t: NDArray[Any],
        axis: int,
        weighing: Weighing,
        results: Results,
        element: np.dtype[Any],
        order: int,
    ) -> None:
        self.program, self.axis, self.weighing, self.results, self.element = program, axis, weighing, results, element
        self.z, self.t = classes_last(z, axis), t
        self.count = self.z.shape[-1]
        self.gradient = None if results.gradient is None else classes_last(results.gradient, axis)
        self.hessian = self._hessian(axis)
        self.harmless = program.rule.prediction.harmless, program.rule.target.harmless
        self.loop = program.loop(max(order, 1), DOUBLE)  # kept here: the sweep has only its address
        self.run, self.fixed = self._kernel()
        self.cells = chunk_size(z.size, CELLS)

    width = property(lambda self: self.count)  # second derivatives of a sample

    def _kernel(self) -> tuple[Any, tuple[Any, ...]]:
        """The compiled sweep, and its arguments between the weights and the results."""
        return kernel.sweep(self.element), (self.program.numbers, _bounds(self.program, self.element))

    vector: NDArray[Any]  # what second derivatives are multiplied by, where products are wanted

    def _hessian(self, axis: int) -> NDArray[Any] | None:
        return None if self.results.hessian is None else classes_last(self.results.hessian, axis)

    def everything(self) -> Limbs:
        """Sweep over all samples; the exact sum of w l."""
        return job(self.over, boxes(self.t.shape, max(1, self.cells // self.count)), self.z.size)

    def over(self, mine: Iterator[Box], limbs: Limbs) -> None:
        """Sweep over the boxes that fall to this thread."""
        most = max(1, min(self.cells // self.count, self.t.size))
        buffers = [np.empty(most * width, self.element) for width in (self.count, 1, self.count, self.width)]
        numbers = np.empty(most if self.results.values is not None else 0)
        for box in mine:
            z, t, w = self._read(box, buffers)
            values = place_in(self.results.values, box, numbers, t.size)
            gradient = place_in(self.gradient, box, buffers[2], z.size)
            hessian = self._place(box, buffers[3], t.size)
            self._run(box, z, t, w, values, gradient, hessian, limbs)
            store(self.results.values, box, values, numbers)
            store(self.gradient, box, gradient, buffers[2])
            self._store(box, hessian, buffers[3])

    def _place(self, box: Box, buffer: NDArray[Any], samples: int) -> NDArray[Any]:
        return place_in(self.hessian, box, buffer, samples * self.width)

    def _store(self, box: Box, hessian: NDArray[Any], buffer: NDArray[Any]) -> None:
        store(self.hessian, box, hessian, buffer)

    def _read(self, box: Box, buffers: list[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Predictions, targets and weights of a box; harmless numbers outside ``where``."""
        outside = self.weighing.outside(box)
        z = read(self.z, box, buffers[0], own=outside is not None)
        t = read(self.t, box, buffers[1], own=outside is not None)
        if outside is not None:
            z.reshape(-1, self.count)[outside], t[outside] = self.harmless
        return z, t, self.weighing.read(box)

    def _run(self, box: Box, z: Any, t: Any, w: Any, values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> None:
        width = self.width if hessian.size else 1
        rows = (z.reshape(-1, self.count), gradient.reshape(-1, self.count), hessian.reshape(-1, width))
        found, start = self._swept(rows[0], t, w, values, rows[1], rows[2], limbs)
        if found != FINE:
            self._refuse(rows[0], t, w, start, box)

    def _swept(self, z: Any, t: Any, w: Any, values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> tuple[int, int]:
        return self.run(  # type: ignore[no-any-return]
            self.loop.address, z, t, w, self.weighing.divisor, *self.fixed, values, gradient, hessian, limbs
        )

    @np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
    def _refuse(self, z: Any, t: Any, w: Any, start: int, box: Box) -> NoReturn:
        """Scan the failing block again, for the index and the words."""
        block = slice(start, start + kernel.HEIGHT)
        rows, targets = z[block].astype(np.float64), t[block].astype(np.float64)
        good, fine = self.program.rule.prediction.contains(rows), self.program.rule.target.contains(targets)
        for place in range(targets.size):
            index = start_of(box, unravelled(start + place, self.t[box].shape))
            if not good[place].all():
                column = int(np.argmin(good[place]))
                _refuse_prediction(self.program, rows[place, column], index, column, self.axis)
            if not fine[place]:
                checks.refuse_target(targets[place], index, self.program.rule.target.entry())
        for place in range(targets.size):
            one = slice(start + place, start + place + 1)
            nothing = np.empty((0, 1), self.element)
            if self._swept(z[one], t[one], w[one], np.empty(0), nothing, nothing, empty_limbs())[0] != FINE:
                break
        index = start_of(box, unravelled(start + place, self.t[box].shape))
        checks.refuse_without_limit(checks.row_in_words(rows[place]), targets[place], index)


class _MemberSweep(_Sweep):
    """The sweep over samples whose members have levels."""

    def _kernel(self) -> tuple[Any, tuple[Any, ...]]:
        rule = self.program.rule
        levels, ranked = rule.levels(self.count, *rule.parameters, **dict(rule.options))  # type: ignore[misc]
        return members.sweep(self.element), (self.program.numbers, np.asarray(levels, np.float64), int(ranked))


class _MatrixSweep(_Sweep):
    """The sweep that fills the upper triangle of each sample's Hessian."""

    width = property(lambda self: self.count * (self.count + 1) // 2)

    def _hessian(self, axis: int) -> NDArray[Any] | None:
        return self.results.hessian


class _ProductSweep(_MatrixSweep):
    """The sweep that puts the Hessian times a vector in the place of the diagonal."""

    def _hessian(self, axis: int) -> NDArray[Any] | None:
        return None if self.results.hessian is None else classes_last(self.results.hessian, axis)

    def _place(self, box: Box, buffer: NDArray[Any], samples: int) -> NDArray[Any]:
        return buffer[: samples * self.width]

    def _store(self, box: Box, hessian: NDArray[Any], buffer: NDArray[Any]) -> None:
        corners = hessian.reshape(-1, self.width)
        flat, room = np.zeros(len(corners) * self.count), np.empty(len(corners) * self.count)
        product = flat.reshape(-1, self.count)
        v = factors(self.vector, box, room, self.weighing.outside(box)).reshape(product.shape)
        with np.errstate(all="ignore"):
            for place, (i, j) in enumerate(triangle(self.count)):
                product[:, i] += np.where(v[:, j] == 0.0, 0.0, corners[:, place] * v[:, j])
                if i != j:
                    product[:, j] += np.where(v[:, i] == 0.0, 0.0, corners[:, place] * v[:, i])
        store(self.hessian, box, flat[:], flat)


class _MemberProductSweep(_MemberSweep):
    """The same of members, whose Hessian is diagonal."""

    def _place(self, box: Box, buffer: NDArray[Any], samples: int) -> NDArray[Any]:
        return buffer[: samples * self.width]

    def _store(self, box: Box, hessian: NDArray[Any], buffer: NDArray[Any]) -> None:
        multiply(hessian, self.vector, box, np.empty(hessian.size), self.weighing.outside(box))
        store(self.hessian, box, hessian, buffer)


_KINDS = {Takes.COLUMNS: _Sweep, Takes.LEVEL: _MemberSweep}
_PRODUCTS = {Takes.COLUMNS: _ProductSweep, Takes.LEVEL: _MemberProductSweep}
