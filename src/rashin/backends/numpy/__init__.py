"""Losses on NumPy arrays: checks, reduction and the fused sweeps put together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.classwise import evaluate_classwise
from rashin.backends.numpy.columnwise import evaluate as evaluate_columnwise
from rashin.backends.numpy.columnwise import evaluate_fisher, evaluate_matrix
from rashin.backends.numpy.direct import evaluate as evaluate_directly
from rashin.backends.numpy.groups import evaluate_groups, losses_of_sums, measured, spread_over
from rashin.backends.numpy.linear import evaluate_linear, linear_statistics
from rashin.backends.numpy.links import log_softmax, logsumexp, sigmoid, softmax
from rashin.backends.numpy.pointwise import evaluate as evaluate_pointwise
from rashin.backends.numpy.products import evaluate_columns_of_matrix, hessian_vector_product
from rashin.backends.numpy.results import Outputs, Program, Results, Wanted, gradient_type
from rashin.backends.numpy.rows import evaluate_labelwise
from rashin.backends.numpy.rowwise import evaluate_rowwise
from rashin.backends.numpy.statistics import softmax_statistics
from rashin.reduction import Weighing, weigh

__all__ = [
    "Answer",
    "Outputs",
    "Program",
    "beside",
    "detached",
    "evaluate",
    "evaluate_arrays",
    "evaluate_groups",
    "evaluate_linear",
    "fisher",
    "hessian_matrix",
    "hessian_vector_product",
    "linear_statistics",
    "log_softmax",
    "logsumexp",
    "losses_of_sums",
    "measured",
    "namespace",
    "rounded",
    "sample_losses",
    "sigmoid",
    "softmax",
    "softmax_statistics",
    "spread_over",
    "stacked",
    "widened",
]


class Answer(NamedTuple):
    """What was asked for; the value is a float, or an array for ``reduction="none"``."""

    value: Any
    gradient: Any
    hessian: Any


def evaluate(
    program: Program,
    prediction: Any,
    target: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    wanted: tuple[bool, bool, bool],
    out: Any = None,
    hessian_out: Any = None,
) -> Answer:
    """Value, gradient and Hessian diagonal, as ``wanted``, of the reduced loss."""
    z = checks.array("prediction", prediction, where, axis)
    t = checks.array("target", target, where, axis)
    return evaluate_arrays(program, z, t, weight, where, reduction, axis, wanted, _outputs(z, out, hessian_out))


def evaluate_arrays(
    program: Program,
    z: NDArray[Any],
    t: NDArray[Any],
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    wanted: tuple[bool, bool, bool],
    outputs: Outputs | None,
    rounded: bool = True,
) -> Answer:
    """The same of arrays of real numbers; outputs may have a wider type than the prediction's.

    If they are not ``rounded``, the losses of the samples are doubles.
    """
    if weight is None and where is None:
        answer = evaluate_directly(program, z, t, reduction, axis, wanted, outputs)
        if answer is not None:
            return Answer(*answer)
    value_wanted, gradient_wanted, hessian_wanted = wanted
    arrays = Wanted(value_wanted and reduction == "none", gradient_wanted, hessian_wanted, rounded)
    results, weighing = _swept(program, z, t, weight, where, reduction, axis, arrays, outputs)
    value: Any = results.values
    if value_wanted and reduction != "none":
        value = weighing.reduce(results.limbs)
    return Answer(value, results.gradient, results.hessian)


def _outputs(z: NDArray[Any], out: Any, hessian_out: Any) -> Outputs | None:
    """The caller's arrays, if there are any that can take the derivatives."""
    if out is None and hessian_out is None:
        return None
    for name, array in (("out", out), ("hessian_out", hessian_out)):
        if array is not None:
            checks.output(name, array, z.shape, gradient_type(z))
    if out is not None and hessian_out is not None:
        checks.separate(out, hessian_out)
    return Outputs(out, hessian_out)


def sample_losses(program: Program, prediction: Any, target: Any, where: Any, axis: int) -> NDArray[np.float64]:
    """The samples' losses as doubles, as they are summed; 0 outside ``where``."""
    z = checks.array("prediction", prediction, where, axis)
    t = checks.array("target", target, where, axis)
    wanted = Wanted(True, False, False, rounded=False)
    return _swept(program, z, t, None, where, "none", axis, wanted, None)[0].values  # type: ignore[return-value]


def _swept(
    program: Program,
    z: Any,
    t: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    wanted: Wanted,
    out: Outputs | None,
) -> tuple[Results, Weighing]:
    if program.rule.kind == "pointwise":
        weighing = weigh(weight, where, z.shape, reduction)
        return evaluate_pointwise(program, z, t, weighing, wanted, out), weighing
    axis = checks.axis(z, axis)
    shape = z.shape[:axis] + z.shape[axis + 1 :] if axis != -1 else z.shape[:-1]
    weighing = weigh(weight, where, shape, reduction)
    run = _ROWS[program.rule.kind]
    return run(program, z, t, axis, weighing, wanted, out), weighing


def stacked(parts: Any) -> NDArray[Any]:
    """Arrays beside each other along a new last axis."""
    return np.stack([checks.array("prediction", part) for part in parts], axis=-1)


_ROWS = {
    "labelwise": evaluate_labelwise,
    "classwise": evaluate_classwise,
    "rowwise": evaluate_rowwise,
    "columnwise": evaluate_columnwise,
    "memberwise": evaluate_columnwise,
}


def hessian_matrix(
    program: Program, prediction: Any, target: Any, weight: Any, where: Any, reduction: str, axis: int
) -> NDArray[Any]:
    """The Hessian of the reduced loss by the numbers of each sample."""
    z, t = checks.array("prediction", prediction, where, axis), checks.array("target", target, where)
    run = evaluate_matrix if program.rule.columns else evaluate_columns_of_matrix
    return run(program, z, t, axis, weight, where, reduction)


def fisher(program: Program, prediction: Any, weight: Any, where: Any, reduction: str, axis: int) -> NDArray[Any]:
    """The expected Hessian."""
    return evaluate_fisher(program, checks.array("prediction", prediction, where, axis), axis, weight, where, reduction)


def namespace(array: Any) -> Any:
    """The module with NumPy's functions."""
    return np


def beside(values: Any, like: Any) -> NDArray[Any]:
    """The values as an array."""
    return np.asarray(values)


def widened(array: Any) -> NDArray[np.float64]:
    """The numbers in doubles."""
    return np.asarray(array, np.float64)


def detached(array: Any) -> Any:
    """The numbers, which have no derivative here."""
    return array


def rounded(found: Any, like: Any) -> Any:
    """Numbers in the type of a prediction; a reduced value stays a float."""
    dtype = np.asarray(like).dtype
    return found.astype(dtype, copy=False) if isinstance(found, np.ndarray) and dtype.kind == "f" else found
