"""Losses of a location and the logarithm of a scale: likelihoods and the continuous ranked probability score (CRPS).

Location, scale and target have the same unit; x = (location - t) / scale. Where the distribution of the target is that
of the prediction, the expected Hessian is ``fisher``, which trees and natural gradients use: the Hessian itself may be
negative.
"""

from __future__ import annotations

from rashin.decorators import columnwise
from rashin.domain import REAL, Columns
from rashin.losses.compensated import INFINITY, times_exp
from rashin.losses.constants import mean_and_log_spread
from rashin.losses.regression import halved

LOCATION_AND_SCALE = Columns(location=REAL, log_scale=REAL)
INVERSE_ROOT_PI = 0.5641895835477563


def standardized(xp, location, log_scale, t):
    """x and the inverse of the scale."""
    r, _, up = halved(xp, location, t)
    return up * times_exp(xp, r, -1.0, log_scale), xp.exp(-log_scale)


def likelihood(xp, log_scale, x, inverse, g, slope, curvature):
    """The value and derivatives of log_scale + g(x)."""
    bend, own = x * curvature, x * slope
    value = xp.where(g == INFINITY, g, log_scale + g)
    cross = -inverse * (slope + bend)
    return value, (inverse * slope, 1.0 - own), (inverse * inverse * curvature, cross, own + x * bend)


def score(xp, log_scale, x, inverse, f, slope, curvature, rest):
    """The value and derivatives of scale f(x); ``rest`` is f(x) - x f'(x)."""
    scale, bend = xp.exp(log_scale), x * curvature
    return scale * f, (slope, scale * rest), (inverse * curvature, -bend, scale * (rest + x * bend))


def by_target(xp, location, log_scale, t, formula):
    """dl/dt of a loss of location - t: minus the slope by the location."""
    return -formula(xp, location, log_scale, t)[1][0]


def gaussian_fisher(xp, location, log_scale):
    """1 / scale^2 and 2."""
    inverse = xp.exp(-log_scale)
    return inverse * inverse, 0.0, 2.0


def gaussian_by_target(xp, location, log_scale, t):
    """dl/dt = -x / scale."""
    x, inverse = standardized(xp, location, log_scale, t)
    return -inverse * x


@columnwise(
    prediction=LOCATION_AND_SCALE,
    best_constant=mean_and_log_spread,
    target_degree=2,
    target_slope=gaussian_by_target,
    fisher=gaussian_fisher,
)
def gaussian(xp, location, log_scale, t):
    r"""Negative log-likelihood of a normal distribution, less its constant log(2 pi) / 2.

    .. math:: \ell = s + \tfrac{1}{2} x^2, \quad x = (z - t) e^{-s}

    The prediction (..., 2) contains the location z and the logarithm s of the standard deviation. No variance is
    clamped. The curvature by s vanishes at x = 0, and the matrix is indefinite beyond; ``fisher`` is positive.

    >>> gaussian([[0.0, 0.0], [1.0, 0.5]], [2.0, 1.0])
    1.25

    Reference: Nix and Weigend (1994), Estimating the mean and variance of the target probability distribution.
    """
    x, inverse = standardized(xp, location, log_scale, t)
    return likelihood(xp, log_scale, x, inverse, 0.5 * x * x, x, 1.0)
