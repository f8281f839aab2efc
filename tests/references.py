"""A second, fast reference: stable forms in ``numpy.longdouble``, for many numbers at a time.

``REFERENCES[name](z, t, **parameters)`` gives the summands of the value, of the slope and of the curvature. A row loss
takes rows and labels or distributions, and its slopes and curvatures are those of every entry. The errors are far below
2**-10 ULP of a 16-bit result even where longdouble is only a double; ``clearly_right`` says where they leave no doubt,
and in doubt the oracle decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulp import FORMATS, rounding_threshold

__all__ = ["DOUBT", "REFERENCES", "clearly_right", "reference"]

Long = NDArray[np.longdouble]
Summands = tuple[Long, ...]
Result = tuple[Summands, Summands, Summands]

# In ULPs, how near the reference is to the exact result wherever its summands do not cancel; in fact far nearer.
DOUBT = {"float64": 0.5, "float32": 2.0**-10, "float16": 2.0**-10, "bfloat16": 2.0**-10}


def reference(name: str, z: Any, t: Any, parameters: dict[str, Any]) -> Result:
    with np.errstate(all="ignore"):
        target = np.asarray(t)
        target = target if target.dtype.kind == "i" else target.astype(np.longdouble)
        return REFERENCES[name](z.astype(np.longdouble), target, **parameters)


def clearly_right(got: Any, summands: Summands, dtype: str, bound: float) -> Any:
    """Within the bound by more than the reference may err; right infinities count, all else is doubtful."""
    form, threshold, doubt = FORMATS[dtype], float(rounding_threshold(dtype)), DOUBT[dtype]
    with np.errstate(all="ignore"):
        exact = sum(summands)
        largest = np.max(np.abs(np.stack(np.broadcast_arrays(*summands))), axis=0)
        exponent = np.maximum(np.frexp(exact)[1] - 1, form.least)
        ulp = np.ldexp(np.longdouble(1), exponent - form.bits + 1)
        error = np.abs(got.astype(np.longdouble) - exact) / ulp
        known = largest * np.finfo(np.longdouble).eps * 512 < doubt * ulp
        fits = np.abs(exact) < threshold * (1 - doubt)
        overflows = np.abs(exact) > threshold * (1 + doubt)
        infinite = got.astype(np.longdouble) == np.copysign(np.inf, exact)
        return np.where(fits, known & (error <= bound - doubt), overflows & infinite)


def half_squared_error(z: Long, t: Long) -> Result:
    return _plain((z - t) ** 2 / 2, z - t, np.ones_like(z))


def squared_error(z: Long, t: Long) -> Result:
    return _plain((z - t) ** 2, 2 * (z - t), np.full_like(z, 2))


def absolute_error(z: Long, t: Long) -> Result:
    return _plain(np.abs(z - t), np.sign(z - t), np.zeros_like(z))


def huber(z: Long, t: Long, delta: float = 1.0) -> Result:
    r, size = z - t, np.abs(z - t)
    far = np.longdouble(delta) * (size - np.longdouble(delta) / 2)
    near = size <= delta
    return _plain(np.where(near, r**2 / 2, far), np.clip(r, -delta, delta), np.where(near, 1, 0))


def pseudo_huber(z: Long, t: Long, delta: float = 1.0) -> Result:
    r = z - t
    root = np.hypot(np.longdouble(1), r / delta)
    return _plain(r * (r / (1 + root)), r / root, root**-3)


def log_cosh(z: Long, t: Long) -> Result:
    r, size = z - t, np.abs(z - t)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    far = size + np.log1p(np.exp(-2 * size)) - np.log(np.longdouble(2))
    return _plain(np.where(size < 1, near, far), np.tanh(r), np.cosh(r) ** -2)


def quantile(z: Long, t: Long, quantile: float = 0.5) -> Result:
    q, r = np.longdouble(quantile), z - t
    return _plain(np.maximum(-q * r, (1 - q) * r), (np.sign(r) + 1 - 2 * q) / 2, np.zeros_like(z))


def sigmoid_cross_entropy(z: Long, t: Long, positive_weight: float = 1.0) -> Result:
    yes, no = positive_weight * t, 1 - t
    slopes = no * _sigmoid(z), -yes * _sigmoid(-z)
    return (yes * _softplus(-z), no * _softplus(z)), slopes, ((yes + no) * (_sigmoid(z) * _sigmoid(-z)),)


def binary_cross_entropy(p: Long, t: Long, epsilon: float = 0.0) -> Result:
    e = np.longdouble(epsilon)
    yes = np.where(t > 0, -t * _log(p, p - 1, e), 0)
    no = np.where(t < 1, (t - 1) * _log(1 - p, -p, e), 0)
    slopes = np.where(t > 0, -t / (p + e), 0), np.where(t < 1, (1 - t) / (1 - p + e), 0)
    curvatures = np.where(t > 0, t / (p + e) ** 2, 0), np.where(t < 1, (1 - t) / (1 - p + e) ** 2, 0)
    return (yes, no), slopes, curvatures


def sigmoid_focal(z: Long, t: Long, gamma: float = 2.0, alpha: float | None = None) -> Result:
    side = 2 * t - 1
    p, q, loss = _sigmoid(side * z), _sigmoid(-side * z), _softplus(-side * z)
    weight = 1.0 if alpha is None else np.where(t == 1, alpha, 1 - np.longdouble(alpha))
    slope = -weight * q**gamma * (gamma * p * loss + q)
    bent = tuple(weight * q**2 * curvature for curvature in _focal_derivatives(-loss, p, q, gamma)[1])
    return (weight * q**gamma * loss,), (side * slope,), (*bent, -p * slope)


def poisson(z: Long, t: Long) -> Result:
    return (np.exp(z), -t * z), (np.exp(z), -t), (np.exp(z),)


def gamma(z: Long, t: Long) -> Result:
    ratio = t * np.exp(-z)
    return (z, ratio), (np.ones_like(z), -ratio), (ratio,)


def tweedie(z: Long, t: Long, power: float = 1.5) -> Result:
    if power in (1.0, 2.0):
        return poisson(z, t) if power == 1.0 else gamma(z, t)
    p = np.longdouble(power)
    z = np.clip(z, -2000, 2000)  # far beyond, where every 16-bit result is 0 or infinite all the same
    a, b = t * np.exp((1 - p) * z), np.exp((2 - p) * z)
    a = np.where(t == 0, 0, a)
    return (a / (p - 1), b / (2 - p)), (b, -a), ((2 - p) * b, (p - 1) * a)


def hinge(z: Long, t: Long) -> Result:
    margin = 1 - t * z
    return _plain(np.maximum(margin, 0), -t * (np.sign(margin) + 1) / 2, np.zeros_like(z))


def squared_hinge(z: Long, t: Long) -> Result:
    margin = np.maximum(1 - t * z, 0)
    return _plain(margin**2, -2 * t * margin, np.where(margin > 0, 2 * t**2, 0))


def softmax_cross_entropy(
    z: Long, t: Any, label_smoothing: float = 0.0, z_loss: float = 0.0, softcap: float | None = None
) -> Result:
    capped, first, second = _softcapped(z, softcap)
    u, p, rest = _log_softmax(capped)
    q = _shares(t, z)
    q = (1 - np.longdouble(label_smoothing)) * q + np.longdouble(label_smoothing) / z.shape[1]
    c, peak = np.longdouble(z_loss), capped.max(axis=1, keepdims=True)
    total = peak + np.log(np.exp(capped - peak).sum(axis=1, keepdims=True))
    values = *_columns(np.where(q > 0, -q * u, 0)), c * total[:, 0] ** 2
    mass = q.sum(axis=1, keepdims=True)
    slopes = (mass - q) * p, -q * rest, 2 * c * total * p
    curvatures = mass * p * rest, 2 * c * p**2, 2 * c * total * p * rest
    bent = tuple(slope * second for slope in slopes) if softcap else ()
    return values, tuple(slope * first for slope in slopes), (*(x * first**2 for x in curvatures), *bent)


def focal(z: Long, t: Any, gamma: float = 2.0) -> Result:
    u, p, rest = _log_softmax(z)
    q = _shares(t, z)
    slope, bent = _focal_derivatives(u, p, rest, gamma)
    slope, *bent = (np.where(q > 0, q * x, 0) for x in (slope, *bent))
    values = _columns(np.where(q > 0, -q * rest**gamma * u, 0))
    slopes = slope * rest, -p * _of_others(slope)
    own, others = [x * rest**2 for x in bent], [p**2 * _of_others(x) for x in bent]
    return values, slopes, (*own, *others, -p * rest * slope.sum(axis=1, keepdims=True))


def categorical_cross_entropy(p: Long, t: Any, epsilon: float = 0.0) -> Result:
    q, e = _shares(t, p), np.longdouble(epsilon)
    values = np.where(q > 0, -q * _log(p, p - 1, e), 0)
    slopes, curvatures = np.where(q > 0, -q / (p + e), 0), np.where(q > 0, q / (p + e) ** 2, 0)
    return _columns(values), (slopes,), (curvatures,)


def negative_log_likelihood(u: Long, t: Any) -> Result:
    q = _shares(t, u)
    return _columns(np.where(q > 0, -u, 0)), (-q,), (np.zeros_like(u),)


def _shares(t: Any, z: Long) -> Long:
    return t if t.ndim == 2 else np.eye(z.shape[1], dtype=np.longdouble)[t]


def _columns(summands: Long) -> Summands:
    return tuple(summands.T)


def _of_others(x: Long) -> Long:
    """The sum of the other entries of each row, for each entry."""
    return x @ (1 - np.eye(x.shape[1], dtype=np.longdouble))


def _softcapped(z: Long, softcap: float | None) -> tuple[Long, Long, Long]:
    """c tanh(z / c) and its first two derivatives."""
    if softcap is None:
        return z, np.ones_like(z), np.zeros_like(z)
    c = np.longdouble(softcap)
    first = np.cosh(z / c) ** -2
    return c * np.tanh(z / c), first, -2 / c * np.tanh(z / c) * first


def _log_softmax(z: Long) -> tuple[Long, Long, Long]:
    """u = log p, p and 1 - p for each entry, from its distances to the others, so that no digit cancels."""
    away = z[:, np.newaxis, :] - z[:, :, np.newaxis]
    away[:, np.arange(z.shape[1]), np.arange(z.shape[1])] = -np.inf
    above = np.maximum(away.max(axis=2), 0)
    others = np.exp(away - above[:, :, np.newaxis]).sum(axis=2)
    own = np.exp(-above)
    u = -above - np.where(above > 0, np.log(own + others), np.log1p(others))
    return u, own / (own + others), others / (own + others)


def _focal_derivatives(u: Long, p: Long, rest: Long, gamma: float) -> tuple[Long, Summands]:
    """The slope of -(1 - p)^gamma u by u = log p, and the summands of its curvature."""
    if gamma == 0:
        return -np.ones_like(u), (np.zeros_like(u),)
    g = np.longdouble(gamma)
    bent = g * p * rest ** (g - 1)
    return rest ** (g - 1) * (g * p * u - rest), (bent * u, 2 * bent, -g * (g - 1) * rest ** (g - 2) * p**2 * u)


def _plain(value: Long, slope: Long, curvature: Long) -> Result:
    """A loss in which nothing cancels."""
    return (value,), (slope,), (curvature,)


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
        softmax_cross_entropy,
        focal,
        categorical_cross_entropy,
        negative_log_likelihood,
    )
}
