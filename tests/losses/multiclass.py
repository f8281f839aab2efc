"""Losses of logits: functions of log softmax(z).

Two cancel where the target is a distribution. The summands of their gradient are q_j phi'(u_j) and p_j S,
S = sum_k q_k phi'(u_k); those of their Hessian q_j phi''(u_j) (1 - p_j)^2, p_j^2 sum of the other q_k phi''(u_k), and
p_j (1 - p_j) S. Only magnitudes are found here; the exact derivative itself comes from the definition.

An exponent x that had to be rounded costs e^x as many ULPs as x is large. This is granted only where x itself is the
result of rounded arithmetic: to ``softcap``, whose logits are up to c large and rounded, and to the losses whose
formula has a power of p = e^u, in their derivatives: a quarter of |x| times their bound.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from mpmath import mp, mpf

from losses.focus import fast_derivatives, largest_of_product, step
from losses.longdouble import Long, Result, Summands, columns, shares
from losses.textbook import Number, Row, Target, exp, logsumexp, tanh, textbook

OF_ROWS = 12.0  # ULPs: an exponential, the sum of a row, a logarithm and a quotient

# The fast references


def fast_softmax_cross_entropy(
    z: Long, t: Any, label_smoothing: float = 0.0, z_loss: float = 0.0, softcap: float | None = None
) -> Result:
    capped, first, second = _fast_softcapped(z, softcap)
    u, p, rest = log_softmax(capped)
    q = shares(t, z)
    q = (1 - np.longdouble(label_smoothing)) * q + np.longdouble(label_smoothing) / z.shape[1]
    c, peak = np.longdouble(z_loss), capped.max(axis=1, keepdims=True)
    total = peak + np.log(np.exp(capped - peak).sum(axis=1, keepdims=True))
    values = *columns(np.where(q > 0, -q * u, 0)), c * total[:, 0] ** 2
    mass = q.sum(axis=1, keepdims=True)
    slopes = (mass - q) * p, -q * rest, 2 * c * total * p
    curvatures = mass * p * rest, 2 * c * p**2, 2 * c * total * p * rest
    bent = tuple(slope * second for slope in slopes) if softcap else ()
    return values, tuple(slope * first for slope in slopes), (*(x * first**2 for x in curvatures), *bent)


def fast_focal(z: Long, t: Any, gamma: float = 2.0) -> Result:
    u, p, rest = log_softmax(z)
    return _fast_derivatives(z, t, (-(rest**gamma) * u,), *fast_derivatives(u, p, rest, gamma))


def fast_poly_one(z: Long, t: Any, epsilon: float = 2.0) -> Result:
    u, p, rest = log_softmax(z)
    e = np.longdouble(epsilon)
    return _fast_derivatives(z, t, (-u, e * rest), e * rest - (1 + e) if e < 0 else -1 - e * p, (-e * p,))


def fast_generalized_cross_entropy(z: Long, t: Any, power: float = 0.7) -> Result:
    u, _, _ = log_softmax(z)
    q = np.longdouble(power)
    return _fast_derivatives(z, t, (-np.expm1(q * u) / q if q else -u,), -np.exp(q * u), (-q * np.exp(q * u),))


def _fast_derivatives(z: Long, t: Any, values: Summands, slope: Long, bent: Summands) -> Result:
    """The summands by logit, from those of phi, phi' and phi'' of each class."""
    _, p, rest = log_softmax(z)
    q = shares(t, z)
    slope, *parts = (np.where(q > 0, q * x, 0) for x in (slope, *values, *bent))
    values, bent = parts[: len(values)], parts[len(values) :]
    slopes = slope * rest, -p * of_others(slope)
    own, others = [x * rest**2 for x in bent], [p**2 * of_others(x) for x in bent]
    return sum(map(columns, values), ()), slopes, (*own, *others, -p * rest * slope.sum(axis=1, keepdims=True))


def of_others(x: Long) -> Long:
    """The sum of the other entries of each row, for each entry."""
    return x @ (1 - np.eye(x.shape[1], dtype=np.longdouble))


def _fast_softcapped(z: Long, softcap: float | None) -> tuple[Long, Long, Long]:
    """c tanh(z / c) and its first two derivatives."""
    if softcap is None:
        return z, np.ones_like(z), np.zeros_like(z)
    c = np.longdouble(softcap)
    first = np.cosh(z / c) ** -2
    return c * np.tanh(z / c), first, -2 / c * np.tanh(z / c) * first


