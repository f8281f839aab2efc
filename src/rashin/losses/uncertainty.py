"""Losses of a location and the logarithm of a scale: likelihoods and the continuous ranked probability score (CRPS).

Location, scale and target have the same unit; x = (location - t) / scale. Where the distribution of the target is that
of the prediction, the expected Hessian is ``fisher``, which trees and natural gradients use: the Hessian itself may be
negative.
"""

from __future__ import annotations

from rashin.decorators import columnwise
from rashin.domain import FACTOR, REAL, Columns
from rashin.losses.bounds import nonnegative
from rashin.losses.compensated import INFINITY, largest_exponent
from rashin.losses.constants import mean_and_log_spread
from rashin.losses.regression import halved

LOCATION_AND_SCALE = Columns(location=REAL, log_scale=REAL)
INVERSE_ROOT_PI, ROOT_HALF = 0.5641895835477563, 0.7071067811865476


def standardized(xp, location, log_scale, t):
    """x, the absolute difference, and the inverse of the scale."""
    r, _, up = halved(xp, location, t)
    far = xp.abs(log_scale) > largest_exponent(xp)  # there the exponential is applied by halves
    e = xp.exp(-xp.where(far, 0.5 * log_scale, log_scale))
    again = xp.where(far, e, 1.0)
    return up * xp.where(r != 0.0, (r * e) * again, 0.0), up * xp.abs(r), e * again


def product(xp, a, b):
    """a b, and 0 where b is 0."""
    return xp.where(b != 0.0, a * b, 0.0)


def likelihood(xp, log_scale, inverse, g, slope, own, curvature, mixed, twice):
    """The value and derivatives of log_scale + g(x); own, mixed, twice are x g', g' + x g'', x g' + x^2 g''."""
    value = xp.where(g == INFINITY, g, log_scale + g)
    return value, (inverse * slope, 1.0 - own), (inverse * inverse * curvature, -inverse * mixed, twice)


def score(xp, log_scale, x, away, inverse, excess, slope, curvature, rest):
    """The value and derivatives of scale f(x), f(x) = |x| + excess; ``rest`` is f(x) - x f'(x)."""
    scale, bend = xp.exp(log_scale), product(xp, x, curvature)
    corners = (product(xp, inverse, curvature), -bend, product(xp, scale, rest + product(xp, x, bend)))
    return away + product(xp, scale, excess), (slope, product(xp, scale, rest)), corners


def gaussian_fisher(xp, location, log_scale):
    """1 / scale^2 and 2."""
    inverse = xp.exp(-log_scale)
    return inverse * inverse, 0.0, 2.0


def gaussian_by_target(xp, location, log_scale, t):
    """dl/dt = -x / scale."""
    x, _, inverse = standardized(xp, location, log_scale, t)
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
    x, _, inverse = standardized(xp, location, log_scale, t)
    square = x * x
    return likelihood(xp, log_scale, inverse, 0.5 * square, x, square, 1.0, 2.0 * x, 2.0 * square)


def student_t_fisher(xp, location, log_scale, degrees):
    """(nu + 1) / ((nu + 3) scale^2) and 2 nu / (nu + 3)."""
    inverse = xp.exp(-log_scale)
    return (degrees + 1.0) / (degrees + 3.0) * inverse * inverse, 0.0, 2.0 * degrees / (degrees + 3.0)


def student_t_by_target(xp, location, log_scale, t, degrees):
    """dl/dt: minus the slope by the location."""
    x, _, inverse = standardized(xp, location, log_scale, t)
    return -inverse * bounded(xp, x, degrees)[2]


def bounded(xp, x, degrees):
    """Whether u = x / sqrt(nu) exceeds 1, u or 1 / u, whose square cannot overflow, and g'(x)."""
    u = x / xp.sqrt(degrees)
    far = xp.abs(u) > 1.0
    y = xp.where(far, 1.0 / xp.where(far, u, 1.0), u)
    return far, y, (degrees + 1.0) / xp.sqrt(degrees) * (y / (1.0 + y * y))


@columnwise(
    prediction=LOCATION_AND_SCALE,
    parameters={"degrees": FACTOR},
    target_slope=student_t_by_target,
    fisher=student_t_fisher,
)
def student_t(xp, location, log_scale, t, degrees=5.0):
    r"""Negative log-likelihood of Student's t distribution, less the constant log(2 pi) / 2: robust to outliers.

    .. math:: \ell = s + \tfrac{\nu + 1}{2} \log(1 + x^2 / \nu) + c(\nu), \quad x = (z - t) e^{-s}

    degrees : degrees of freedom nu, in [1e-100, 1e100]. The normalising constant c tends to 0 as nu grows, and the loss
        to ``gaussian``.

    The prediction (..., 2) contains the location z and the logarithm s of the scale. The curvature by z is negative
    beyond sqrt(nu) scales; ``fisher`` is positive.

    >>> student_t([[0.0, 0.0]], [1.0], degrees=1e8)
    0.5

    Reference: Lange, Little and Taylor (1989), Robust statistical modeling using the t distribution.
    """
    x, _, inverse = standardized(xp, location, log_scale, t)
    far, y, slope = bounded(xp, x, degrees)
    square, near = y * y, 1.0 / (1.0 + y * y)
    constant = 0.5 * xp.log(0.5 * degrees) - xp.lgamma_difference(0.5, 0.5 * degrees)
    g = (degrees + 1.0) * (xp.log(xp.where(far, xp.abs(x) / xp.sqrt(degrees), 1.0)) + 0.5 * xp.log1p(square))
    scale, root = degrees + 1.0, (degrees + 1.0) / xp.sqrt(degrees)
    bend = xp.where(far, -square, 1.0) * (1.0 - y) * (1.0 + y) * near * near
    mixed, twice = xp.where(far, square, 1.0) * (2.0 * y * near * near), 2.0 * square * near * near
    own = scale * xp.where(far, near, square * near)
    return likelihood(
        xp, log_scale, inverse, constant + g, slope, own, scale / degrees * bend, root * mixed, scale * twice
    )


