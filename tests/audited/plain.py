"""Losses of NumPy arrays: some with a fault, and some that only look as if they had one."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

__all__ = [
    "NeedsArguments",
    "WithMethod",
    "absolute_with_kink",
    "huber_of",
    "huber_with_hidden_delta",
    "largest_error",
    "leaking_mean",
    "log_of_shifted_probability",
    "mean_of_quartic",
    "mean_with_gradients_of_rows",
    "naive_logistic",
    "narrow_huber",
    "pinball_with_unit_curvature",
    "quartic_in_float32",
    "quartic_with_wrong_gradient",
    "random_error",
    "refusing",
    "sum_with_gradient_of_mean",
    "weighted_by_samples",
    "weighted_value_beside_gradient_by_samples",
    "weights_squared",
]


def naive_logistic(y_true: Any, y_pred: Any) -> Any:
    """Overflows for large margins, and loses small results in 1 + e^-z."""
    return np.mean(np.log(1 + np.exp(y_pred)) - y_true * y_pred)


def absolute_with_kink(prediction: Any, target: Any) -> tuple[float, Any]:
    """Not a loss of rashin, with a kink in each curve."""
    r = prediction - target
    return float(np.sum(np.abs(r) ** 3 + np.abs(r))), 3 * r * np.abs(r) + np.sign(r)


def quartic_in_float32(prediction: Any, target: Any) -> tuple[float, Any]:
    """Computes in float32, whatever it gets."""
    r = np.float32(prediction) - np.float32(target)
    return float(np.sum(r**4)), (4 * r**3).astype(np.float64)


def mean_of_quartic(prediction: Any, target: Any) -> tuple[float, Any]:
    """The gradient of a mean is divided by the number of samples."""
    r = prediction - target
    return float(np.mean(r**4)), 4 * r**3 / len(r)


def mean_with_gradients_of_rows(prediction: Any, target: Any) -> tuple[float, Any]:
    """The gradient is n times the derivative of the value."""
    r = prediction - target
    return float(np.mean(r**4)), 4 * r**3


def sum_with_gradient_of_mean(prediction: Any, target: Any) -> tuple[float, Any]:
    """The gradient is 1 / n of the derivative of the value."""
    r = prediction - target
    return float(np.sum(r**2)), 2 * r / len(r)


def quartic_with_wrong_gradient(prediction: Any, target: Any) -> tuple[float, Any]:
    """The gradient has the factor 3 instead of 4."""
    r = prediction - target
    return float(np.sum(r**4)), 3 * r**3


def pinball_with_unit_curvature(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """An objective whose Hessian is the constant that boosters use."""
    return np.where(y_pred > y_true, 0.5, -0.5), np.ones(len(y_true))


def weighted_by_samples(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
    """The weighted sum is divided by the number of samples."""
    w = np.ones(len(y_true)) if sample_weight is None else sample_weight
    return np.sum(w * (y_pred - y_true) ** 2) / len(y_true)


def weighted_value_beside_gradient_by_samples(prediction: Any, target: Any, weight: Any = None) -> tuple[float, Any]:
    """The value is divided by the sum of weights, and the gradient by the number of samples."""
    w, r = np.ones(len(target)) if weight is None else weight, prediction - target
    return float(np.sum(w * r**2) / np.sum(w)), 2 * w * r / len(r)


def weights_squared(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
    """Weights are squared above the line alone."""
    w = np.ones(len(y_true)) if sample_weight is None else sample_weight
    return np.sum(w * w * (y_pred - y_true) ** 2) / np.sum(w)


def leaking_mean(prediction: Any, target: Any) -> Any:
    """Not divided by the number of samples, but by one less."""
    return np.sum((prediction - target) ** 2) / max(len(target) - 1, 1)


def random_error(prediction: Any, target: Any) -> Any:
    """Noise that differs from call to call."""
    return np.mean((prediction - target) ** 2) * (1.0 + 1e-3 * np.random.default_rng().random())


def log_of_shifted_probability(pred: Any, target: Any) -> Any:
    """Cross-entropy with a small number inside the logarithm, in double."""
    return -np.sum(target * np.log(pred + 1e-7)) / len(pred)


def refusing(prediction: Any, target: Any) -> Any:
    raise RuntimeError("not today")


class NeedsArguments:
    def __init__(self, delta: float) -> None:
        self.delta = delta


def huber_of(prediction: Any, target: Any, delta: float = 1.5) -> Any:
    """Huber's loss, by the names of rashin."""
    size = np.abs(prediction - target)
    return np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta))


narrow_huber = partial(huber_of, delta=0.5)
largest_error = lambda prediction, target: np.abs(prediction - target).max()  # noqa: E731


def huber_with_hidden_delta(prediction: Any, target: Any) -> Any:
    """A square for shares, whose errors are mostly below 0.5: there it is half of Brier's score."""
    return huber_of(prediction, target, 0.5)


class WithMethod:
    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def loss(self, prediction: Any, target: Any) -> Any:
        return np.mean(huber_of(prediction, target, self.delta))
