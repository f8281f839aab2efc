"""Losses of rows on NumPy arrays: a compiled sweep for sums over the classes, blocks of arrays for general formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.backends.numpy.buffers import multiply, read, store
from rashin.backends.numpy.pointwise import domain_bounds
from rashin.backends.numpy.results import NOTHING, Outputs, Program, Results, Wanted, element_type, job
from rashin.backends.numpy.rows import Rows, RowSweep, element_of
from rashin.chunks import Box
from rashin.domain import LOG_PROBABILITY, PROBABILITY
from rashin.exact import Limbs, add
from rashin.kernels import rowwise as kernel
from rashin.kernels.labelwise import OUTSIDE
from rashin.kernels.normalized import EXPONENTIALS, FREE, SUM, fill_normalized
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED
from rashin.reduction import Weighing
from rashin.rule import Rule

__all__ = ["BlockSweep", "ClassSweep", "are_normalized", "evaluate_rowwise"]

BLOCK_CELLS = 1 << 15  # elements of a block of rows that runs as NumPy arrays: it stays in the L2 cache
GLANCE = 8  # classes that are checked and set to 0 in the time in which a formula is applied to one


def evaluate_rowwise(
    program: Program,
    z: NDArray[Any],
    t: NDArray[Any],
    axis: int,
    weighing: Weighing,
    wanted: Wanted,
    out: Outputs | None,
) -> Results:
    """The exact sum of w l, and the arrays that are ``wanted``."""
    rows = Rows(program, z, t, axis, weighing, wanted, out)
    if rows.results.in_place:
        evaluate_rowwise(program, z, t, axis, weighing, NOTHING, None)
    sweep = ClassSweep if program.rule.separable else BlockSweep
    return rows.results.finished(sweep(rows, wanted).everything())


class ClassSweep(RowSweep):
    """The loop of a formula of one class, over the classes of which the target has a share, or over all of them."""

    def __init__(self, rows: Rows, wanted: Wanted) -> None:
        rule, element = rows.rule, element_of(rows)
        self.one_hot = rule.every_class and rows.distributions is None
        work = rows.z.size // GLANCE if rows.distributions is None and not self.one_hot else rows.z.size
        super().__init__(rows, wanted, element, work, gathers=self.one_hot)
        self.loop = rows.program.loop(wanted.order, element)
        self.bounds = np.array([*domain_bounds(rule.prediction.entry(), element), _whole(rule)])

    def run(self, z: Any, box: Box, buffers: list[Any], values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> None:
        """The compiled sweep: the one for labels, or the one for distributions."""
        rows, weighing = self.rows, self.rows.weighing
        if z.ndim != 2:
            z, gradient, hessian = (a.reshape(-1, rows.classes) for a in (z, gradient, hessian))
        labels, w = rows.labels[box].flatten(), weighing.read(box)  # a copy: who else writes to them now is not heard
        settings = (labels, w, weighing.divisor, rows.program.numbers, self.bounds)
        results = (values, gradient, hessian, limbs)
        if rows.distributions is None and not self.one_hot:
            found, place = kernel.sweep_labels(self.element)(self.loop.address, z, *settings, *results)
        else:
            q = self._shares(labels, box, buffers[1]).reshape(z.shape)
            found, place = kernel.sweep_distributions(self.element)(
                self.loop.address, z, q, *settings, rows.tolerance, *results
            )
        if found != FINE:
            rows.refuse(found, box, place)
        if rows.vector is not None:
            multiply(hessian.reshape(-1), rows.vector, box, buffers[4], weighing.outside(box))

    def _shares(self, labels: Any, box: Box, buffer: Any) -> Any:
        """The box's distributions; a label that is no class becomes zeros, which the sweep refuses."""
        if self.rows.distributions is not None:
            return read(self.rows.distributions, box, buffer)
        q = buffer[: labels.size * self.rows.classes].reshape(labels.size, self.rows.classes)
        return np.equal(labels[:, None], np.arange(self.rows.classes), out=q)


def _whole(rule: Rule) -> float:
    """What of a row of predictions must be 1."""
    if not dict(rule.options).get("normalized"):
        return FREE
    return EXPONENTIALS if rule.prediction.entry() == LOG_PROBABILITY else SUM


