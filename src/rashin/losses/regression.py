"""Losses of a real prediction and a real target that depend on the difference r = z - t.

If r overflows, the loss may still be finite: then r is computed from halves of z and t.
"""

from __future__ import annotations

from rashin.decorators import pointwise
from rashin.domain import OPEN_UNIT, POSITIVE
from rashin.losses.bounds import nonnegative
from rashin.losses.compensated import INFINITY
from rashin.losses.constants import mean, weighted_expectile, weighted_quantile
from rashin.rule import RESIDUAL

LOG_2 = 0.6931471805599453


def halved(xp, z, t):
    """z - t, halved if it overflows; the factor 1 or 1/2, and its inverse."""
    over = xp.abs(z - t) == xp.where(xp.narrow(), -1.0, INFINITY)
    half = xp.where(over, 0.5, 1.0)
    return half * z - half * t, half, xp.where(over, 2.0, 1.0)


@pointwise(convex=True, best_constant=mean, target_degree=2, target_slope=RESIDUAL, bounds=nonnegative)
def half_squared_error(xp, z, t):
    r"""Half the squared difference, whose slope is the difference itself.

    .. math:: \ell = r^2 / 2, \quad r = z - t

    >>> half_squared_error([1.0, 2.0], [0.0, 4.0])
    1.25

    Reference: Legendre (1805), Nouvelles méthodes pour la détermination des orbites des comètes, appendix.
    """
    r = z - t
    return 0.5 * r * r, r, 1.0


@pointwise(convex=True, best_constant=mean, target_degree=2, target_slope=RESIDUAL, bounds=nonnegative)
def squared_error(xp, z, t):
    r"""The squared difference; its mean is the mean squared error.

    .. math:: \ell = r^2, \quad r = z - t

    >>> squared_error([1.0, 2.0], [0.0, 4.0])
    2.5

    Reference: Gauss (1809), Theoria motus corporum coelestium, book 2, section 3.
    """
    r = z - t
    return r * r, 2.0 * r, 2.0


@pointwise(
    kinks=lambda t: (t,), convex=True, best_constant=weighted_quantile, target_slope=RESIDUAL, bounds=nonnegative
)
def absolute_error(xp, z, t):
    r"""The absolute difference: its best constant is the median. Slope 0 at the kink r = 0.

    .. math:: \ell = |r|, \quad r = z - t

    >>> absolute_error([1.0, 2.0], [0.0, 4.0])
    1.5

    Reference: Boscovich (1757), De litteraria expeditione per pontificiam ditionem.
    """
    r = z - t
    return xp.abs(r), xp.sign(r), 0.0


@pointwise(
    kinks=lambda t, delta: (t - delta, t + delta),
    parameters={"delta": POSITIVE},
    convex=True,
    target_slope=RESIDUAL,
    bounds=nonnegative,
)
def huber(xp, z, t, delta=1.0):
    r"""Quadratic within ``delta`` of the target, linear beyond: robust to outliers.

    .. math:: \ell = r^2/2 \ (|r| \le \delta), \quad \delta (|r| - \delta/2) \ (|r| > \delta), \quad r = z - t

    delta : threshold > 0, in the unit of the target. At |r| = delta the curvature jumps from 1 to 0; there it is 1.

    >>> huber([0.5, 5.0], [0.0, 0.0], delta=2.0)
    4.0625

    Reference: Huber (1964), Robust estimation of a location parameter.
    """
    r, half, up = halved(xp, z, t)
    near = up * xp.abs(r) <= delta
    c = xp.where(near, r, delta * xp.sign(r))  # the clipped residual is the slope
    return up * (c * (r - 0.5 * half * c)), c, xp.where(near, 1.0, 0.0)


