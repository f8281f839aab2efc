"""Sums and products whose rounding errors would show in a logarithm or an exponential of them."""

from __future__ import annotations

INFINITY = float("inf")

SPLIT = 134217729.0  # 2^27 + 1 cuts a double into two halves whose products are exact


def product_error(a, b, product):
    """What rounding took from a * b (Dekker 1971, A floating-point technique for extending the precision)."""
    c, d = SPLIT * a, SPLIT * b
    a1, b1 = c - (c - a), d - (d - b)
    a2, b2 = a - a1, b - b1
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def less(a, b):
    """a - b, and what rounding took from it (Knuth, TAOCP 2, 4.2.2)."""
    difference = a - b
    back = difference - a
    return difference, (a - (difference - back)) - (b + back)


def times_exp(xp, t, a, z, lost=0.0):
    """t e^((a + lost) z), with the rounding error of a z, which moves e^100 by 100 ulps, and no overflow on the way.

    ``lost`` is what rounding took from a.
    """
    x = xp.where(a != 0.0, a * z, 0.0)
    far = xp.abs(x) > 700.0
    half = xp.where(far, 0.5, 1.0)
    error = xp.where((xp.abs(x) < 3000.0) & (xp.abs(z) < 1e300), half * (product_error(a, z, x) + lost * z), 0.0)
    e = xp.exp(half * x)
    e = xp.where(e < 1e308, e + e * error, e)
    once = xp.where(t != 0.0, t * e, 0.0)
    return xp.where(far & (once != 0.0), once * e, once)


def sum_and_log(xp, a, b, c):
    """a + b + c for |a| >= |b|, and its logarithm.

    The errors of the sum (Knuth, TAOCP 2, 4.2.2) show in a logarithm near 0. Below 1/4 it is too large for them.
    """
    start = a + b
    total = start + c
    back = total - start
    lost = (b - (start - a)) + ((start - (total - back)) + (c - back))
    logarithm = xp.log(total)
    return total, xp.where(total > 0.25, logarithm + lost / total, logarithm)
