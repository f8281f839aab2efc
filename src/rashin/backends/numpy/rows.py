"""Row losses on NumPy arrays: predictions (..., C) with labels (...) or distributions (..., C)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.pointwise import domain_bounds
from rashin.backends.numpy.results import (
    DOUBLE,
    NOTHING,
    PARALLEL,
    Results,
    Rule,
    Wanted,
    element_type,
    job,
    lies_well,
    piece,
    place_in,
    store,
)
from rashin.backends.numpy.wide import WIDE, sweep_wide_row
from rashin.domain import LABEL, PROBABILITY
from rashin.exact import Limbs, add, empty_limbs
from rashin.kernels import labelwise as kernel
from rashin.kernels import threads
from rashin.kernels.formula import compiled
from rashin.kernels.labelwise import OUTSIDE
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET
from rashin.kernels.rows import softcapped
from rashin.pieces import Box, boxes, read, start_of, unravelled, with_axis
from rashin.reduction import Weighing

__all__ = ["LabelSweep", "Rows", "evaluate_labelwise", "evaluate_rowwise"]

IN_PLACE = 1 << 20  # elements of a piece that is read where it lies
GATHERED = 1 << 17  # elements of a piece that is copied to a buffer first: 1 MiB of doubles

_NO_VALUES = np.empty(0)
_NOTHING = {np.dtype(t): np.empty((0, 0), t) for t in (np.float32, np.float64)}  # for arrays that nobody wants


class Rows:
    """Prediction and target with the classes last, and what their shapes say.

    ``labels`` are int64, OUTSIDE where a row is not selected; ``distributions`` is None if the target holds labels.
    """

    def __init__(
        self, rule: Rule, z: NDArray[Any], t: NDArray[Any], axis: int, weighing: Weighing, wanted: Wanted, out: Any
    ) -> None:
        self.rule, self.weighing, self.given = rule, weighing, t
        self.axis, self.z = axis, classes_last(z, axis)
        self.shape, self.classes = self.z.shape[:-1], self.z.shape[-1]
        dense = checks.holds_distributions(z, t, self.shape, rule.target is LABEL)
        self.distributions = classes_last(t, axis) if dense else None
        self.labels = np.zeros(self.shape, np.int64) if dense else checks.labels(t, weighing.where)
        if weighing.where is not None:
            self.labels = np.where(weighing.where, np.maximum(self.labels, -1), OUTSIDE)
        self.tolerance = 4.0 * self.classes * _epsilon(t.dtype) if dense else 0.0
        self.results = Results(self.shape, z, wanted, out, (t, weighing.weight, weighing.where))
        gradient, hessian = self.results.gradient, self.results.hessian
        self.gradient = None if gradient is None else classes_last(gradient, axis)
        self.hessian = None if hessian is None else classes_last(hessian, axis)

    def boxes(self, cells: int) -> Iterator[Box]:
        """Boxes of rows of about ``cells`` elements."""
        return boxes(self.shape, max(1, cells // self.classes))

    def refuse(self, found: int, box: Box, place: int) -> NoReturn:
        """Words for the row that a sweep refused, the ``place``-th of a box."""
        index = start_of(box, unravelled(place, self.z[box].shape[:-1]))
        row = self.z[index].astype(np.float64)
        if found == PREDICTION:
            column = int(np.argmin(self.rule.prediction.contains(row)))
            checks.refuse_prediction(row[column], with_axis(index, self.axis, column), self.rule.prediction)
        target = self.given[index] if self.distributions is None else self.distributions[index]
        if found == TARGET and self.distributions is None:
            checks.refuse_label(target, index, self.classes)
        if found == TARGET:
            checks.refuse_distribution(target, index, self.axis, self.tolerance)
        checks.refuse_undefined(np.array2string(row, threshold=8), target, index)


def classes_last(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """The array with its class axis moved to the end."""
    return array if axis == -1 else np.moveaxis(array, axis, -1)


def _epsilon(dtype: np.dtype[Any]) -> float:
    if dtype.name == "bfloat16":
        return 2.0**-7
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


# ------------------------------------------------------------------------------------------- label losses


def evaluate_labelwise(
    rule: Rule, z: NDArray[Any], t: NDArray[Any], axis: int, weighing: Weighing, wanted: Wanted, out: Any
) -> Results:
    """The exact sum of w l, and the arrays that are ``wanted``, of losses of the label's log-probability."""
    rows = Rows(rule, z, t, axis, weighing, wanted, out)
    if rows.results.in_place:
        evaluate_labelwise(rule, z, t, axis, weighing, NOTHING, None)
    sweep = LabelSweep(rows, wanted)
    if sweep.in_place and z.size < PARALLEL:
        return rows.results.finished(sweep.at_once())
    if sweep.is_wide:
        return rows.results.finished(sweep.row_by_row())
    return rows.results.finished(job(sweep.over, rows.boxes(sweep.cells), z.size))


