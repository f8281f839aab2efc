"""Row losses on NumPy arrays: predictions (..., C) with labels (...) or distributions (..., C)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.buffers import is_contiguous, place_in, read, store
from rashin.backends.numpy.results import (
    DOUBLE,
    NO_DOUBLES,
    NOTHING,
    NOTHING_OF,
    PARALLEL,
    Outputs,
    Program,
    Results,
    Wanted,
    chunk_size,
    element_type,
    job,
)
from rashin.chunks import Box, boxes, start_of, unravelled, with_axis
from rashin.domain import LOG_PROBABILITY
from rashin.exact import Limbs, empty_limbs
from rashin.kernels.distributions import sweep_distributions
from rashin.kernels.labelwise import OUTSIDE, sweep_labels
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET
from rashin.kernels.rows import softcapped
from rashin.reduction import Weighing

__all__ = ["LabelSweep", "RowSweep", "Rows", "classes_last", "element_of", "evaluate_labelwise"]

IN_PLACE = 1 << 20  # elements of a chunk that is read where it lies
GATHERED = 1 << 17  # elements of a chunk that is copied to a buffer first: 1 MiB of doubles


class Rows:
    """Prediction and target with the classes last, and what their shapes say.

    ``labels`` are int64, OUTSIDE where a row is not selected; ``distributions``, which may be given by logits, is None
    if the target holds labels.
    Second derivatives are wanted times the ``vector``, if there is one.
    """

    def __init__(
        self,
        program: Program,
        z: NDArray[Any],
        t: NDArray[Any],
        axis: int,
        weighing: Weighing,
        wanted: Wanted,
        out: Outputs | None,
        vector: NDArray[Any] | None = None,
    ) -> None:
        self.program, self.rule, self.weighing, self.given = program, program.rule, weighing, t
        self.axis, self.z = axis, classes_last(z, axis)
        self.shape, self.classes = self.z.shape[:-1], self.z.shape[-1]
        dense = checks.holds_rows(z, t, self.shape, self.rule.target)
        self.distributions = classes_last(t, axis) if dense else None
        self.labels = np.zeros(self.shape, np.int64) if dense else checks.labels(t, weighing.where)
        if weighing.where is not None:
            self.labels = np.where(weighing.where, np.maximum(self.labels, -1), OUTSIDE)
        self.tolerance = checks.sum_tolerance(self.classes, _epsilon(t.dtype)) if dense else 0.0
        self.vector = None if vector is None else classes_last(vector, axis)
        self.results = Results(self.shape, z, wanted, out, (t, weighing.weight, weighing.where, vector))
        gradient, hessian = self.results.gradient, self.results.hessian
        self.gradient = None if gradient is None else classes_last(gradient, axis)
        self.hessian = None if hessian is None else classes_last(hessian, axis)

    def boxes(self, cells: int) -> Iterator[Box]:
        """Boxes of rows of about ``cells`` elements."""
        return boxes(self.shape, max(1, cells // self.classes))

    @np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
    def refuse(self, found: int, box: Box, place: int) -> NoReturn:
        """Words for the row that a sweep refused, the ``place``-th of a box."""
        index = start_of(box, unravelled(place, self.z[box].shape[:-1]))
        row = self.z[index].astype(np.float64)
        if found == PREDICTION:
            self._refuse_prediction(row, index)
        target = self.given[index] if self.distributions is None else self.distributions[index]
        if found == TARGET and self.distributions is None:
            checks.refuse_label(target, index, self.classes)
        if found == TARGET and self.rule.target.axes:
            checks.refuse_logits(target, index, self.axis)
        if found == TARGET:
            checks.refuse_distribution(target, index, self.axis, self.tolerance)
        checks.refuse_without_limit(checks.row_in_words(row), target, index)

    def _refuse_prediction(self, row: NDArray[np.float64], index: tuple[int, ...]) -> NoReturn:
        domain = self.rule.prediction.entry()
        good = self.rule.prediction.contains(row)
        if good.all():
            raise checks.total_refusal(row, index, domain == LOG_PROBABILITY)
        column = int(np.argmin(good))
        if domain.contains(row[column]):
            checks.refuse_threshold(row, column, with_axis(index, self.axis, column))
        checks.refuse_prediction(row[column], with_axis(index, self.axis, column), domain)


def classes_last(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """The array with its class axis moved to the end."""
    return array if axis == -1 else np.moveaxis(array, axis, -1)


def _epsilon(dtype: np.dtype[Any]) -> float:
    if dtype.name == "bfloat16":
        return 2.0**-7
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


def element_of(rows: Rows, capped: bool = False) -> np.dtype[Any]:
    """The element type of a sweep: double wherever its results are worked on before they are rounded."""
    if capped or rows.vector is not None:
        return DOUBLE
    return element_type(rows.z, rows.distributions)


class RowSweep:
    """A compiled sweep over boxes of rows, read where they lie if they lie well, else gathered; subclasses run it.

    ``work`` is what it costs, in elements to which a formula is applied.
    """

    def __init__(self, rows: Rows, wanted: Wanted, element: np.dtype[Any], work: int, gathers: bool = False) -> None:
        self.rows, self.wanted, self.element, self.work = rows, wanted, element, work
        arrays = (rows.z, rows.distributions, rows.gradient, rows.hessian)
        self.in_place = not gathers and rows.vector is None and all(is_contiguous(array, element) for array in arrays)
        self.cells = chunk_size(rows.z.size, IN_PLACE) if self.in_place else GATHERED
        self.buffer = 0 if self.in_place else max(min(GATHERED, rows.z.size), rows.classes)

    def run(self, z: Any, box: Box, buffers: list[Any], values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> None:
        """Sweep over the rows ``z`` of a box."""
        raise NotImplementedError

    def everything(self) -> Limbs:
        """Sweep over all rows; the exact sum of w l."""
        if self.in_place and self.work < PARALLEL:
            return self._at_once()
        return job(self.over, self.rows.boxes(self.cells), self.work)

    def _at_once(self) -> Limbs:
        """All rows in one go, where they lie: without the walk over boxes a small call takes two thirds of the time."""
        rows, limbs = self.rows, empty_limbs()
        nothing = NOTHING_OF[self.element].reshape(0, 0)
        values = np.empty(rows.labels.size) if self.wanted.values else NO_DOUBLES
        gradient = nothing if rows.gradient is None else rows.gradient
        hessian = nothing if rows.hessian is None else rows.hessian
        self.run(rows.z, (...,), [nothing] * 4, values, gradient, hessian, limbs)
        store(rows.results.values, (...,), values[:], values)
        return limbs

    def over(self, mine: Iterator[Box], limbs: Limbs) -> None:
        """Sweep over the boxes that fall to this thread."""
        rows = self.rows
        buffers = [np.empty(self.buffer, self.element) for _ in range(5 if rows.vector is not None else 4)]
        most = max(1, min(self.cells, rows.z.size) // rows.classes)
        numbers = np.empty(most if self.wanted.values else 0)
        for box in mine:
            z = read(rows.z, box, buffers[0])
            values = place_in(rows.results.values, box, numbers, z.size // rows.classes)
            gradient = place_in(rows.gradient, box, buffers[2], z.size)
            hessian = place_in(rows.hessian, box, buffers[3], z.size)
            self.run(z, box, buffers, values, gradient, hessian, limbs)
            store(rows.results.values, box, values, numbers)
            store(rows.gradient, box, gradient, buffers[2])
            store(rows.hessian, box, hessian, buffers[3])


# ------------------------------------------------------------------------------------------- label losses


def evaluate_labelwise(
    program: Program,
    z: NDArray[Any],
    t: NDArray[Any],
    axis: int,
    weighing: Weighing,
    wanted: Wanted,
    out: Outputs | None,
) -> Results:
    """The exact sum of w l, and the arrays that are ``wanted``, of losses of the label's log-probability."""
    rows = Rows(program, z, t, axis, weighing, wanted, out)
    if rows.results.in_place:
        evaluate_labelwise(program, z, t, axis, weighing, NOTHING, None)
    return rows.results.finished(LabelSweep(rows, wanted).everything())


