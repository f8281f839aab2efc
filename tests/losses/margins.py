"""Losses of the margins between the label's score and the others: hinges, whose kinks are ties of classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from losses.longdouble import Long, Result
from losses.textbook import Number, Row, textbook
from ulp import dtype_limits

# The derivatives


def of_the_worst(z: Row, t: int) -> tuple[list[mpf], list[mpf]]:
    """Ties share the gradient of the maximum; the label takes part where the maximum is 0."""
    with mp.workprec(3000):  # subnormal scores differ beyond the digits of 1
        short = [1 + z_j - z[t] if j != t else mpf(0) for j, z_j in enumerate(z)]
    ties = [x == max(short) for x in short]
    return [mpf(tie) / sum(ties) - (j == t) for j, tie in enumerate(ties)], [mpf(0)] * len(z)


def of_the_sum(z: Row, t: int) -> tuple[list[mpf], list[mpf]]:
    with mp.workprec(3000):
        slopes = [(1 + mp.sign(1 + z_j - z[t])) / 2 if j != t else mpf(0) for j, z_j in enumerate(z)]
    return [-mp.fsum(slopes) if j == t else x for j, x in enumerate(slopes)], [mpf(0)] * len(z)


# The fast references


def fast_crammer_singer(z: Long, t: Any) -> Result:
    short, label = _shortfalls(z, t)
    ties = short == short.max(axis=1, keepdims=True)
    return (short.max(axis=1),), (ties / ties.sum(axis=1, keepdims=True) - label,), (np.zeros_like(z),)


def fast_weston_watkins(z: Long, t: Any) -> Result:
    short, label = _shortfalls(z, t)
    slopes = np.where(label, 0, (1 + np.sign(short)) / 2)
    gradient = np.where(label, -slopes.sum(axis=1, keepdims=True), slopes)
    return tuple(np.maximum(short, 0).T), (gradient,), (np.zeros_like(z),)


def _shortfalls(z: Long, t: Any) -> tuple[Long, Any]:
    label = t[:, np.newaxis] == np.arange(z.shape[1])
    return np.where(label, 0, 1 + (z - z[label][:, np.newaxis])), label


# Hard inputs


def margins_near_1(dtype: str, parameters: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any, Any]]:
    eps = dtype_limits(dtype)[1]
    z = rng.choice([0.25, 0.5], (4, 5)) * (1 + eps * rng.integers(-2, 3, (4, 5)))
    z[np.arange(4), [0, 1, 2, 4]] = [1.25, 1.25 * (1 + eps), 1.5, 1.5 * (1 - eps)]
    yield "margins near 1", z, np.array([0, 1, 2, 4])
    yield "ties", np.array([[0.0] * 5, [1.0, 0.0, 0.0, -1.0, 0.0], [2.0, 2.0, 2.0, 0.0, 2.0]]), np.array([0, 0, 3])


# The entries


@textbook(derivatives=of_the_worst, fast=fast_crammer_singer, hard=margins_near_1)
def crammer_singer(z: Row, t: int) -> Number:
    return max(mpf(0), *(1 + z_j - z[t] for j, z_j in enumerate(z) if j != t))


@textbook(derivatives=of_the_sum, fast=fast_weston_watkins, hard=margins_near_1)
def weston_watkins(z: Row, t: int) -> mpf:
    return mp.fsum(max(mpf(0), 1 + z_j - z[t]) for j, z_j in enumerate(z) if j != t)