class LabelSweep:
    """The formula's loop and the numbers that go with it, over boxes of rows."""

    def __init__(self, rows: Rows, wanted: Wanted) -> None:
        rule = rows.rule
        self.rows, self.wanted = rows, wanted
        self.smoothing = rule.options.get("label_smoothing") or 0.0
        self.z_loss = rule.options.get("z_loss") or 0.0
        self.cap = rule.options.get("softcap")
        self.element = DOUBLE if self.cap else element_type(rows.z, rows.distributions)
        self.loop = rule.loop(2, DOUBLE)
        self.parameters = rule.numbers
        arrays = (rows.z, rows.distributions, rows.gradient, rows.hessian)
        self.in_place = not self.cap and all(lies_well(array, self.element) for array in arrays)
        self.cells = piece(rows.z.size, IN_PLACE) if self.in_place else GATHERED
        self.buffer = 0 if self.in_place else max(min(GATHERED, rows.z.size), rows.classes)

    def at_once(self) -> Limbs:
        """All rows in one go, where they lie: without the walk over boxes a small call takes two thirds of the time."""
        rows, limbs = self.rows, empty_limbs()
        nothing = _NOTHING[self.element]
        values = np.empty(rows.labels.size) if self.wanted.values else _NO_VALUES
        gradient = nothing if rows.gradient is None else rows.gradient
        hessian = nothing if rows.hessian is None else rows.hessian
        self._run(rows.z, (...,), nothing, values, gradient, hessian, limbs)
        store(rows.results.values, (...,), values[:], values)
        return limbs

    @property
    def is_wide(self) -> bool:
        """Whether there are so few rows, of so many classes, that the threads should share each of them."""
        rows, workers = self.rows, threads.count()
        unlike = rows.distributions is not None or self.smoothing or self.cap or self.wanted.hessian
        return not unlike and rows.classes >= WIDE and workers > 1 and rows.labels.size < 4 * workers

    def row_by_row(self) -> Limbs:
        """Sweep over one row after another, each shared by the threads where it has a softmax and counts."""
        rows, limbs = self.rows, empty_limbs()
        sizes = (0 if self.in_place else rows.classes, rows.classes, 0 if self.in_place else rows.classes)
        scratch = tuple(map(np.empty, sizes, (self.element, DOUBLE, self.element)))
        for box in rows.boxes(1):
            if not sweep_wide_row(self, box, limbs, scratch):
                self.over(iter([box]), limbs)
        return limbs

    def over(self, mine: Iterator[Box], limbs: Limbs) -> None:
        """Sweep over the boxes that fall to this thread."""
        rows = self.rows
        buffers = [np.empty(self.buffer, self.element) for _ in range(4)]
        most = max(1, min(self.cells, rows.z.size) // rows.classes)
        numbers = np.empty(most if self.wanted.values else 0)
        for box in mine:
            z = read(rows.z, box, buffers[0])
            values = numbers[: z.size // rows.classes if self.wanted.values else 0]
            gradient = place_in(rows.gradient, box, buffers[2], z.size)
            hessian = place_in(rows.hessian, box, buffers[3], z.size)
            if self.cap:
                self._capped(z, box, buffers, values, gradient, hessian, limbs)
            else:
                self._run(z, box, buffers[1], values, gradient, hessian, limbs)
            store(rows.results.values, box, values, numbers)
            store(rows.gradient, box, gradient, buffers[2])
            store(rows.hessian, box, hessian, buffers[3])

    def _capped(
        self, z: Any, box: Box, buffers: list[Any], values: Any, gradient: Any, hessian: Any, limbs: Limbs
    ) -> None:
        """Sweep over c tanh(z / c), then apply the chain rule."""
        outside = self.rows.weighing.outside(box)
        if outside is not None:  # nothing leaks from there, not even as 0 * NaN
            z = np.where(np.repeat(outside, self.rows.classes), 0.0, z)
        capped, first, second = np.empty_like(z), np.empty_like(z), np.empty_like(z)
        softcapped(self.element)(z, self.cap, capped, first, second)
        slopes = buffers[2][: z.size] if hessian.size and not gradient.size else gradient
        self._run(capped, box, buffers[1], values, slopes, hessian, limbs)
        if hessian.size:
            hessian[:] = hessian * first * first + slopes * second
        if gradient.size:
            gradient *= first

    def _run(self, z: Any, box: Box, buffer: Any, values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> None:
        """The compiled sweep: the one for labels, or the one for distributions, which smoothed labels are too."""
        rows, weighing = self.rows, self.rows.weighing
        if z.ndim != 2:
            z, gradient, hessian = (a.reshape(-1, rows.classes) for a in (z, gradient, hessian))
        labels, w = np.ascontiguousarray(rows.labels[box]).ravel(), weighing.read(box)
        head, tail = (self.loop.address, z), (values, gradient, hessian, limbs)
        if rows.distributions is None and self.smoothing == 0.0:
            found, place = kernel.sweep_labels(self.element)(
                *head, labels, w, weighing.divisor, self.parameters, self.z_loss, *tail
            )
        else:
            q = buffer[:0].reshape(0, rows.classes)
            if rows.distributions is not None:
                q = read(rows.distributions, box, buffer).reshape(-1, rows.classes)
            settings = (self.parameters, self.z_loss, self.smoothing, rows.tolerance)
            found, place = kernel.sweep_distributions(self.element)(
                *head, q, labels, w, weighing.divisor, *settings, *tail
            )
        if found != FINE:
            rows.refuse(found, box, place)


# --------------------------------------------------------------------------------------------- row losses

BLOCK_CELLS = 1 << 15  # elements of a block of rows that runs as NumPy arrays: it stays in the L2 cache


def evaluate_rowwise(
    rule: Rule, z: NDArray[Any], t: NDArray[Any], axis: int, weighing: Weighing, wanted: Wanted, out: Any
) -> Results:
    """The exact sum of w l, and the arrays that are ``wanted``; general formulas run on blocks of rows, in double."""
    rows = Rows(rule, z, t, axis, weighing, wanted, out)
    if rows.results.in_place:
        evaluate_rowwise(rule, z, t, axis, weighing, NOTHING, None)
    if rule.separable:
        sweep = ClassSweep(rows, wanted)
        work = z.size if rows.distributions is not None else z.size // 8  # the formula runs at the labels alone
        return rows.results.finished(job(sweep.over, rows.boxes(sweep.cells), work))

    def over(mine: Iterator[Box], limbs: Limbs) -> None:
        for box in mine:
            _row_block(rows, box, limbs)

    return rows.results.finished(job(over, rows.boxes(BLOCK_CELLS), z.size))


class ClassSweep:
    """The formula's loop and the numbers that go with it, over boxes of rows; the formula is one of a class."""

    def __init__(self, rows: Rows, wanted: Wanted) -> None:
        from rashin.kernels import rowwise

        rule = rows.rule
        self.rows, self.wanted, self.kernel = rows, wanted, rowwise
        self.element = element_type(rows.z, rows.distributions)
        self.loop = compiled(rowwise.of_shares(rule.formula), rule.parameters, wanted.order, self.element, True)
        self.bounds = np.array(domain_bounds(rule.prediction, self.element))
        arrays = (rows.z, rows.distributions, rows.gradient, rows.hessian)
        in_place = all(lies_well(array, self.element) for array in arrays)
        self.cells = max(piece(rows.z.size, IN_PLACE), GATHERED // 2) if in_place else GATHERED
        self.buffer = 0 if in_place else max(min(GATHERED, rows.z.size), rows.classes)

    def over(self, mine: Iterator[Box], limbs: Limbs) -> None:
        """Sweep over the boxes that fall to this thread."""
        rows = self.rows
        buffers = [np.empty(self.buffer, self.element) for _ in range(4)]
        most = max(1, min(self.cells, rows.z.size) // rows.classes)
        numbers = np.empty(most if self.wanted.values else 0)
        for box in mine:
            z = read(rows.z, box, buffers[0])
            values = numbers[: z.size // rows.classes if self.wanted.values else 0]
            gradient = place_in(rows.gradient, box, buffers[2], z.size)
            hessian = place_in(rows.hessian, box, buffers[3], z.size)
            self._run(z, box, buffers[1], values, gradient, hessian, limbs)
            store(rows.results.values, box, values, numbers)
            store(rows.gradient, box, gradient, buffers[2])
            store(rows.hessian, box, hessian, buffers[3])

    def _run(self, z: Any, box: Box, buffer: Any, values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> None:
        """The compiled sweep: the one for labels, or the one for distributions."""
        rows, weighing = self.rows, self.rows.weighing
        z, gradient, hessian = (a.reshape(-1, rows.classes) for a in (z, gradient, hessian))
        labels, w = np.ascontiguousarray(rows.labels[box]).reshape(-1), weighing.read(box)
        settings = (labels, w, weighing.divisor, rows.rule.numbers, self.bounds)
        results = (values, gradient, hessian, limbs)
        if rows.distributions is None:
            found, place = self.kernel.sweep_labels(self.element)(self.loop.address, z, *settings, *results)
        else:
            q = read(rows.distributions, box, buffer).reshape(-1, rows.classes)
            found, place = self.kernel.sweep_distributions(self.element)(
                self.loop.address, z, q, *settings, rows.tolerance, *results
            )
        if found != FINE:
            rows.refuse(found, box, place)


def _row_block(rows: Rows, box: Box, limbs: Limbs) -> None:
    """One block: rows of weight 0 are left out, and come back as zeros."""
    from rashin.kernels.rowwise import block

    z, t, w, chosen = _checked_rows(rows, box)
    value, gradient, hessian = block(rows.rule.formula, rows.rule.parameters, z, t)
    terms = np.zeros(chosen.size)
    terms[chosen] = value * w
    if np.isnan(terms).any():
        rows.refuse(-1, box, int(np.argmax(np.isnan(terms))))
    add(limbs, terms)
    store(rows.results.values, box, terms[:], terms)
    factor = (w / rows.weighing.divisor)[:, None]
    for result, derivative in ((rows.gradient, gradient), (rows.hessian, hessian)):
        if result is not None:
            full = np.zeros((chosen.size, rows.classes))
            full[chosen] = derivative * factor
            store(result, box, full[:], full)


def _checked_rows(rows: Rows, box: Box) -> tuple[Any, Any, Any, NDArray[np.bool_]]:
    """Rows of positive weight as doubles, targets one-hot or given, their weights, and which of the box these are."""
    z = np.array(rows.z[box], dtype=np.float64).reshape(-1, rows.classes)
    labels = rows.labels[box].reshape(-1)
    inside = labels != OUTSIDE if rows.weighing.where is not None else np.ones(labels.size, np.bool_)
    _refuse_first(rows, box, PREDICTION, inside & ~rows.rule.prediction.contains(z).all(axis=-1))
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
