"""Losses of the difference of a real prediction and a real target."""

from __future__ import annotations

import numpy as np
from mpmath import mp, mpf

from losses.longdouble import Long, Result, plain
from losses.textbook import Number, log, textbook

# The fast references


def fast_half_squared_error(z: Long, t: Long) -> Result:
    return plain((z - t) ** 2 / 2, z - t, np.ones_like(z))


def fast_squared_error(z: Long, t: Long) -> Result:
    return plain((z - t) ** 2, 2 * (z - t), np.full_like(z, 2))


def fast_absolute_error(z: Long, t: Long) -> Result:
    return plain(np.abs(z - t), np.sign(z - t), np.zeros_like(z))


def fast_huber(z: Long, t: Long, delta: float = 1.0) -> Result:
    r, size = z - t, np.abs(z - t)
    far = np.longdouble(delta) * (size - np.longdouble(delta) / 2)
    near = size <= delta
    return plain(np.where(near, r**2 / 2, far), np.clip(r, -delta, delta), np.where(near, 1, 0))


def fast_pseudo_huber(z: Long, t: Long, delta: float = 1.0) -> Result:
    r = z - t
    root = np.hypot(np.longdouble(1), r / delta)
    return plain(r * (r / (1 + root)), r / root, root**-3)


def fast_log_cosh(z: Long, t: Long) -> Result:
    r, size = z - t, np.abs(z - t)
    near = np.log1p(2 * np.sinh(np.minimum(size, 1) / 2) ** 2)
    far = size + np.log1p(np.exp(-2 * size)) - np.log(np.longdouble(2))
    return plain(np.where(size < 1, near, far), np.tanh(r), np.cosh(r) ** -2)


def fast_quantile(z: Long, t: Long, quantile: float = 0.5) -> Result:
    q, r = np.longdouble(quantile), z - t
    return plain(np.maximum(-q * r, (1 - q) * r), (np.sign(r) + 1 - 2 * q) / 2, np.zeros_like(z))


def fast_expectile(z: Long, t: Long, level: float = 0.5) -> Result:
    r = z - t
    weight = np.where(r > 0, 1 - np.longdouble(level), np.where(r < 0, level, 0.5))
    return plain(weight * r**2, 2 * weight * r, 2 * weight)


# The entries


@textbook(fast=fast_half_squared_error)
def half_squared_error(z: Number, t: Number) -> mpf:
    return (z - t) ** 2 / 2


@textbook(fast=fast_squared_error)
def squared_error(z: Number, t: Number) -> mpf:
    return (z - t) ** 2


@textbook(kinks=lambda t: (t,), fast=fast_absolute_error)
def absolute_error(z: Number, t: Number) -> mpf:
    return abs(z - t)


@textbook({"delta": 0.3}, {"delta": 40.0}, kinks=lambda t, delta=1.0: (t - mpf(delta), t + mpf(delta)), fast=fast_huber)
def huber(z: Number, t: Number, delta: Number = 1.0) -> mpf:
    r, delta = abs(z - t), mpf(delta)
    return r**2 / 2 if r <= delta else delta * (r - delta / 2)


@textbook({"delta": 0.3}, {"delta": 40.0}, fast=fast_pseudo_huber)
def pseudo_huber(z: Number, t: Number, delta: Number = 1.0) -> mpf:
    delta = mpf(delta)
    return delta**2 * (mp.sqrt(1 + ((z - t) / delta) ** 2) - 1)


@textbook(fast=fast_log_cosh)
def log_cosh(z: Number, t: Number) -> mpf:
    return log(mp.cosh(z - t))


@textbook({"quantile": 0.1}, {"quantile": 0.9}, kinks=lambda t, quantile=0.5: (t,), fast=fast_quantile)
def quantile(z: Number, t: Number, quantile: Number = 0.5) -> mpf:
    q = mpf(quantile)
    return max(q * (t - z), (q - 1) * (t - z))


@textbook(
    {"level": 0.1},
    {"level": 0.9},
    kinks=lambda t, level=0.5: () if level == 0.5 else (t,),
    fast=fast_expectile,
)
def expectile(z: Number, t: Number, level: Number = 0.5) -> mpf:
    return abs(mpf(level) - (z > t)) * (z - t) ** 2