def crps_normal_by_target(xp, location, log_scale, t):
    """dl/dt = -erf(x / sqrt(2))."""
    return -xp.erf(ROOT_HALF * standardized(xp, location, log_scale, t)[0])


def crps_normal_fisher(xp, location, log_scale):
    """The expected second derivatives: 1 / (sqrt(pi) scale) and scale / (2 sqrt(pi))."""
    return INVERSE_ROOT_PI * xp.exp(-log_scale), 0.0, 0.5 * INVERSE_ROOT_PI * xp.exp(log_scale)


@columnwise(
    prediction=LOCATION_AND_SCALE,
    target_slope=crps_normal_by_target,
    fisher=crps_normal_fisher,
    bounds=nonnegative,
)
def crps_normal(xp, location, log_scale, t):
    r"""Continuous ranked probability score of a normal distribution, in the unit of the target.

    .. math:: \ell = e^s \left( x (2 \Phi(x) - 1) + 2 \varphi(x) - 1 / \sqrt{\pi} \right), \quad x = (z - t) e^{-s}

    The prediction (..., 2) contains the location z and the logarithm s of the standard deviation.

    >>> crps_normal([[0.0, 0.0]], [2.0])
    1.4527912

    Reference: Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation.
    """
    x, away, inverse = standardized(xp, location, log_scale, t)
    twice = 2.0 * ROOT_HALF * INVERSE_ROOT_PI * xp.exp(-0.5 * x * x)  # twice the density
    size = xp.abs(x)
    excess = twice - product(xp, size, xp.erfc(ROOT_HALF * size)) - INVERSE_ROOT_PI
    return score(xp, log_scale, x, away, inverse, excess, xp.erf(ROOT_HALF * x), twice, twice - INVERSE_ROOT_PI)


def logistic_score(xp, location, log_scale, t):
    """x, |r|, e^-|x|, tanh(x / 2) and the inverse of the scale."""
    x, away, inverse = standardized(xp, location, log_scale, t)
    e = xp.exp(-xp.abs(x))
    return x, away, e, -xp.sign(x) * xp.expm1(-xp.abs(x)) / (1.0 + e), inverse


def crps_logistic_by_target(xp, location, log_scale, t):
    """dl/dt = -tanh(x / 2)."""
    return -logistic_score(xp, location, log_scale, t)[3]


def crps_logistic_fisher(xp, location, log_scale):
    """The expected second derivatives: 1 / (3 scale) and (pi^2 / 9 - 2 / 3) scale."""
    return xp.exp(-log_scale) / 3.0, 0.0, 0.42995604456548429 * xp.exp(log_scale)


@columnwise(
    prediction=LOCATION_AND_SCALE,
    target_slope=crps_logistic_by_target,
    fisher=crps_logistic_fisher,
    bounds=nonnegative,
)
def crps_logistic(xp, location, log_scale, t):
    r"""Continuous ranked probability score of a logistic distribution, in the unit of the target.

    .. math:: \ell = |z - t| + e^s (2 \log(1 + e^{-|x|}) - 1), \quad x = (z - t) e^{-s}

    The prediction (..., 2) contains the location z and the logarithm s of the scale.

    >>> crps_logistic([[0.0, 0.0]], [2.0])
    1.2538560220859448

    Reference: Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation.
    """
    x, away, e, slope, inverse = logistic_score(xp, location, log_scale, t)
    share, tail = e / (1.0 + e), 2.0 * xp.log1p_unit(e)
    rest = tail - 1.0 + 2.0 * product(xp, xp.abs(x), share)
    return score(xp, log_scale, x, away, inverse, tail - 1.0, slope, 2.0 * share / (1.0 + e), rest)


def crps_laplace_by_target(xp, location, log_scale, t):
    """dl/dt = sign(x) expm1(-|x|)."""
    x, _, _ = standardized(xp, location, log_scale, t)
    return xp.sign(x) * xp.expm1(-xp.abs(x))


def crps_laplace_fisher(xp, location, log_scale):
    """The expected second derivatives: 1 / (2 scale) and scale / 4."""
    return 0.5 * xp.exp(-log_scale), 0.0, 0.25 * xp.exp(log_scale)


@columnwise(
    prediction=LOCATION_AND_SCALE,
    target_slope=crps_laplace_by_target,
    fisher=crps_laplace_fisher,
    bounds=nonnegative,
)
def crps_laplace(xp, location, log_scale, t):
    r"""Continuous ranked probability score of a Laplace distribution, in the unit of the target.

    .. math:: \ell = |z - t| + e^s (e^{-|x|} - 3/4), \quad x = (z - t) e^{-s}

    The prediction (..., 2) contains the location z and the logarithm s of the scale.

    >>> crps_laplace([[0.0, 0.0]], [2.0])
    1.3853352832366127

    Reference: Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation.
    """
    x, away, inverse = standardized(xp, location, log_scale, t)
    e = xp.exp(-xp.abs(x))
    rest = e - 0.75 + product(xp, xp.abs(x), e)
    return score(xp, log_scale, x, away, inverse, e - 0.75, -xp.sign(x) * xp.expm1(-xp.abs(x)), e, rest)
