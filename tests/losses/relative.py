"""Losses of a prediction relative to its target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mpf

from losses.longdouble import Long, Result, plain
from losses.textbook import Number, log, textbook
from ulp import dtype_limits

Array = Any

# The fast references


def fast_squared_log_error(z: Long, t: Long) -> Result:
    d = np.log1p((z - t) / (1 + t))
    return plain(d**2, 2 * d / (1 + z), 2 * (1 - d) / (1 + z) ** 2)


def fast_absolute_percentage_error(z: Long, t: Long) -> Result:
    return plain(np.abs((z - t) / t), np.sign(z - t) / np.abs(t), np.zeros_like(z))


# Hard inputs


def amounts(dtype: str, parameters: Any, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    tiny, eps = dtype_limits(dtype)
    t = rng.gamma(1.5, 2.0, 8)
    yield "near -1", -1 + eps * np.arange(1, 9), t
    yield "between -1 and 0", rng.uniform(-1, 0, 8), np.resize([0.0, *t[:3]], 8)
    yield "near equal", t * (1 + eps * np.arange(-4, 4)), t
    yield "nearly equal", t + 10.0 ** -np.arange(1, 9), t
    yield "small", 10.0 ** -np.arange(1, 9), 2 * 10.0 ** -np.arange(1, 9)
    yield "subnormal", tiny * np.arange(8), np.zeros(8)
    yield "large", 1e30 * rng.uniform(0, 1, 8), 1e29 * rng.uniform(0, 1, 8)
    yield "large target", t, 1e30 * rng.uniform(0, 1, 8)


# The entries


@textbook(ends=lambda t: (mpf(-1),), hard=amounts, fast=fast_squared_log_error)
def squared_log_error(z: Number, t: Number) -> mpf:
    return (log(1 + z) - log(1 + t)) ** 2


@textbook(kinks=lambda t: (t,), fast=fast_absolute_percentage_error)
def absolute_percentage_error(z: Number, t: Number) -> mpf:
    return abs(z - t) / abs(t)
