"""A second, fast reference: stable forms in ``numpy.longdouble``, for all 65,536 numbers of a 16-bit type.

``REFERENCES[name](z, t, **parameters)`` gives the summands of the value and those of the slope. Their errors are
far below 2**-10 ULP of a 16-bit result even where longdouble is only a double; where they leave a doubt, the
oracle decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["REFERENCES"]

Long = NDArray[np.longdouble]
Summands = tuple[Long, ...]
Result = tuple[Summands, Summands]


def half_squared_error(z: Long, t: Long) -> Result:
    return _plain((z - t) ** 2 / 2, z - t)


def squared_error(z: Long, t: Long) -> Result:
    return _plain((z - t) ** 2, 2 * (z - t))


def absolute_error(z: Long, t: Long) -> Result:
    return _plain(np.abs(z - t), np.sign(z - t))


def huber(z: Long, t: Long, delta: float = 1.0) -> Result:
    r, size = z - t, np.abs(z - t)
    far = np.longdouble(delta) * (size - np.longdouble(delta) / 2)
    return _plain(np.where(size <= delta, r**2 / 2, far), np.clip(r, -delta, delta))


def pseudo_huber(z: Long, t: Long, delta: float = 1.0) -> Result:
    r = z - t
    root = np.hypot(np.longdouble(1), r / delta)
    return _plain(r * (r / (1 + root)), r / root)


def log_cosh(z: Long, t: Long) -> Result:
    r, size = z - t, np.abs(z - t)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    far = size + np.log1p(np.exp(-2 * size)) - np.log(np.longdouble(2))
    return _plain(np.where(size < 1, near, far), np.tanh(r))


def quantile(z: Long, t: Long, quantile: float = 0.5) -> Result:
    q, r = np.longdouble(quantile), z - t
    return _plain(np.maximum(-q * r, (1 - q) * r), (np.sign(r) + 1 - 2 * q) / 2)


def sigmoid_cross_entropy(z: Long, t: Long, positive_weight: float = 1.0) -> Result:
    yes, no = positive_weight * t, 1 - t
    slopes = no * _sigmoid(z), -yes * _sigmoid(-z)
    return (yes * _softplus(-z), no * _softplus(z)), slopes


def binary_cross_entropy(p: Long, t: Long, epsilon: float = 0.0) -> Result:
    e = np.longdouble(epsilon)
    yes = np.where(t > 0, -t * _log(p, p - 1, e), 0)
    no = np.where(t < 1, (t - 1) * _log(1 - p, -p, e), 0)
    slopes = np.where(t > 0, -t / (p + e), 0), np.where(t < 1, (1 - t) / (1 - p + e), 0)
    return (yes, no), slopes


def sigmoid_focal(z: Long, t: Long, gamma: float = 2.0, alpha: float | None = None) -> Result:
    side = 2 * t - 1
    p, q, loss = _sigmoid(side * z), _sigmoid(-side * z), _softplus(-side * z)
    weight = 1.0 if alpha is None else np.where(t == 1, alpha, 1 - np.longdouble(alpha))
    return _plain(weight * q**gamma * loss, -side * weight * q**gamma * (gamma * p * loss + q))


def poisson(z: Long, t: Long) -> Result:
    return (np.exp(z), -t * z), (np.exp(z), -t)


def gamma(z: Long, t: Long) -> Result:
    ratio = t * np.exp(-z)
    return (z, ratio), (np.ones_like(z), -ratio)


def tweedie(z: Long, t: Long, power: float = 1.5) -> Result:
    if power in (1.0, 2.0):
        return poisson(z, t) if power == 1.0 else gamma(z, t)
    p = np.longdouble(power)
    z = np.clip(z, -2000, 2000)  # far beyond, where every 16-bit result is 0 or infinite all the same
    a, b = t * np.exp((1 - p) * z), np.exp((2 - p) * z)
    a = np.where(t == 0, 0, a)
    return (a / (p - 1), b / (2 - p)), (b, -a)


def hinge(z: Long, t: Long) -> Result:
    margin = 1 - t * z
    return _plain(np.maximum(margin, 0), -t * (np.sign(margin) + 1) / 2)


def squared_hinge(z: Long, t: Long) -> Result:
    margin = np.maximum(1 - t * z, 0)
    return _plain(margin**2, -2 * t * margin)


def _plain(value: Long, slope: Long) -> Result:
    """A loss in which nothing cancels."""
    return (value,), (slope,)


def _softplus(z: Long) -> Long:
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def _sigmoid(z: Long) -> Long:
    e = np.exp(-np.abs(z))
    return np.where(z > 0, 1, e) / (1 + e)


def _log(p: Long, p_less_1: Long, epsilon: np.longdouble) -> Long:
    return np.where(p > 0.5, np.log1p(np.maximum(p_less_1, -0.6) + epsilon), np.log(p + epsilon))


REFERENCES: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        half_squared_error,
        squared_error,
        absolute_error,
        huber,
        pseudo_huber,
        log_cosh,
        quantile,
        sigmoid_cross_entropy,
        binary_cross_entropy,
        sigmoid_focal,
        poisson,
        gamma,
        tweedie,
        hinge,
        squared_hinge,
    )
}
