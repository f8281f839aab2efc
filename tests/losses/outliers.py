"""Losses of a difference that ignore small ones, or that let large ones count less."""

from __future__ import annotations

import numpy as np
from mpmath import mpf

from losses.longdouble import Long, Result
from losses.textbook import Number, log, textbook

# The fast references


def fast_epsilon_insensitive(z: Long, t: Long, epsilon: float = 0.1) -> Result:
    size, e = np.abs(z - t), np.longdouble(epsilon)
    share = (np.sign(size - e) + 1) / 2
    return (share * size, -share * e), (share * np.sign(z - t),), (np.zeros_like(z),)


def fast_squared_epsilon_insensitive(z: Long, t: Long, epsilon: float = 0.1) -> Result:
    size, e = np.abs(z - t), np.longdouble(epsilon)
    out, side = size > e, np.sign(z - t)
    value = (size**2, -2 * size * e, e**2)
    curvature = np.where(out, 2, 2 * (size == e) / (1 + (e > 0)))
    return tuple(np.where(out, x, 0) for x in value), tuple(2 * out * side * x for x in (size, -e)), (curvature,)


# The entries


def ends_of_the_tube(t: mpf, epsilon: Number = 0.1) -> tuple[mpf, ...]:
    return t - mpf(epsilon), t + mpf(epsilon)


@textbook({"epsilon": 7.5}, kinks=ends_of_the_tube, fast=fast_epsilon_insensitive)
def epsilon_insensitive(z: Number, t: Number, epsilon: Number = 0.1) -> tuple[mpf, mpf]:
    size = abs(z - t)
    return (size, -mpf(epsilon)) if size > epsilon else (mpf(0), mpf(0))


@textbook(
    {"epsilon": 0.0},
    {"epsilon": 2.5},
    kinks=lambda t, epsilon=0.1: ends_of_the_tube(t, epsilon) if epsilon else (),
    fast=fast_squared_epsilon_insensitive,
)
def squared_epsilon_insensitive(z: Number, t: Number, epsilon: Number = 0.1) -> tuple[mpf, ...]:
    size, e = abs(z - t), mpf(epsilon)
    return (size**2, -2 * size * e, e**2) if size > e else (mpf(0),) * 3


@textbook({"scale": 0.3}, {"scale": 40.0}, digits=14)  # the text has a polynomial for log(1 + x) near 0
def fair(z: Number, t: Number, scale: Number = 1.0) -> mpf:
    x = abs(z - t) / mpf(scale)
    return mpf(scale) ** 2 * (x - log(1 + x))


@textbook(
    {"alpha": 1.0},
    {"alpha": 1e-6},
    {"alpha": 1.7, "scale": 0.3},
    {"alpha": 2.0, "scale": 40.0},
    {"alpha": -2.0, "scale": 2.5},
    {"alpha": -1e18},
    ulps=lambda alpha=0.0, scale=1.0: 5.0 + 2.0 * min(abs(alpha), 745.0),  # a power multiplies the error of 1 + x^2 / b
)
def robust(z: Number, t: Number, alpha: Number = 0.0, scale: Number = 1.0) -> mpf:
    a, square = mpf(alpha), ((z - t) / mpf(scale)) ** 2
    if a == 2:
        return square / 2
    if a == 0:
        return log(1 + square / 2)
    return (2 - a) / a * ((1 + square / (2 - a)) ** (a / 2) - 1)
