"""Losses of counts and positive amounts with a log link: the prediction z is the logarithm of the mean."""

from __future__ import annotations

from rashin.decorators import pointwise
from rashin.domain import NONNEGATIVE, POSITIVE, REAL, TWEEDIE_POWER
from rashin.losses.compensated import INFINITY, largest_exponent, less, times_exp
from rashin.losses.constants import log_mean

E64 = 6.235149080811617e27  # e^64


def over_e64(xp, z, t):
    """e^z and t, divided by e^64 if e^z is near overflow, and the factor that undoes the division."""
    far = z > xp.where(xp.narrow(), INFINITY, largest_exponent(xp))  # nothing of what is narrow is as large as e^700
    return xp.exp(xp.where(far, z - 64.0, z)), t * xp.where(far, 1.0 / E64, 1.0), xp.where(far, E64, 1.0)


def grown(xp, x, half, up):
    """x half^2 up, multiplied in an order that avoids intermediate overflow."""
    return xp.where(x != 0.0, ((x * half) * half) * up, 0.0)


def minus_prediction(xp, z, t):
    """dl/dt = -z."""
    return -z


def inverse_mean(xp, z, t):
    """dl/dt = e^-z."""
    return xp.exp(-z)


@pointwise(
    target=NONNEGATIVE,
    convex=True,
    link="log",
    best_constant=log_mean,
    target_degree=1,
    target_slope=minus_prediction,
)
def poisson(xp, z, t):
    r"""Negative log-likelihood of a count with mean e^z, less its constant log t!.

    .. math:: \ell = e^z - t z

    >>> poisson([0.0, 1.0], [2.0, 3.0])
    0.35914091422952255

    Reference: Nelder and Wedderburn (1972), Generalized linear models.
    """
    # Near overflow both terms are divided by e^64: e^z - t z keeps its sign even if both terms overflow.
    mean, count, up = over_e64(xp, z, t)
    product = xp.where(t > 0.0, count * xp.where(z < 900.0, z, 900.0), 0.0)
    return (mean - product) * up, (mean - count) * up, mean * up


@pointwise(
    target=POSITIVE,
    convex=True,
    link="log",
    best_constant=log_mean,
    target_degree=1,
    target_slope=inverse_mean,
)
def gamma(xp, z, t):
    r"""Negative log-likelihood of a positive amount with mean e^z and a constant coefficient of variation.

    .. math:: \ell = z + t e^{-z}

    >>> gamma([0.0, 1.0], [2.0, 3.0])
    2.0518191617571633

    Reference: Nelder and Wedderburn (1972), Generalized linear models.
    """
    ratio = times_exp(xp, t, -1.0, z)
    return xp.where(ratio == INFINITY, ratio, z + ratio), 1.0 - ratio, ratio


def tweedie_target(power):
    """The domain of the target: any number up to power 0, >= 0 below power 2, > 0 from power 2 on."""
    return REAL if power <= 0.0 else NONNEGATIVE if power < 2.0 else POSITIVE


def tweedie_target_slope(xp, z, t, power):
    """dl/dt = e^((1-p) z) / (p - 1)."""
    a, lost = less(1.0, power)
    return xp.where(a == 0.0, -z, times_exp(xp, 1.0, a, z, lost) / xp.where(a == 0.0, 1.0, -a))


@pointwise(
    target=tweedie_target,
    parameters={"power": TWEEDIE_POWER},
    convex=True,
    link="log",
    best_constant=log_mean,
    target_degree=1,
    target_slope=tweedie_target_slope,
)
def tweedie(xp, z, t, power=1.5):
    r"""Tweedie loss with mean e^z and variance proportional to mean^power: sums of a Poisson number of amounts.

    .. math:: \ell = t e^{(1-p) z} / (p - 1) + e^{(2-p) z} / (2 - p)

    power : exponent p of the variance, in [-100, 0] or [1, 100]; 1 is ``poisson`` and 2 is ``gamma``. The target may
        be any number for p <= 0; it must be >= 0 for p in [1, 2), and > 0 for p >= 2.

    >>> tweedie([0.0, 1.0], [2.0, 0.0], power=1.5)
    4.648721270700128

    Reference: Jørgensen (1987), Exponential dispersion models.
    """
    (a, a_lost), (b, b_lost) = less(1.0, power), less(2.0, power)
    # Beyond the edge only the faster-growing power counts: it is e^|z| times larger.
    edge = largest_exponent(xp) + 100.0
    near = xp.where(z > edge, 0.0, times_exp(xp, t, a, z, a_lost))
    far = xp.where((z < -edge) & (t != 0.0), 0.0, times_exp(xp, 1.0, b, z, b_lost))
    first = xp.where(a == 0.0, -t * xp.where(z > edge, 0.0, z), near / xp.where(a == 0.0, 1.0, -a))
    first = xp.where(t != 0.0, first, 0.0)
    second = xp.where(b == 0.0, xp.where(z < -edge, 0.0, z), far / xp.where(b == 0.0, 1.0, b))
    # If one of them is infinite, e^(a z) is factored out: the difference keeps its sign.
    over = ((near == INFINITY) | (near == -INFINITY) | (far == INFINITY)) & (xp.abs(z) <= edge)
    mean, count, up = over_e64(xp, z, t)
    half = times_exp(xp, 1.0, 0.5 * a, z, 0.5 * a_lost)
    nearly = xp.where(a == 0.0, -count * z, count / xp.where(a == 0.0, 1.0, -a))
    beyond = xp.where(b == 0.0, 0.0, mean / xp.where(b == 0.0, 1.0, b))
    return (
        xp.where(over, grown(xp, nearly + beyond, half, up), first + second),
        xp.where(over, grown(xp, mean - count, half, up), far - near),
        xp.where(over, grown(xp, b * mean - a * count, half, up), b * far - a * near),
    )