class LabelSweep(RowSweep):
    """The formula's loop and the numbers that go with it, over boxes of rows."""

    def __init__(self, rows: Rows, wanted: Wanted) -> None:
        options = dict(rows.rule.options)
        self.smoothing = options.get("label_smoothing") or 0.0
        self.z_loss = options.get("z_loss") or 0.0
        self.cap = options.get("softcap")
        element = element_of(rows, capped=bool(self.cap))
        super().__init__(rows, wanted, element, rows.z.size, gathers=bool(self.cap))
        self.loop = rows.program.loop(2, DOUBLE)
        self.parameters = rows.program.numbers

    def run(self, z: Any, box: Box, buffers: list[Any], values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> None:
        """The compiled sweep, of capped logits where there is a cap."""
        sweep = self._capped if self.cap else self._run
        sweep(z, box, buffers, values, gradient, hessian, limbs)

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
        self._run(capped, box, buffers, values, slopes, hessian, limbs)
        if hessian.size:
            hessian[:] = hessian * first * first + slopes * second
        if gradient.size:
            gradient *= first

    def _run(
        self, z: Any, box: Box, buffers: list[Any], values: Any, gradient: Any, hessian: Any, limbs: Limbs
    ) -> None:
        """The compiled sweep: the one for labels, or the one for distributions, which smoothed labels are too."""
        rows, weighing = self.rows, self.rows.weighing
        if z.ndim != 2:
            z, gradient, hessian = (a.reshape(-1, rows.classes) for a in (z, gradient, hessian))
        labels, w = rows.labels[box].reshape(-1), weighing.read(box)
        head, tail = (self.loop.address, z), (values, gradient, hessian, limbs)
        settings = (w, weighing.divisor, self.parameters, self.z_loss)
        if rows.distributions is None and self.smoothing == 0.0:
            labels = np.require(labels, None, ["C", "A"])
            found, place = sweep_labels(self.element)(*head, labels, *settings, *tail, 0, NO_DOUBLES)
        else:
            labels = labels.copy()  # who else writes to them now is not heard
            q = buffers[1][:0].reshape(0, rows.classes)
            if rows.distributions is not None:
                q = read(rows.distributions, box, buffers[1]).reshape(-1, rows.classes)
            found, place = sweep_distributions(self.element)(
                *head, q, labels, *settings, self.smoothing, rows.tolerance, *tail
            )
        if found != FINE:
            rows.refuse(found, box, place)
