"""Losses of counts and positive amounts with a log link: the prediction z is the logarithm of the mean."""

from __future__ import annotations

from rashin.domain import NONNEGATIVE, POSITIVE, REAL, TWEEDIE_POWER
from rashin.loss import pointwise
from rashin.losses.constants import log_mean

SPLIT = 134217729.0  # 2^27 + 1 cuts a double into two halves whose products are exact


def product_error(a, b, product):
    """What rounding took from a * b. Dekker (1971), A floating-point technique for extending the precision."""
    c, d = SPLIT * a, SPLIT * b
    a1, b1 = c - (c - a), d - (d - b)
    a2, b2 = a - a1, b - b1
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def times_exp(xp, t, a, z):
    """t e^(a z), with the rounding error of a z, which moves e^100 by 100 ulps, and no overflow on the way."""
    x = xp.where(a != 0.0, a * z, 0.0)
    far = xp.abs(x) > 700.0
    half = xp.where(far, 0.5, 1.0)
    error = xp.where(xp.abs(x) < 3000.0, half * product_error(a, z, x), 0.0)
    e = xp.exp(half * x)
    e = xp.where(e < 1e308, e + e * error, e)
    once = xp.where(t != 0.0, t * e, 0.0)
    return xp.where(far & (once != 0.0), once * e, once)


@pointwise(target=NONNEGATIVE, convex=True, link="log", best_constant=log_mean)
def poisson(xp, z, t):
    r"""Negative log-likelihood of a count with mean e^z, less its constant log t!.

    .. math:: \ell = e^z - t z

    >>> poisson([0.0, 1.0], [2.0, 3.0])
    0.35914091422952255

    Reference: Nelder and Wedderburn (1972), Generalized linear models.
    """
    mean = xp.exp(z)
    # e^z is inf long before z is: there the product must not answer inf - inf.
    product = t * xp.where(z < 800.0, z, 800.0)
    return mean - xp.where(t > 0.0, product, 0.0), mean - t, mean


@pointwise(target=POSITIVE, convex=True, link="log", best_constant=log_mean)
def gamma(xp, z, t):
    r"""Negative log-likelihood of a positive amount with mean e^z and a constant coefficient of variation.

    .. math:: \ell = z + t e^{-z}

    >>> gamma([0.0, 1.0], [2.0, 3.0])
    2.0518191617571633

    Reference: Nelder and Wedderburn (1972), Generalized linear models.
    """
    ratio = times_exp(xp, t, -1.0, z)
    return xp.where(ratio > 1e308, ratio, z + ratio), 1.0 - ratio, ratio


def tweedie_target(power):
    """Counts with zeros below power 2, positive amounts from there on, any number up to power 0."""
    return REAL if power <= 0.0 else NONNEGATIVE if power < 2.0 else POSITIVE


@pointwise(
    target=tweedie_target,
    parameters={"power": TWEEDIE_POWER},
    convex=True,
    link="log",
    best_constant=log_mean,
)
def tweedie(xp, z, t, power=1.5):
    r"""Tweedie loss with mean e^z and variance proportional to mean^power: sums of a Poisson number of amounts.

    .. math:: \ell = t e^{(1-p) z} / (p - 1) + e^{(2-p) z} / (2 - p)

    power : p <= 0 or p >= 1; 1 is ``poisson`` and 2 is ``gamma``. The target may be any number up to p = 0, >= 0
        below 2, and > 0 from 2 on.

    >>> tweedie([0.0, 1.0], [2.0, 0.0], power=1.5)
    4.648721270700128

    Reference: Jørgensen (1987), Exponential dispersion models.
    """
    a, b = 1.0 - power, 2.0 - power
    near, far = times_exp(xp, t, a, z), times_exp(xp, 1.0, b, z)
    product = xp.where(t != 0.0, t * xp.where(z < 800.0, z, 800.0), 0.0)
    first = xp.where(a == 0.0, -product, near / xp.where(a == 0.0, 1.0, -a))
    second = xp.where(b == 0.0, z, far / xp.where(b == 0.0, 1.0, b))
    # Where one term is inf it outweighs the other, whatever its sign.
    value = xp.where(first > 1e308, first, xp.where(second > 1e308, second, first + second))
    return value, far - near, b * far - a * near
