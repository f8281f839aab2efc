"""Products of the Hessian with a vector: of its diagonal where it is diagonal, else in full; and what they make up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.buffers import factors, read
from rashin.backends.numpy.classwise import ClassProductSweep, evaluate_classwise
from rashin.backends.numpy.columnwise import evaluate_products
from rashin.backends.numpy.pointwise import evaluate as evaluate_pointwise
from rashin.backends.numpy.results import NOTHING, Outputs, Program, Wanted, gradient_type
from rashin.backends.numpy.rows import LabelSweep, Rows, classes_last, evaluate_labelwise
from rashin.backends.numpy.rowwise import BlockSweep, ClassSweep, evaluate_rowwise
from rashin.chunks import Box
from rashin.exact import Limbs
from rashin.kernels import products as kernel
from rashin.kernels.formula import Takes
from rashin.kernels.pointwise import FINE
from rashin.kernels.rows import softcapped
from rashin.reduction import weigh

__all__ = ["evaluate_columns_of_matrix", "hessian_vector_product"]

WANTED = Wanted(False, False, True)


def hessian_vector_product(
    program: Program,
    prediction: Any,
    target: Any,
    vector: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    out: Any,
) -> NDArray[Any]:
    """The Hessian of the reduced loss times a vector. Formulas of whole rows may have none."""
    checks.products(program.rule)
    z, t = checks.array("prediction", prediction, where, axis), checks.array("target", target, where, axis)
    if out is not None:
        checks.output("out", out, z.shape, gradient_type(z))
    outputs = None if out is None else Outputs(None, out)
    if program.takes == Takes.TARGET:
        weighing = weigh(weight, where, z.shape, reduction)
        checks.same_shape(z, t)
        v = checks.vector(vector, z, where, axis)
        return evaluate_pointwise(program, z, t, weighing, WANTED, outputs, v).hessian  # type: ignore[return-value]
    axis = checks.axis(z, axis)
    if program.rule.prediction.is_joint:
        v = checks.vector(vector, z, where, axis)
        weighing = weigh(weight, where, classes_last(z, axis).shape[:-1], reduction)
        return evaluate_products(program, z, t, v, axis, weighing, WANTED, outputs).hessian  # type: ignore[return-value]
    weighing = weigh(weight, where, z.shape[:axis] + z.shape[axis + 1 :] if axis != -1 else z.shape[:-1], reduction)
    rows = Rows(program, z, t, axis, weighing, WANTED, outputs, checks.vector(vector, z, where, axis))
    is_block = program.rule.product is not None
    evaluate, sweep = (evaluate_rowwise, BlockSweep) if is_block else _OF_ROWS[program.takes]
    if rows.results.in_place:
        evaluate(program, z, t, axis, weighing, NOTHING, None)
    return rows.results.finished(sweep(rows, WANTED).everything()).hessian  # type: ignore[return-value]


def evaluate_columns_of_matrix(
    program: Program, z: NDArray[Any], t: NDArray[Any], axis: int, weight: Any, where: Any, reduction: str
) -> NDArray[Any]:
    """The Hessian (..., C, C) of the reduced loss by the numbers of each sample: its products with unit vectors."""
    axis = checks.axis(z, axis)
    rows, t = classes_last(z, axis), t if t.ndim < z.ndim else classes_last(t, axis)
    found = np.empty((*rows.shape, rows.shape[-1]), gradient_type(z))
    for place in range(rows.shape[-1]):
        unit = np.broadcast_to(np.arange(rows.shape[-1]) == place, rows.shape).astype(np.float64)
        found[..., place] = hessian_vector_product(program, rows, t, unit, weight, where, reduction, -1, None)
    return found


class ProductSweep(LabelSweep):
    """The sweep of label losses that puts H v in the place of the diagonal."""

    def run(self, z: Any, box: Box, buffers: list[Any], values: Any, gradient: Any, hessian: Any, limbs: Limbs) -> None:
        """The compiled sweep, of capped logits where there is a cap."""
        rows, outside = self.rows, self.rows.weighing.outside(box)
        v = factors(rows.vector, box, buffers[4], outside)  # type: ignore[arg-type]
        if not self.cap:
            self._products(z, v, box, buffers, gradient, hessian)
            return
        if outside is not None:  # nothing leaks from there, not even as 0 * NaN
            z = np.where(np.repeat(outside, rows.classes), 0.0, z)
        capped, first, second = np.empty_like(z), np.empty_like(z), np.empty_like(z)
        softcapped(self.element)(z, self.cap, capped, first, second)
        slopes = buffers[2][: z.size]
        self._products(capped, first * v, box, buffers, slopes, hessian)
        hessian[:] = hessian * first + slopes * second * v

    def _products(self, z: Any, v: Any, box: Box, buffers: list[Any], gradient: Any, product: Any) -> None:
        rows, weighing = self.rows, self.rows.weighing
        z, v, gradient, product = (a.reshape(-1, rows.classes) for a in (z, v, gradient, product))
        q = buffers[1][:0].reshape(0, rows.classes)
        if rows.distributions is not None:
            q = read(rows.distributions, box, buffers[1]).reshape(-1, rows.classes)
        labels, w = rows.labels[box].flatten(), weighing.read(box)  # a copy: who else writes to them now is not heard
        settings = (weighing.divisor, self.parameters, self.z_loss, self.smoothing, rows.tolerance)
        found, place = kernel.sweep_products(self.element)(
            self.loop.address, z, q, labels, v, w, *settings, gradient, product
        )
        if found != FINE:
            rows.refuse(found, box, place)


_OF_ROWS: dict[str, tuple[Any, Any]] = {
    Takes.LABEL: (evaluate_labelwise, ProductSweep),
    Takes.PAIR: (evaluate_classwise, ClassProductSweep),
    Takes.SHARE: (evaluate_rowwise, ClassSweep),
    Takes.CLASS: (evaluate_rowwise, ClassSweep),
}
