"""The loss to beat: that of the best constant prediction, computed without a second pass over the rows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.constant import constant_for_classes, constant_of, shares
from rashin.domain import LABEL
from rashin.measurement.remarks import loss_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rashin.domain import Domain
    from rashin.loss import Loss
    from rashin.measurement.sums.clusters import Key
    from rashin.measurement.sums.moments import Moments

__all__ = ["Baseline", "baseline_of"]

Array = NDArray[Any]


class Baseline(NamedTuple):
    """The best constant prediction, a number or one for each class or column, and its mean loss."""

    prediction: Any
    mean: float


def baseline_of(name: str, classes: Mapping[Key, Moments], targets: Moments | None) -> Baseline | None:
    """The baseline of the loss ``name``, such as ``focal(gamma=3.0)``, from the classes or the moments of the targets.

    It follows from the weight of each class or, for losses that are polynomials in the target, from the moments of the
    targets. None if neither is enough, if the best constant of the loss is unknown, or if computing it fails. A failure
    becomes a warning, because a measurement is valid without its baseline.
    """
    loss = loss_of(name)
    if loss is None:
        return None
    try:
        with np.errstate(all="ignore"):
            return _of_classes(loss, classes) if loss.prediction.has_classes else _of_numbers(loss, targets)
    except Exception as error:
        warnings.warn(f"baseline: left out, since {name} gave no best constant: {type(error).__name__}: {error}")
        return None


def _of_classes(loss: Loss, classes: Mapping[Key, Moments]) -> Baseline | None:
    weight = np.array([moments.weight for moments in classes.values()])
    if not weight.any():
        return None
    row = constant_for_classes(loss, weight)
    if row is None or not loss.prediction.contains(row).all():
        return None
    return Baseline(row.tolist(), _mean_of_row(loss, row, weight))


def _mean_of_row(loss: Loss, row: Array, weight: Array) -> float:
    """The mean loss if one row is the prediction for all, in C steps if the loss allows it."""
    if loss.facts.separable and not loss.facts.every_class:  # the loss of a label depends on its entry alone
        alone = loss.replace(normalized=False) if "normalized" in loss.parameters else loss
        mean: float = alone(row[:, None], np.zeros(row.size, np.int64), weight=weight)
    elif loss.facts.target_degree == 1 and loss.target != LABEL:  # the loss of a mixture is the mixture of the losses
        mean = loss(row[None], shares(weight)[None])
    else:
        mean = loss(np.broadcast_to(row, (row.size, row.size)), np.arange(row.size), weight=weight)
    return mean


def _of_numbers(loss: Loss, targets: Moments | None) -> Baseline | None:
    points = _points(loss, targets)
    if points is None:
        return None
    target, weight = (numbers[points[1] > 0.0] for numbers in points)
    found = constant_of(loss, target, weight)
    best = np.asarray(found, np.float64)
    if found is None or not loss.prediction.contains(best).all():
        return None
    return Baseline(best.tolist(), loss(np.broadcast_to(best, target.shape + best.shape), target, weight=weight))


def _points(loss: Loss, targets: Moments | None) -> tuple[Array, Array] | None:
    """A few targets with weights for which the mean loss of any constant is the same as over all targets."""
    if targets is None or targets.count == 0 or not np.isfinite(targets.spread):
        return None
    domain, mean = loss.target.entry(), targets.mean
    if domain.shape == "ends":
        share = (mean - domain.low) / (domain.high - domain.low)
        return np.array([domain.low, domain.high]), np.array([1.0 - share, share])
    if loss.facts.target_degree == 1:
        return np.array([mean]), np.ones(1)
    if loss.facts.target_degree == 2:
        return _two_points(domain, mean, targets.spread)
    return None


def _two_points(domain: Domain, mean: float, spread: float) -> tuple[Array, Array]:
    """Two targets in the domain with that mean and standard deviation; one is an end of the domain if it has an end."""
    if spread == 0.0:
        return np.array([mean]), np.ones(1)
    end = next((bound for bound in (domain.low, domain.high) if np.isfinite(bound)), mean - spread)
    away = mean - end
    return np.array([end, mean + spread * (spread / away)]), np.array([spread * spread, away * away])
