"""Losses of counts and positive amounts, with a log link."""

from __future__ import annotations

import numpy as np
from mpmath import mpf

from losses.longdouble import Long, Result
from losses.textbook import Number, exp, textbook, weighted

# The fast references


def fast_poisson(z: Long, t: Long) -> Result:
    return (np.exp(z), -t * z), (np.exp(z), -t), (np.exp(z),)


def fast_gamma(z: Long, t: Long) -> Result:
    ratio = t * np.exp(-z)
    return (z, ratio), (np.ones_like(z), -ratio), (ratio,)


def fast_tweedie(z: Long, t: Long, power: float = 1.5) -> Result:
    if power in (1.0, 2.0):
        return fast_poisson(z, t) if power == 1.0 else fast_gamma(z, t)
    p = np.longdouble(power)
    z = np.clip(z, -2000, 2000)  # far beyond, where every 16-bit result is 0 or infinite all the same
    a, b = t * np.exp((1 - p) * z), np.exp((2 - p) * z)
    a = np.where(t == 0, 0, a)
    return (a / (p - 1), b / (2 - p)), (b, -a), ((2 - p) * b, (p - 1) * a)


# The entries


@textbook(fast=fast_poisson)
def poisson(z: Number, t: Number) -> tuple[mpf, ...]:
    return exp(z), -t * z if t else mpf(0)


@textbook(fast=fast_gamma)
def gamma(z: Number, t: Number) -> tuple[mpf, ...]:
    return mpf(z), t * exp(-z)


@textbook(*({"power": p} for p in (-1.0, 0.0, 1.0, 1.9, 2.0, 3.0, 1.2)), fast=fast_tweedie)
def tweedie(z: Number, t: Number, power: Number = 1.5) -> tuple[mpf, ...]:
    p = mpf(power)
    if 0 < p < 1:
        raise ValueError("no Tweedie distribution has a power between 0 and 1")
    if p in (1, 2):
        return poisson(z, t) if p == 1 else gamma(z, t)
    return weighted((t / (p - 1), exp, (1 - p) * z), (1 / (2 - p), exp, (2 - p) * z))