def log_softmax(z: Long) -> tuple[Long, Long, Long]:
    """u = log p, p and 1 - p for each entry, from its distances to the others, so that no digit cancels."""
    away = z[:, np.newaxis, :] - z[:, :, np.newaxis]
    away[:, np.arange(z.shape[1]), np.arange(z.shape[1])] = -np.inf
    above = np.maximum(away.max(axis=2), 0)
    others = np.exp(away - above[:, :, np.newaxis]).sum(axis=2)
    own = np.exp(-above)
    u = -above - np.where(above > 0, np.log(own + others), np.log1p(others))
    return u, own / (own + others), others / (own + others)


# Words of the definitions


def smoothed(t: Target, classes: int, smoothing: Number) -> list[mpf]:
    """The target as a distribution, mixed with the uniform one: (1 - s) q + s / C."""
    q = [mpf(k == t) for k in range(classes)] if isinstance(t, int) else [mpf(x) for x in t]
    if not smoothing:
        return q
    return [(1 - mpf(smoothing)) * x + mpf(smoothing) / classes for x in q]


def softcapped(z: Row, softcap: Number | None) -> list[mpf]:
    return [mpf(x) if softcap is None else softcap * tanh(mpf(x) / softcap) for x in z]


def label_terms(q: Row, phi: Callable[[mpf], mpf], z: Row, total: mpf) -> tuple[mpf, ...]:
    """q_k phi(log softmax(z)_k) for each class that has a share q_k."""
    return tuple(q_k * phi(z_k - total) for q_k, z_k in zip(q, z, strict=True) if q_k)


def parts_of_softmax_cross_entropy(
    z: list[mpf], t: Any, label_smoothing: float = 0.0, z_loss: float = 0.0, softcap: float | None = None
) -> tuple[mpf, ...]:
    """The sum cut so that the gradient's summands are p_j and q_j where q is soft."""
    q = smoothed(t, len(z), label_smoothing)
    z = softcapped(z, softcap)
    total = logsumexp(z)
    regular = z_loss * total**2
    labels = [k for k, q_k in enumerate(q) if q_k]
    if len(labels) == 1:
        return q[labels[0]] * (total - z[labels[0]]), regular
    return mp.fsum(q) * total, -mp.fsum(q[k] * z[k] for k in labels), regular


def largest_of_focal(order: int, z: list[mpf], t: Any, parameters: dict[str, float], j: int) -> mpf:
    if order == 0 or (order == 1 and isinstance(t, int)):
        return mpf(0)
    gamma = parameters.get("gamma", 2.0)
    p, slopes, curvatures = _focal_parts(tuple(z), t if isinstance(t, int) else tuple(t), gamma, mp.prec)
    if order == 1:
        return max(slopes[j], p[j] * mp.fsum(slopes)) if slopes.count(0) < len(z) - 1 else mpf(0)
    others = mp.fsum(curvatures[:j] + curvatures[j + 1 :])
    return max(curvatures[j] * (1 - p[j]) ** 2, p[j] ** 2 * others, p[j] * (1 - p[j]) * mp.fsum(slopes))


@lru_cache(maxsize=8)
def _focal_parts(z: tuple[mpf, ...], t: Any, gamma: float, prec: int) -> tuple[list[mpf], list[mpf], list[mpf]]:
    """p_k, q_k phi'(u_k) and the largest summand of q_k phi''(u_k), whose exponent u_k is a rounded number.

    ``prec`` only keeps the precisions apart that are remembered.
    """
    total = logsumexp(z)
    rows = [(x - total, q_k) for x, q_k in zip(z, smoothed(t, len(z), 0), strict=True)]
    sizes = [magnitudes_of_focal(u, gamma) if q_k else (mpf(0), mpf(0)) for u, q_k in rows]
    slopes, curvatures = ([q_k * size[n] for (_, q_k), size in zip(rows, sizes, strict=True)] for n in (0, 1))
    return [exp(u) for u, _ in rows], slopes, curvatures


def magnitudes_of_focal(u: mpf, gamma: Number = 2.0) -> tuple[mpf, mpf]:
    return abs(_slope_of(u, gamma)), lost(u) * largest_of_product(_factors(gamma), u)


def _slope_of(u: mpf, gamma: float) -> mpf:
    h = step(u)
    (a, b), (c, d) = (_factors(gamma)(x) for x in (u + h, u - h))
    return (a * b - c * d) / (2 * h)


def _factors(gamma: Number) -> Callable[[mpf], tuple[mpf, mpf]]:
    """The focal loss of a log-probability; 1 - p < 0 is rounding, the next precision tells."""
    return lambda u: (max(mpf(0), 1 - exp(u)) ** mpf(gamma), -u)


