"""Losses of two classes: from logits, from probabilities and from margins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from losses.focus import fast_derivatives, largest_of_product
from losses.longdouble import Long, Result, plain
from losses.longdouble import log as long_log
from losses.textbook import Number, exp, log, softplus, textbook, weighted
from ulp import dtype_limits

Array = Any

# The fast references


def fast_sigmoid_cross_entropy(z: Long, t: Long, positive_weight: float = 1.0) -> Result:
    yes, no = positive_weight * t, 1 - t
    slopes = no * _sigmoid(z), -yes * _sigmoid(-z)
    return (yes * _softplus(-z), no * _softplus(z)), slopes, ((yes + no) * (_sigmoid(z) * _sigmoid(-z)),)


def fast_binary_cross_entropy(p: Long, t: Long, epsilon: float = 0.0) -> Result:
    e = np.longdouble(epsilon)
    yes = np.where(t > 0, -t * long_log(p, p - 1, e), 0)
    no = np.where(t < 1, (t - 1) * long_log(1 - p, -p, e), 0)
    slopes = np.where(t > 0, -t / (p + e), 0), np.where(t < 1, (1 - t) / (1 - p + e), 0)
    curvatures = np.where(t > 0, t / (p + e) ** 2, 0), np.where(t < 1, (1 - t) / (1 - p + e) ** 2, 0)
    return (yes, no), slopes, curvatures


def fast_hinge(z: Long, t: Long) -> Result:
    margin = 1 - t * z
    return plain(np.maximum(margin, 0), -t * (np.sign(margin) + 1) / 2, np.zeros_like(z))


def fast_squared_hinge(z: Long, t: Long) -> Result:
    margin = np.maximum(1 - t * z, 0)
    return plain(margin**2, -2 * t * margin, np.where(margin > 0, 2 * t**2, 0))


def fast_binary_brier(p: Long, t: Long) -> Result:
    return plain((p - t) ** 2, 2 * (p - t), np.full_like(p, 2))


def fast_modified_huber(z: Long, t: Long) -> Result:
    margin = np.maximum(1 - t * z, 0)
    value = np.where(t * z < -1, -4 * t * z, margin**2)
    return plain(value, -2 * t * np.minimum(margin, 2), 1 - np.sign(np.abs(z) - 1))


def fast_exponential(z: Long, t: Long) -> Result:
    e = np.exp(-t * z)
    return plain(e, -t * e, e)


def fast_sigmoid_focal(z: Long, t: Long, gamma: float = 2.0, alpha: float | None = None) -> Result:
    side = 2 * t - 1
    p, q, loss = _sigmoid(side * z), _sigmoid(-side * z), _softplus(-side * z)
    weight = 1.0 if alpha is None else np.where(t == 1, alpha, 1 - np.longdouble(alpha))
    slope = -weight * q**gamma * (gamma * p * loss + q)
    bent = tuple(weight * q**2 * curvature for curvature in fast_derivatives(-loss, p, q, gamma)[1])
    return (weight * q**gamma * loss,), (side * slope,), (*bent, -p * slope)


def _softplus(z: Long) -> Long:
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def _sigmoid(z: Long) -> Long:
    e = np.exp(-np.abs(z))
    return np.where(z > 0, 1, e) / (1 + e)


# Hard inputs


def soft_targets(dtype: str, parameters: Any, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    tiny, eps = dtype_limits(dtype)
    yield "balanced", np.log(3.0) * np.array([1.0, -1.0, 1.0, -1.0]), np.array([0.75, 0.25, 0.7, 0.5])
    yield "target near an end", rng.normal(0, 3, 8), np.array([tiny, eps, 1 - eps, 1 - eps / 2] * 2)


def sums_near_1(dtype: str, parameters: Any, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    eps = dtype_limits(dtype)[1]
    yield "1 with an epsilon of 0.7", 0.3 + eps * np.arange(-4, 4), np.resize([1.0, 0.4], 8)


# The entries


@textbook({"positive_weight": 3.0}, hard=soft_targets, fast=fast_sigmoid_cross_entropy)
def sigmoid_cross_entropy(z: Number, t: Number, positive_weight: Number = 1.0) -> tuple[mpf, ...]:
    return weighted((positive_weight * mpf(t), softplus, -z), (1 - mpf(t), softplus, z))


@textbook(
    {"epsilon": 1e-7},
    {"epsilon": 0.7},
    ends=lambda t, epsilon=0.0: (-mpf(epsilon), 1 + mpf(epsilon)),
    hard=sums_near_1,
    fast=fast_binary_cross_entropy,
)
def binary_cross_entropy(p: Number, t: Number, epsilon: Number = 0.0) -> tuple[mpf, ...]:
    e = mpf(epsilon)
    return weighted((-mpf(t), log, p + e), (mpf(t) - 1, log, 1 - p + e))


@textbook(kinks=lambda t: (t,), fast=fast_hinge)
def hinge(z: Number, t: Number) -> mpf:
    return max(mpf(0), 1 - t * z)


@textbook(kinks=lambda t: (t,), fast=fast_squared_hinge)
def squared_hinge(z: Number, t: Number) -> mpf:
    return hinge(z, t) ** 2


@textbook(fast=fast_binary_brier)
def binary_brier(p: Number, t: Number) -> mpf:
    return (p - t) ** 2


@textbook(kinks=lambda t: (t, -t), fast=fast_modified_huber)
def modified_huber(z: Number, t: Number) -> mpf:
    return max(mpf(0), 1 - t * z) ** 2 if t * z >= -1 else -4 * t * z


@textbook(fast=fast_exponential)
def exponential(z: Number, t: Number) -> mpf:
    return exp(-t * z)


def sigmoid_focal_factors(z: mpf, t: mpf, gamma: float = 2.0, alpha: float | None = None) -> tuple[mpf, mpf]:
    weight = mpf(1) if alpha is None else mpf(alpha) if t == 1 else 1 - mpf(alpha)
    p_t = 1 / (1 + exp(-z if t == 1 else z))
    return weight * max(mpf(0), 1 - p_t) ** mpf(gamma), -log(p_t)


def curvature_of_product(order: int, z: mpf, t: Any, parameters: Any, j: None) -> mpf:
    return largest_of_product(lambda x: sigmoid_focal_factors(x, t, **parameters), z) if order == 2 else mpf(0)


@textbook(
    *({"gamma": g} for g in (0.0, 0.5, 3.5, 5.0, 50.0)),
    {"alpha": 0.25},
    {"gamma": 5.0, "alpha": 0.25},
    fast=fast_sigmoid_focal,
    ulps=lambda gamma=2.0, alpha=None: max(4.0, 3.0 + gamma / 4.0),  # a power multiplies the error of 1 - p
    largest=curvature_of_product,  # the product rule has summands of both signs
)
def sigmoid_focal(z: Number, t: Number, gamma: Number = 2.0, alpha: Number | None = None) -> mpf:
    return mp.fprod(sigmoid_focal_factors(z, t, gamma, alpha))


def asymmetric_factors(
    z: mpf, t: mpf, gamma_negative: float = 4.0, gamma_positive: float = 1.0, clip: float = 0.05
) -> Any:
    if t == 1:
        return sigmoid_focal_factors(z, t, gamma_positive)
    shifted = max(mpf(0), 1 / (1 + exp(-z)) - mpf(clip))
    return shifted ** mpf(gamma_negative), -log(1 / (1 + exp(z)) + mpf(clip)) if shifted else mpf(0)


def largest_of_asymmetric(order: int, z: mpf, t: Any, parameters: Any, j: None) -> mpf:
    """The curvature's summands, and how p - clip magnifies the rounding of p."""
    return largest_of_product(lambda x: asymmetric_factors(x, t, **parameters), z) if order == 2 else mpf(0)


@textbook(
    {"gamma_negative": 2.5, "clip": 0.2},
    {"gamma_negative": 6.0, "gamma_positive": 0.0, "clip": 0.0},
    kinks=lambda t, clip=0.05, **_: (log(mpf(clip) / (1 - mpf(clip))),) if clip and not t else (),
    largest=largest_of_asymmetric,
)
def asymmetric(
    z: Number, t: Number, gamma_negative: Number = 4.0, gamma_positive: Number = 1.0, clip: Number = 0.05
) -> Any:
    power, loss = asymmetric_factors(z, t, gamma_negative, gamma_positive, clip)
    if t == 1 or not power or not clip:
        return power * loss, mpf(0)
    p = 1 / (1 + exp(-z))  # the loss as two summands, which cancel as p and clip do
    return p * power * loss / (p - mpf(clip)), -mpf(clip) * power * loss / (p - mpf(clip))
