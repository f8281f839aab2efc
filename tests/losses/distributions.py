"""Losses that compare a row of probabilities, or of their logarithms, with a label or a distribution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from losses.longdouble import Long, Result, columns, shares
from losses.longdouble import log as long_log
from losses.multiclass import smoothed
from losses.textbook import Number, Row, Target, log, textbook, weighted
from ulp import dtype_limits

Array = Any

# The fast references


def fast_categorical_cross_entropy(p: Long, t: Any, epsilon: float = 0.0) -> Result:
    q, e = shares(t, p), np.longdouble(epsilon)
    values = np.where(q > 0, -q * long_log(p, p - 1, e), 0)
    slopes, curvatures = np.where(q > 0, -q / (p + e), 0), np.where(q > 0, q / (p + e) ** 2, 0)
    return columns(values), (slopes,), (curvatures,)


def fast_negative_log_likelihood(u: Long, t: Any) -> Result:
    q = shares(t, u)
    return columns(np.where(q > 0, -u, 0)), (-q,), (np.zeros_like(u),)


def fast_brier(p: Long, t: Any) -> Result:
    r = p - shares(t, p)
    return columns(r * r), (2 * r,), (np.full_like(r, 2),)


# Hard inputs


def sums_near_1(dtype: str, parameters: Any, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    near = 0.75 + dtype_limits(dtype)[1] * rng.integers(-5, 5, (4, 5))
    yield "1 with an epsilon of 0.25", near, np.array([0, 1, 2, 4])
    yield "1 with an epsilon of 0.25, soft", near, np.eye(5)[[0, 1, 2, 4]] / 2 + np.eye(5)[[1, 2, 4, 3]] / 2


# The entries


@textbook(
    {"epsilon": 1e-7},
    {"epsilon": 0.25},
    ends=lambda t, epsilon=0.0: (-mpf(epsilon),),
    hard=sums_near_1,
    fast=fast_categorical_cross_entropy,
)
def categorical_cross_entropy(p: Row, t: Target, epsilon: Number = 0.0) -> tuple[mpf, ...]:
    q = smoothed(t, len(p), 0)
    return weighted(*((-q_k, log, p_k + mpf(epsilon)) for q_k, p_k in zip(q, p, strict=True)))


@textbook(fast=fast_negative_log_likelihood)
def negative_log_likelihood(u: Row, t: int) -> mpf:
    return -mpf(u[t])


@textbook(fast=fast_brier)
def brier(p: Row, t: Target) -> mpf:
    return mp.fsum((p_k - t_k) ** 2 for p_k, t_k in zip(p, smoothed(t, len(p), 0), strict=True))