def largest_of(magnitudes: Callable[..., tuple[mpf, mpf]]) -> Callable[..., mpf]:
    """The largest summand of a derivative, from |phi'| and |phi''| of a log-probability, each with what it loses."""

    def largest(order: int, z: list[mpf], t: Any, parameters: dict[str, float], j: int) -> mpf:
        total, q = logsumexp(z), smoothed(t, len(z), 0)
        sizes = [magnitudes(x - total, **parameters) if q_k else (mpf(0), mpf(0)) for x, q_k in zip(z, q, strict=True)]
        slopes, curvatures = ([q_k * size[k] for q_k, size in zip(q, sizes, strict=True)] for k in (0, 1))
        p, others = exp(z[j] - total), mp.fsum(curvatures[:j] + curvatures[j + 1 :])
        if order == 0:
            return mpf(0)
        if order == 1:
            alone = slopes.count(0) == len(z) - 1
            return mp.fsum(slopes) * (1 - p if alone and slopes[j] else p) if alone else max(slopes[j], p * sum(slopes))
        return max(curvatures[j] * (1 - p) ** 2, p**2 * others, p * (1 - p) * mp.fsum(slopes))

    return largest


def lost(x: mpf) -> mpf:
    """What the rounding of an exponent x < 0 multiplies the error of e^x by: 12 ULPs become 3 |x|."""
    return max(mpf(1), -x / 4)


def magnitudes_of_poly_one(u: mpf, epsilon: Number = 2.0) -> tuple[mpf, mpf]:
    bent = abs(epsilon) * exp(u)
    return max(abs(1 + epsilon * exp(u)), -u / 4 * bent), lost(u) * bent


def magnitudes_of_generalized_cross_entropy(u: mpf, power: Number = 0.7) -> tuple[mpf, mpf]:
    root = exp(mpf(power) * u) * lost(power * u)
    return root, mpf(power) * root


MAGNITUDES: dict[str, Callable[..., tuple[mpf, mpf]]] = {  # |phi'|, |phi''|
    "softmax_cross_entropy": lambda u: (mpf(1), mpf(0)),
    "focal": magnitudes_of_focal,
    "poly_one": magnitudes_of_poly_one,
    "generalized_cross_entropy": magnitudes_of_generalized_cross_entropy,
}

# The entries


@textbook(
    {"z_loss": 1e-3},
    {"label_smoothing": 0.1},
    {"softcap": 30.0},
    {"label_smoothing": 0.3, "z_loss": 0.1, "softcap": 30.0},
    fast=fast_softmax_cross_entropy,
    parts=parts_of_softmax_cross_entropy,  # p - q cancels
    exponent=lambda label_smoothing=0.0, z_loss=0.0, softcap=None: softcap or 1,  # capped logits are rounded
    ulps=lambda **_: OF_ROWS,
)
def softmax_cross_entropy(
    z: Row, t: Target, label_smoothing: Number = 0.0, z_loss: Number = 0.0, softcap: Number | None = None
) -> tuple[mpf, ...]:
    z = softcapped(z, softcap)
    total = logsumexp(z)
    q = smoothed(t, len(z), label_smoothing)
    return *label_terms(q, lambda u: -u, z, total), *((z_loss * total**2,) if z_loss else ())


@textbook(
    *({"gamma": g} for g in (0.5, 0.0, 1.0, 3.5, 5.0)),
    fast=fast_focal,
    ulps=lambda gamma=2.0: OF_ROWS + 4.0 * gamma,  # a power multiplies the error of 1 - p, here that of a whole row
    largest=largest_of_focal,  # the product and chain rules have summands of both signs
)
def focal(z: Row, t: Target, gamma: Number = 2.0) -> tuple[mpf, ...]:
    return label_terms(smoothed(t, len(z), 0), lambda u: mp.fprod(_factors(gamma)(u)), z, logsumexp(z))


@textbook(
    {"epsilon": -1.0},
    {"epsilon": 0.5},
    fast=fast_poly_one,
    largest=largest_of(magnitudes_of_poly_one),  # as for focal
    ulps=lambda **_: OF_ROWS,
)
def poly_one(z: Row, t: Target, epsilon: Number = 2.0) -> tuple[mpf, ...]:
    total = logsumexp(z)
    return label_terms(smoothed(t, len(z), 0), lambda u: -u + mpf(epsilon) * (1 - exp(u)), z, total)


@textbook(
    *({"power": q} for q in (0.0, 1e-6, 1.0)),
    fast=fast_generalized_cross_entropy,
    largest=largest_of(magnitudes_of_generalized_cross_entropy),
    ulps=lambda **_: OF_ROWS,
)
def generalized_cross_entropy(z: Row, t: Target, power: Number = 0.7) -> tuple[mpf, ...]:
    q = mpf(power)
    total = logsumexp(z)
    return label_terms(smoothed(t, len(z), 0), lambda u: (1 - exp(q * u)) / q if q else -u, z, total)
