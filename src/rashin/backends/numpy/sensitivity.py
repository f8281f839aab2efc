"""How the reduced loss changes with its targets and its weights, as distillation and reweighting ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.arithmetic import arrays
from rashin.backends.numpy import evaluate_arrays, sample_losses
from rashin.backends.numpy.links import log_softmax
from rashin.backends.numpy.results import Program, gradient_type
from rashin.backends.numpy.rows import classes_last
from rashin.chunks import boxes
from rashin.kernels.rows import softcapped
from rashin.native.kernel import DOUBLE
from rashin.reduction import Weighing, weigh
from rashin.rule import RESIDUAL, Rule

__all__ = ["gradient_by_target", "gradient_by_weight", "has_target_gradient"]

CELLS = 1 << 17  # elements of a chunk
Doubles: TypeAlias = NDArray[np.float64]


def has_target_gradient(rule: Rule, labels: bool) -> bool:
    """Whether the target can vary: labels and signs cannot."""
    if rule.kind in ("columnwise", "memberwise"):  # the kind, and not the prediction: torch compiles this
        return rule.target_slope is not None
    return not labels and (rule.kind == "labelwise" or rule.target_slope is not None)


def gradient_by_target(
    program: Program, z: NDArray[Any], t: NDArray[Any], weight: Any, where: Any, reduction: str, axis: int
) -> NDArray[Any]:
    """The gradient of the reduced loss by a target that can vary, in the target's dtype; 0 outside ``where``."""
    gradient = np.zeros(t.shape, gradient_type(t))
    if program.rule.prediction.axes:
        axis = checks.axis(z, axis)
        z, of_rows = classes_last(z, axis), t.ndim == z.ndim
        t, moved = (classes_last(x, axis) if of_rows else x for x in (t, gradient))
    else:
        moved = gradient
    samples = program.rule.prediction.batch_shape(z.shape)
    _fill(moved, z, t, weigh(weight, where, samples, reduction), samples, _slopes(program))
    return gradient


def _fill(
    gradient: NDArray[Any],
    z: NDArray[Any],
    t: NDArray[Any],
    weighing: Weighing,
    samples: tuple[int, ...],
    slopes: Callable[[Doubles, Doubles], Doubles],
) -> None:
    """Box by box, the slopes of the samples that count, times their weights."""
    size = max(1, z.size)
    for box in boxes(samples, max(1, CELLS * max(1, int(np.prod(samples))) // size)):
        part = gradient[box]
        shape = part.shape if t.ndim == len(samples) else part.shape[:-1]
        factor = np.broadcast_to(1.0 if weighing.plain else weighing.read(box).reshape(shape), shape) / weighing.divisor
        counts = factor != 0.0
        with np.errstate(all="ignore"):
            found = slopes(z[box][counts].astype(np.float64), t[box][counts].astype(np.float64))
            part[counts] = (found.T * factor[counts]).T


def _slopes(program: Program) -> Callable[[Doubles, Doubles], Doubles]:
    """dl/dt of samples (n,) or (n, C) in doubles."""
    rule = program.rule
    if rule.kind == "labelwise":
        return lambda z, t: _of_shares(rule, z)
    slope: Any = rule.target_slope
    if rule.kind == "classwise":
        return lambda z, t: _of_classes(rule, z, t)
    if rule.prediction.is_joint and slope == RESIDUAL:
        return lambda z, t: -_gradient(program, z, t).sum(axis=-1)
    if rule.columns:
        return lambda z, t: slope(arrays, *np.moveaxis(z, -1, 0), t, *rule.parameters)
    if slope == RESIDUAL:
        return lambda z, t: -np.asarray(_gradient(program, z, t))
    return lambda z, t: slope(arrays, z, t, *rule.parameters)


def _gradient(program: Program, z: Doubles, t: Doubles) -> Any:
    return evaluate_arrays(program, z, t, None, None, "sum", -1, (False, True, False), None).gradient


def _of_shares(rule: Rule, z: Doubles) -> Doubles:
    """The loss of each class, which its share in the target multiplies."""
    options = dict(rule.options)
    if options.get("softcap"):
        capped, first, second = np.empty(z.size), np.empty(z.size), np.empty(z.size)
        softcapped(DOUBLE)(np.ascontiguousarray(z).reshape(-1), options["softcap"], capped, first, second)
        z = capped.reshape(z.shape)
    loss = rule.formula(arrays, log_softmax(z, -1), *rule.parameters)[0]
    return (1.0 - (options.get("label_smoothing") or 0.0)) * loss  # type: ignore[no-any-return]


def _of_classes(rule: Rule, z: Doubles, t: Doubles) -> Doubles:
    """T^2 times the slope of each class by its share in the target."""
    slope: Any = rule.target_slope
    temperature = dict(rule.options)["temperature"] or 1.0
    u = log_softmax(z / temperature, -1)
    found = slope(arrays, u, arrays.exp(u), arrays.log(t), t, *rule.parameters)
    return temperature * temperature * found  # type: ignore[no-any-return]


def gradient_by_weight(
    program: Program, z: NDArray[Any], t: NDArray[Any], weight: Any, where: Any, reduction: str, axis: int
) -> Doubles:
    """The gradient of the reduced loss by the weights in doubles; 0 outside ``where``.

    It is the sample's loss; of a mean, its distance from the mean over the sum of the weights.
    """
    losses = sample_losses(program, z, t, where, axis)
    if reduction != "mean":
        return losses
    total = float(np.sum(weight, dtype=np.float64, where=True if where is None else where))
    mean = evaluate_arrays(program, z, t, weight, where, "mean", axis, (True, False, False), None).value
    gradient = (losses - mean) / total
    return gradient if where is None else np.where(where, gradient, 0.0)
