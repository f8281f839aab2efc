"""Losses on NumPy arrays: checks, reduction and the fused sweeps put together."""

from __future__ import annotations

from typing import Any, NamedTuple

from rashin import checks
from rashin.backends.numpy.pointwise import evaluate as evaluate_pointwise
from rashin.backends.numpy.results import Rule, Wanted, gradient_type
from rashin.backends.numpy.rows import evaluate_labelwise
from rashin.backends.numpy.rowwise import evaluate_rowwise
from rashin.reduction import weigh

__all__ = ["Answer", "Rule", "evaluate"]


class Answer(NamedTuple):
    """What was asked for; the value is a float, or an array for ``reduction="none"``."""

    value: Any
    gradient: Any
    hessian: Any


def evaluate(
    rule: Rule,
    prediction: Any,
    target: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    wanted: tuple[bool, bool, bool],
    out: Any = None,
) -> Answer:
    """Value, gradient and Hessian diagonal, as ``wanted``, of the reduced loss."""
    z, t = checks.array("prediction", prediction), checks.array("target", target)
    if out is not None:
        checks.output(out, z.shape, gradient_type(z))
    value_wanted, gradient_wanted, hessian_wanted = wanted
    arrays = Wanted(value_wanted and reduction == "none", gradient_wanted, hessian_wanted)
    if rule.kind == "pointwise":
        weighing = weigh(weight, where, z.shape, reduction)
        results = evaluate_pointwise(rule, z, t, weighing, arrays, out)
    else:
        axis = checks.axis(z, axis)
        shape = z.shape[:axis] + z.shape[axis + 1 :] if axis != -1 else z.shape[:-1]
        weighing = weigh(weight, where, shape, reduction)
        run = evaluate_labelwise if rule.kind == "labelwise" else evaluate_rowwise
        results = run(rule, z, t, axis, weighing, arrays, out)
    value: Any = results.values
    if value_wanted and reduction != "none":
        value = weighing.reduce(results.limbs)
    return Answer(value, results.gradient, results.hessian)