@pointwise(parameters={"delta": POSITIVE}, convex=True, target_slope=RESIDUAL, bounds=nonnegative)
def pseudo_huber(xp, z, t, delta=1.0):
    r"""A smooth Huber loss: quadratic near the target, with slope ``delta`` far away.

    .. math:: \ell = \delta^2 (\sqrt{1 + (r/\delta)^2} - 1), \quad r = z - t

    delta : scale > 0, in the unit of the target.

    >>> pseudo_huber([3.0], [0.0], delta=4.0)
    4.0

    Reference: Charbonnier et al. (1994), Two deterministic half-quadratic regularization algorithms.
    """
    r, _, up = halved(xp, z, t)
    a = up * xp.abs(r / delta)
    s = xp.where(a > 1e8, a, xp.sqrt(1.0 + a * a))  # beyond 1e8 the 1 is lost, and a * a would overflow
    near = 1.0 / s
    # r^2 / (1 + s) has no cancellation. Beyond 1e17 slope and ratio are delta to the last digit, as they are at inf.
    slope = xp.where(a > 1e17, delta * xp.sign(r), up * (r / s))
    ratio = xp.where(a > 1e17, delta * xp.sign(r), up * (r / (1.0 + s)))
    return up * (r * ratio), slope, near * near * near


@pointwise(convex=True, target_slope=RESIDUAL, bounds=nonnegative)
def log_cosh(xp, z, t):
    r"""Half the squared error near the target, the absolute error minus log 2 far away, smooth in between.

    .. math:: \ell = \log\cosh r, \quad r = z - t

    >>> log_cosh([1e-3, 1000.0], [0.0, 0.0], reduction="none")
    array([4.99999917e-07, 9.99306853e+02])

    Reference: Green (1990), Bayesian reconstructions from emission tomography data using a modified EM algorithm.
    """
    r = z - t
    a = xp.abs(r)
    e, m = xp.exp(-a), xp.expm1(-a)
    small = a < 1.0
    # cosh a - 1 = m^2 / (2 e) has no cancellation near 0; far out log cosh a = a - log 2 + log(1 + e^2).
    square = e * e
    value = xp.where(small, 0.0, a - LOG_2) + xp.log1p_unit(xp.where(small, 0.5 * m * (m / e), square))
    tanh = -m * (1.0 + e) / (1.0 + square)
    sech = 2.0 * e / (1.0 + square)
    back = r - z  # the rounding error of r (Knuth, TAOCP 2, 4.2.2) moves e^-100 by 100 ulps
    lost = xp.sign(r) * ((z - (r - back)) - (t + back))
    return value, xp.sign(r) * tanh, sech * sech * xp.where(small | (a > 800.0), 1.0, 1.0 - 2.0 * lost)


def pinball(xp, z, t, level):
    """The pinball loss at a level, and its derivatives."""
    r, _, up = halved(xp, z, t)
    above, below = 1.0 - level, -level
    slope = xp.where(r > 0.0, above, xp.where(r < 0.0, below, 0.5 - level))
    return up * (xp.where(r > 0.0, above, below) * r), slope, 0.0


@pointwise(
    kinks=lambda t, quantile: (t,),
    parameters={"quantile": OPEN_UNIT},
    convex=True,
    best_constant=weighted_quantile,
    target_slope=RESIDUAL,
    bounds=nonnegative,
)
def quantile(xp, z, t, quantile=0.5):
    r"""The pinball loss; its best constant is the quantile. The slope at the kink z = t is 1/2 - q.

    .. math:: \ell = \max(q (t - z), (q - 1) (t - z))

    quantile : level q in (0, 1).

    >>> quantile([1.0, 4.0], [3.0, 3.0], quantile=0.9)
    0.95

    Reference: Koenker and Bassett (1978), Regression quantiles.
    """
    return pinball(xp, z, t, quantile)


@pointwise(
    kinks=lambda t, level: () if level == 0.5 else (t,),
    parameters={"level": OPEN_UNIT},
    convex=True,
    best_constant=weighted_expectile,
    target_slope=RESIDUAL,
    bounds=nonnegative,
)
def expectile(xp, z, t, level=0.5):
    r"""The squared error with one weight above the target and another below; its best constant is the expectile.

    .. math:: \ell = |\tau - 1[r > 0]| \, r^2, \quad r = z - t

    level : level in (0, 1); 0.5 gives ``half_squared_error``, whose best constant is the mean. At the target the
        curvature jumps from twice the level to twice the rest; there it is 1.

    >>> expectile([1.0, 4.0], [3.5, 3.5], level=0.9)
    2.825

    Reference: Newey and Powell (1987), Asymmetric least squares estimation and testing.
    """
    r, _, up = halved(xp, z, t)
    w = xp.where(r > 0.0, 1.0 - level, xp.where(r < 0.0, level, 0.5))
    return up * (up * (w * r * r)), up * (2.0 * w * r), 2.0 * w
