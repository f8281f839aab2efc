"""Objectives of boosters with the faults that were found in public helpers, each written anew in a few lines."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "WeightsIgnored",
    "by_probability",
    "focal_by_differences",
    "focal_with_quotients",
    "focal_without_curvature_of_positives",
    "half_gradient",
    "logistic",
    "negated",
    "squared_log_with_wrong_curvature",
    "weights_ignored",
    "weights_in_curvature_twice",
    "weights_twice",
    "weights_unless_none",
]


def _focal(z: Any, y: Any) -> tuple[Any, Any, Any]:
    """Gradient and Hessian of the focal loss of the margin, gamma 2, and the probability of the label."""
    sign = 2.0 * y - 1.0
    p = 1.0 / (1.0 + np.exp(-sign * z))
    q, inner = 1.0 - p, 2.0 * p * np.log(p) + p - 1.0
    return sign * q**2 * inner, p * q * (q**2 * (2.0 * np.log(p) + 3.0) - 2.0 * q * inner), p


def focal_without_curvature_of_positives(predt: Any, dtrain: Any) -> tuple[Any, Any]:
    """The Hessian of positives is 0."""
    y = dtrain.get_label()
    gradient, hessian, _ = _focal(predt, y)
    return gradient, np.where(y == 1.0, 0.0, hessian)


def focal_with_quotients(predt: Any, dtrain: Any) -> tuple[Any, Any]:
    """A Hessian that divides by p (1 - p): NaN where the probability is rounded to 1."""
    gradient, hessian, p = _focal(predt, dtrain.get_label())
    return gradient, p * (1.0 - p) * hessian / (p * (1.0 - p))


def focal_by_differences(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Central differences with a step of 1e-6, of a loss with a bare logarithm."""

    def loss(z: Any) -> Any:
        p = 1.0 / (1.0 + np.exp(-z))
        p = np.where(y_true == 1.0, p, 1.0 - p)
        return -((1.0 - p) ** 2) * np.log(p)

    low, here, high = (loss(y_pred + step) for step in (-1e-6, 0.0, 1e-6))
    return (high - low) / 2e-6, (high - 2.0 * here + low) / 1e-12


class by_probability:  # noqa: N801
    """For CatBoost: derivatives by the probability instead of the margin."""

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> list[tuple[float, float]]:
        p = 1.0 / (1.0 + np.exp(-np.asarray(approxes)))
        y = np.asarray(targets)
        return list(zip(y / p - (1 - y) / (1 - p), -y / p**2 - (1 - y) / (1 - p) ** 2, strict=True))


def squared_log_with_wrong_curvature(predt: Any, dtrain: Any) -> tuple[Any, Any]:
    """The sign of the Hessian is wrong: it is negative near the optimum."""
    y = dtrain.get_label()
    difference = np.log1p(predt) - np.log1p(y)
    return difference / (predt + 1.0), (difference - 1.0) / (predt + 1.0) ** 2


def half_gradient(prediction: Any, target: Any) -> tuple[float, Any]:
    """Value and gradient, of which the gradient lacks the factor 2."""
    return float(np.sum((prediction - target) ** 2)), prediction - target


def negated(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """A gradient that points downhill: boosting would climb."""
    p = 1.0 / (1.0 + np.exp(-y_pred))
    return y_true - p, p * (1.0 - p)


def logistic(predt: Any, dtrain: Any) -> tuple[Any, Any]:
    """A sound objective of ordinary margins, as the documentation of boosters shows it."""
    p = 1.0 / (1.0 + np.exp(-predt))
    return p - dtrain.get_label(), p * (1.0 - p)


def weights_ignored(predt: Any, dtrain: Any) -> tuple[Any, Any]:
    """XGBoost multiplies nothing by the weights: rows count alike."""
    return predt - dtrain.get_label(), np.ones_like(predt)


def weights_twice(predt: Any, dtrain: Any) -> tuple[Any, Any]:
    """Gradient and Hessian get the weights, and the gradient once more."""
    w = dtrain.get_weight() if dtrain.get_weight().size else np.ones_like(predt)
    return w * w * (predt - dtrain.get_label()), w


def weights_in_curvature_twice(y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[Any, Any]:
    """For an estimator: the Hessian gets the weights twice."""
    w = np.ones_like(y_pred) if sample_weight is None else sample_weight
    return w * (y_pred - y_true), w * w


def weights_unless_none(preds: Any, train_data: Any) -> tuple[Any, Any]:
    """A sound objective for LightGBM, whose data have None without weights."""
    w = train_data.get_weight()
    w = np.ones_like(preds) if w is None else w
    return w * (preds - train_data.get_label()), w


class WeightsIgnored:
    """For CatBoost, which passes the weights."""

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> list[tuple[float, float]]:
        return [(t - z, -1.0) for z, t in zip(approxes, targets, strict=True)]
