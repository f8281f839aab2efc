"""Losses that compare the softmax of rows with distributions, on NumPy arrays."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from rashin.backends.numpy.buffers import factors, read
from rashin.backends.numpy.results import DOUBLE, NOTHING, Outputs, Program, Results, Wanted
from rashin.backends.numpy.rows import Rows, RowSweep, element_of
from rashin.chunks import Box
from rashin.exact import Limbs
from rashin.kernels import classwise as kernel
from rashin.kernels.pointwise import FINE
from rashin.reduction import Weighing

__all__ = ["ClassProductSweep", "evaluate_classwise"]


def evaluate_classwise(
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
        evaluate_classwise(program, z, t, axis, weighing, NOTHING, None)
    return rows.results.finished(_Sweep(rows, wanted).everything())


class _Sweep(RowSweep):
    """The loop of a formula of all classes, over boxes of rows."""

    def __init__(self, rows: Rows, wanted: Wanted) -> None:
        super().__init__(rows, wanted, element_of(rows), rows.z.size)
        self.loop = rows.program.loop(wanted.order, DOUBLE)
        self.mode = kernel.LABELS if rows.distributions is None else kernel.SHARES
        if rows.rule.target.axes:
            self.mode = kernel.LOGITS

    def run(self, z: Any, box: Box, buffers: list[Any], values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> None:
        """The compiled sweep."""
        gradient, hessian = (a.reshape(-1, self.rows.classes) for a in (gradient, hessian))
        results = (values, gradient, hessian, limbs)
        self._checked(box, kernel.sweep_classes(self.element)(*self._given(z, box, buffers), *results))

    def _given(self, z: Any, box: Box, buffers: list[Any], *vector: Any) -> tuple[Any, ...]:
        rows, weighing = self.rows, self.rows.weighing
        q = buffers[1][:0].reshape(0, rows.classes)
        if rows.distributions is not None:
            q = read(rows.distributions, box, buffers[1]).reshape(-1, rows.classes)
        labels = rows.labels[box].flatten()  # a copy: who else writes to them now is not heard
        temperature = dict(rows.rule.options)["temperature"]
        settings = (weighing.read(box), weighing.divisor, rows.program.numbers, temperature, rows.tolerance)
        return self.loop.address, z.reshape(-1, rows.classes), self.mode, q, labels, *vector, *settings

    def _checked(self, box: Box, answer: tuple[int, int]) -> None:
        found, place = answer
        if found != FINE:
            self.rows.refuse(found, box, place)


class ClassProductSweep(_Sweep):
    """The sweep that puts H v in the place of the diagonal."""

    def run(self, z: Any, box: Box, buffers: list[Any], values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> None:
        """The compiled sweep."""
        rows = self.rows
        v = factors(rows.vector, box, buffers[4], rows.weighing.outside(box))  # type: ignore[arg-type]
        given = self._given(z, box, buffers, v.reshape(-1, rows.classes))
        self._checked(box, kernel.sweep_class_products(self.element)(*given, hessian.reshape(-1, rows.classes)))
