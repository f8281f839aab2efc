"""The loss to beat: that of one and the same prediction for every row, found without a second look at the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.measurement.remarks import loss_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rashin.domain import Domain
    from rashin.loss import Loss
    from rashin.measurement.clusters import Key
    from rashin.measurement.moments import Moments

__all__ = ["Baseline", "baseline_of"]

Array = NDArray[Any]


class Baseline(NamedTuple):
    """The best constant prediction, a number or one for each class, and its mean loss."""

    prediction: Any
    mean: float


def baseline_of(name: str, classes: Mapping[Key, Moments], targets: Moments | None) -> Baseline | None:
    """The baseline of the loss ``name``, such as ``focal(gamma=3.0)``, from what is known of the targets.

    That is the weight of each class, or the moments of the targets, from which it follows for losses that are
    polynomials in the target. None where neither does, or where the loss does not tell its best constant.
    """
    loss = loss_of(name)
    if loss is None or loss.facts.best_constant is None:
        return None
    found = _points(loss, targets) if loss.kind == "pointwise" else _classes(classes)
    return None if found is None else _at_best(loss, *found)


def _classes(classes: Mapping[Key, Moments]) -> tuple[Array, Array] | None:
    weight = np.array([moments.weight for moments in classes.values()])
    return (np.arange(weight.size), weight) if weight.sum() > 0.0 else None


def _points(loss: Loss, targets: Moments | None) -> tuple[Array, Array] | None:
    """Few targets and their weights, over which the loss of any constant has the mean that it has over all."""
    if targets is None or targets.count == 0 or not np.isfinite(targets.spread):
        return None
    domain, mean = loss.facts.target_domain(loss.parameters), targets.mean
    if domain.shape == "ends":
        share = (mean - domain.low) / (domain.high - domain.low)
        return np.array([domain.low, domain.high]), np.array([1.0 - share, share])
    if loss.facts.target_degree == 1:
        return np.array([mean]), np.ones(1)
    if loss.facts.target_degree == 2:
        return _two_points(domain, mean, targets.spread)
    return None


def _two_points(domain: Domain, mean: float, spread: float) -> tuple[Array, Array]:
    """Two targets of the domain with that mean and standard deviation: one is an end of the domain if it has one."""
    if spread == 0.0:
        return np.array([mean]), np.ones(1)
    end = next((bound for bound in (domain.low, domain.high) if np.isfinite(bound)), mean - spread)
    away = mean - end
    return np.array([end, mean + spread * (spread / away)]), np.array([spread * spread, away * away])


def _at_best(loss: Loss, target: Array, weight: Array) -> Baseline | None:
    occurs = weight > 0.0
    one_hot = target if loss.kind == "pointwise" else np.eye(target.size)
    with np.errstate(all="ignore"):
        best = loss.facts.best_constant(one_hot[occurs], weight[occurs], **loss.parameters)  # type: ignore[misc]
    if best is None or not loss.facts.prediction.contains(best).all():
        return None
    everywhere = np.broadcast_to(best, (*target[occurs].shape, *np.shape(best)))
    mean = loss(everywhere, target[occurs], weight=weight[occurs])
    return Baseline(best.tolist() if np.ndim(best) else float(best), mean)
