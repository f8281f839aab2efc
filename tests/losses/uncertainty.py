"""Losses of a location and the logarithm of a scale.

Scores have e^-|x| in their second derivatives, x being rounded: that costs |x| ULPs in float64. Only magnitudes are
found here; the exact derivative itself comes from the definition.
"""

from __future__ import annotations

from mpmath import mp, mpf

from losses.textbook import Number, Row, exp, log, textbook


def standardized(z: Row, t: Number) -> mpf:
    return (z[0] - t) / exp(z[1])


@textbook()
def gaussian(z, t):
    return mpf(z[1]), standardized(z, t) ** 2 / 2


def largest_of_score(order: int, z: Row, t: Number, parameters: dict, j: int) -> mpf:
    x = abs(standardized(z, t))
    if order == 1 or not mp.isfinite(x):
        return mpf(0)
    return exp(-x) * x * (1 / exp(z[1]) if j == 0 else x**2 * exp(z[1]))


@textbook(largest=largest_of_score)
def crps_logistic(z, t):
    """The closed form of Gneiting and Raftery (2007), of the distribution function itself."""
    scale, y = exp(z[1]), -standardized(z, t)
    return scale * y, 2 * scale * log(1 + exp(-y)), -scale


@textbook(largest=largest_of_score)
def crps_laplace(z, t):
    scale, y = exp(z[1]), abs(standardized(z, t))
    return scale * y, scale * exp(-y), -3 * scale / 4
