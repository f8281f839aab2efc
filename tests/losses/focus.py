"""What the two focal losses share: a product of a power and a logarithm, whose derivatives cancel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from mpmath import mp, mpf

from losses.longdouble import Long, Summands

__all__ = ["fast_derivatives", "largest_of_product", "step"]


def fast_derivatives(u: Long, p: Long, rest: Long, gamma: float) -> tuple[Long, Summands]:
    """The slope of -(1 - p)^gamma u by u = log p, and the summands of its curvature."""
    if gamma == 0:
        return -np.ones_like(u), (np.zeros_like(u),)
    g = np.longdouble(gamma)
    bent = g * p * rest ** (g - 1)
    return rest ** (g - 1) * (g * p * u - rest), (bent * u, 2 * bent, -g * (g - 1) * rest ** (g - 2) * p**2 * u)


def largest_of_product(factors: Callable[[mpf], tuple[mpf, mpf]], x: mpf) -> mpf:
    """The largest of A'' B, 2 A' B' and A B'' at x; a few digits of it."""
    h = step(x)
    (a0, b0), (a1, b1), (a2, b2) = factors(x - h), factors(x), factors(x + h)
    curved = (a2 - 2 * a1 + a0) * b1, (b2 - 2 * b1 + b0) * a1
    return max(abs(curved[0] / h**2), abs(2 * (a2 - a0) * (b2 - b0) / (2 * h) ** 2), abs(curved[1] / h**2))


def step(x: mpf) -> mpf:
    """Small beside x and beside 1."""
    return mp.ldexp(min(mpf(1), abs(x)) or mpf(1), -mp.prec // 4)
