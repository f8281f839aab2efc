"""Losses of a prediction relative to its target: an error counts by its share, not by its size."""

from __future__ import annotations

from rashin.decorators import pointwise
from rashin.domain import ABOVE_MINUS_ONE, NONNEGATIVE, NONZERO
from rashin.losses.bounds import nonnegative
from rashin.losses.constants import mean_of_logarithms, relative_median
from rashin.losses.regression import halved

NAN = float("nan")


def log_ratio(xp, z, t):
    """log((1 + z) / (1 + t)) for t >= 0, without cancellation near z = t, and without a quotient that underflows."""
    a, b = 1.0 + z, 1.0 + t
    share, up, negative = (z - t) / b, z > t, z < 0.0
    quotient = xp.where(up, a, b) / xp.where(up, b, xp.where(negative, 1.0, a))
    far = xp.log(quotient) - xp.where(negative, xp.log(a), 0.0)
    small = xp.abs(share) < 0.5
    return xp.where(small, xp.log1p(xp.where(small, share, 0.0)), xp.where(up, far, -far))


def squared_log_target_slope(xp, z, t):
    """dl/dt = -2 log((1 + z) / (1 + t)) / (1 + t)."""
    return -2.0 * log_ratio(xp, z, t) / (1.0 + t)


@pointwise(
    prediction=ABOVE_MINUS_ONE,
    target=NONNEGATIVE,
    best_constant=mean_of_logarithms,
    target_slope=squared_log_target_slope,
    bounds=nonnegative,
)
def squared_log_error(xp, z, t):
    r"""The squared difference of log(1 + z) and log(1 + t): a ratio counts, and amounts may be 0.

    .. math:: \ell = (\log(1 + z) - \log(1 + t))^2

    >>> squared_log_error([-0.5, 3.0], [2.0, 3.0], reduction="none")
    array([3.210402, 0.      ])

    Reference: Törnqvist, Vartia and Vartia (1985), How should relative changes be measured?
    """
    d, rate = log_ratio(xp, z, t), 1.0 / (1.0 + z)
    return d * d, 2.0 * d * rate, 2.0 * (1.0 - d) * rate * rate


def percentage_target_slope(xp, z, t):
    """dl/dt = -sign(z - t) z sign(t) / t^2."""
    return -xp.sign(z - t) * (z / xp.abs(t) / t)


@pointwise(
    target=NONZERO,
    kinks=lambda t: (t,),
    convex=True,
    best_constant=relative_median,
    target_slope=percentage_target_slope,
    bounds=nonnegative,
)
def absolute_percentage_error(xp, z, t):
    r"""The absolute difference as a fraction of the target, which must not be 0. Slope 0 at the kink z = t.

    .. math:: \ell = |z - t| / |t|

    >>> absolute_percentage_error([1.5, -1.0], [1.0, -4.0])
    0.625

    Reference: Makridakis (1993), Accuracy measures: theoretical and practical concerns.
    """
    r, _, up = halved(xp, z, t)
    size = xp.where(t == 0.0, NAN, xp.abs(t))
    return up * xp.abs(r / size), xp.sign(r) / size, 0.0 * size