def are_normalized(rows: NDArray[Any], of_logarithms: bool) -> NDArray[np.bool_]:
    """Which of the rows (n, C) of probabilities sum to 1, or of their logarithms, as the sweeps ask it."""
    element = element_type(rows)
    fine = np.empty(len(rows), np.bool_)
    fill_normalized(element)(np.require(rows, element, ["C", "A"]), EXPONENTIALS if of_logarithms else SUM, fine)
    return fine


# ---------------------------------------------------------------------------------------- general formulas


class BlockSweep:
    """A formula of whole rows, block by block; of second derivatives the diagonal, or the product with a vector."""

    def __init__(self, rows: Rows, wanted: Wanted) -> None:
        self.rows, self.wanted = rows, wanted

    def everything(self) -> Limbs:
        """Sweep over all rows; the exact sum of w l."""
        return job(self.over, self.rows.boxes(BLOCK_CELLS), self.rows.z.size)

    def over(self, mine: Iterator[Box], limbs: Limbs) -> None:
        """Sweep over the boxes that fall to this thread."""
        for box in mine:
            _row_block(self.rows, box, limbs)


def _row_block(rows: Rows, box: Box, limbs: Limbs) -> None:
    """One block: rows of weight 0 are left out, and come back as zeros."""
    z, t, w, chosen = _checked_rows(rows, box)
    value, gradient, hessian = kernel.block(rows.rule.formula, rows.rule.parameters, z, t)
    if rows.vector is not None:
        v = np.array(rows.vector[box], dtype=np.float64).reshape(-1, rows.classes)[chosen]
        hessian = kernel.product(rows.rule.product, rows.rule.parameters, z, t, v)  # type: ignore[arg-type]
    terms = np.zeros(chosen.size)
    terms[chosen] = value * w
    if np.isnan(terms).any():
        rows.refuse(UNDEFINED, box, int(np.argmax(np.isnan(terms))))
    add(limbs, terms)
    store(rows.results.values, box, terms[:], terms)
    factor = (w / rows.weighing.divisor)[:, None]
    for result, derivative in ((rows.gradient, gradient), (rows.hessian, hessian)):
        if result is not None:
            full = np.zeros((chosen.size, rows.classes))
            full[chosen] = derivative * factor
            store(result, box, full[:], full)


@np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
def _checked_rows(rows: Rows, box: Box) -> tuple[Any, Any, Any, NDArray[np.bool_]]:
    """Rows of positive weight as doubles, targets one-hot or given, their weights, and which of the box these are."""
    z = np.array(rows.z[box], dtype=np.float64).reshape(-1, rows.classes)
    labels = rows.labels[box].reshape(-1)
    inside = labels != OUTSIDE if rows.weighing.where is not None else np.ones(labels.size, np.bool_)
    _refuse_first(rows, box, PREDICTION, inside & ~rows.rule.prediction.contains(z).all(axis=-1))
    whole = _whole(rows.rule)
    if whole != FREE:
        _refuse_first(rows, box, PREDICTION, inside & ~are_normalized(z, whole == EXPONENTIALS))
    if rows.distributions is None:
        _refuse_first(rows, box, TARGET, inside & ((labels < 0) | (labels >= rows.classes)))
        t = (labels[:, None] == np.arange(rows.classes)).astype(np.float64)
    else:
        t = np.array(rows.distributions[box], dtype=np.float64).reshape(-1, rows.classes)
        fair = np.atleast_1d(PROBABILITY.contains(t).all(axis=-1))
        fair[fair] = [abs(math.fsum(row) - 1.0) <= rows.tolerance for row in t[fair]]
        _refuse_first(rows, box, TARGET, inside & ~fair)
    w = np.ones(labels.size) if rows.weighing.plain else rows.weighing.read(box)
    chosen = inside & (w != 0.0)
    return z[chosen], t[chosen], w[chosen], chosen


def _refuse_first(rows: Rows, box: Box, found: int, wrong: NDArray[np.bool_]) -> None:
    if wrong.any():
        rows.refuse(found, box, int(np.argmax(wrong)))
