"""Sums and products with their rounding errors, which a logarithm or an exponential would magnify."""

from __future__ import annotations

INFINITY = float("inf")


def in_double(xp):
    """Whether the arithmetic rounds to double; in float32, 1 + 2^-40 is 1."""
    return xp.abs(1.0 + 2.0**-40) > 1.0


def largest_exponent(xp):
    """A number well below the largest whose exponential is finite."""
    return xp.where(in_double(xp), 700.0, 80.0)


def product_error(xp, a, b, product):
    """The rounding error of a * b (Dekker 1971, A floating-point technique for extending the precision)."""
    split = xp.where(in_double(xp), 134217729.0, 4097.0)  # 2^27 + 1, 2^12 + 1: half the digits, so products are exact
    c, d = split * a, split * b
    a1, b1 = c - (c - a), d - (d - b)
    a2, b2 = a - a1, b - b1
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def less(a, b):
    """a - b and its rounding error (Knuth, TAOCP 2, 4.2.2)."""
    difference = a - b
    back = difference - a
    return difference, (a - (difference - back)) - (b + back)


def exp_beyond_line(xp, x):
    """e^x - 1 - x for x <= 0, which is x^2 / 2 near 0: a series in x / 4, then twice g(2 h) = 2 g(h) + (e^h - 1)^2."""
    h = 0.25 * xp.where(x > -1.0, x, 0.0)
    tail = 1.0 + h / 12.0 * (1.0 + h / 13.0 * (1.0 + h / 14.0 * (1.0 + h / 15.0 * (1.0 + h / 16.0 * (1.0 + h / 17.0)))))
    middle = 1.0 + h / 7.0 * (1.0 + h / 8.0 * (1.0 + h / 9.0 * (1.0 + h / 10.0 * (1.0 + h / 11.0 * tail))))
    series = 1.0 + h / 3.0 * (1.0 + h / 4.0 * (1.0 + h / 5.0 * (1.0 + h / 6.0 * middle)))
    once, twice = xp.expm1(h), xp.expm1(2.0 * h)
    return xp.where(x > -1.0, twice * twice + 2.0 * (once * once + h * h * series), xp.expm1(x) - x)


def times_exp(xp, t, a, z, lost=0.0):
    """t e^((a + lost) z) without intermediate overflow.

    ``lost`` is the rounding error of a. The rounding error of a z is corrected too: uncorrected, it moves e^100 by 100
    ulps. That of a huge a or z cannot be computed, and is left out.
    """
    x = xp.where(a != 0.0, a * z, 0.0)
    far = xp.abs(x) > largest_exponent(xp)
    half = xp.where(far, 0.5, 1.0)
    error = half * (product_error(xp, a, z, x) + lost * z)
    e = xp.exp(half * x)
    e = xp.where((xp.abs(error) < INFINITY) & (e < INFINITY), e + e * error, e)
    once = xp.where(t != 0.0, t * e, 0.0)
    return xp.where(far & (once != 0.0), once * e, once)


def inverse_and_log(xp, a, b, c):
    """The inverse and the logarithm of a + b + c, for |a| >= |b|.

    The rounding errors of the sum (Knuth, TAOCP 2, 4.2.2) matter where the logarithm is near 0. For sums below 1/4 the
    logarithm is too large for them to matter.
    """
    start = a + b
    total = start + c
    back = total - start
    lost = (b - (start - a)) + ((start - (total - back)) + (c - back))
    logarithm, inverse = xp.log(total), 1.0 / total
    return inverse, xp.where(total > 0.25, logarithm + lost * inverse, logarithm)
