"""Losses of counts and positive amounts with a log link: the prediction z is the logarithm of the mean."""

from __future__ import annotations

from rashin.domain import NONNEGATIVE, POSITIVE, REAL, TWEEDIE_POWER
from rashin.loss import pointwise
from rashin.losses.arithmetic import times_exp
from rashin.losses.constants import log_mean


@pointwise(target=NONNEGATIVE, convex=True, link="log", best_constant=log_mean, target_degree=1)
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


@pointwise(target=POSITIVE, convex=True, link="log", best_constant=log_mean, target_degree=1)
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
    target_degree=1,
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
    # Where both powers overflow, the one that grows faster, by e^|z|, is all there is.
    near_rules, far_rules = (near > 1e308) & (z < 0.0), (far > 1e308) & (z > 0.0)
    near, far = xp.where(far_rules, 0.0, near), xp.where(near_rules, 0.0, far)
    product = xp.where(t != 0.0, t * xp.where(z < 800.0, z, 800.0), 0.0)
    first = xp.where(a == 0.0, -product, near / xp.where(a == 0.0, 1.0, -a))
    second = xp.where(b == 0.0, xp.where(near_rules, 0.0, z), far / xp.where(b == 0.0, 1.0, b))
    return first + second, far - near, b * far - a * near
