"""Likelihoods of counts and shares whose spread is predicted beside their mean."""

from __future__ import annotations

from rashin.decorators import columnwise
from rashin.domain import COUNT, OPEN_UNIT, REAL, Columns
from rashin.losses.binary import softplus
from rashin.losses.bounds import nonnegative


def sigmoids(xp, z):
    """log(1 + e^z), the sigmoid of z, and that of -z."""
    plus, _, e, up = softplus(xp, z)
    large, small = 1.0 / (1.0 + e), e / (1.0 + e)
    return plus, xp.where(up, large, small), xp.where(up, small, large)


@columnwise(prediction=Columns(log_mean=REAL, log_dispersion=REAL), target=COUNT, bounds=nonnegative)
def negative_binomial(xp, log_mean, log_dispersion, t):
    r"""Negative log-likelihood of a count whose variance exceeds its mean: mu + alpha mu^2.

    .. math:: \ell = \log(t! \Gamma(k) / \Gamma(t + k)) + (t + k) \log(1 + \mu/k) - t \log(\mu/k)

    The prediction (..., 2) contains the logarithms of the mean mu and of the dispersion alpha = 1 / k. The quotient of
    the gamma functions is computed as one: for large k it loses no digits, and the loss tends to that of ``poisson``.
    In float64 the Hessian may be wrong by 16 ULPs.

    >>> negative_binomial([[1.0986122886681098, -13.815510557964274]], [3.0])
    1.4959227...

    Reference: Lawless (1987), Negative binomial and mixed Poisson regression.
    """
    k, logit = xp.exp(-log_dispersion), log_mean + log_dispersion
    plus, p, q = sigmoids(xp, logit)
    value = xp.lgamma(t + 1.0) - xp.lgamma_difference(t, k) + (t + k) * plus - xp.where(t > 0.0, t * logit, 0.0)
    # The first term of the difference of digammas, 1 / k, times k is 1: apart, it takes no digits from the others.
    one, share, more = xp.where(t > 0.0, 1.0, 0.0), t * q, xp.where(t > 0.0, t - 1.0, 0.0)
    rest = k * (xp.digamma_difference(more, k + 1.0) - plus + p)
    bend = -rest - k * k * xp.trigamma_difference(more, k + 1.0) - k * p * p + share * p
    return value, (k * p - share, (rest - share) + one), ((k + t) * p * q, p * (share - k * p), bend)


def zero_inflated_poisson_fisher(xp, log_mean, zero_logit):
    """The expected second derivatives: those of zero and of other counts, by their probabilities."""
    mean, (_, p, q) = xp.exp(log_mean), sigmoids(xp, zero_logit)
    _, r, away = sigmoids(xp, zero_logit + mean)
    zero = p + q * xp.exp(-mean)
    both = zero * r * away
    return zero * mean * away * (1.0 - mean * r) + (1.0 - zero) * mean, -mean * both, p * q - both


@columnwise(
    prediction=Columns(log_mean=REAL, zero_logit=REAL),
    target=COUNT,
    fisher=zero_inflated_poisson_fisher,
    bounds=nonnegative,
)
def zero_inflated_poisson(xp, log_mean, zero_logit, t):
    r"""Negative log-likelihood of a Poisson count with extra zeros.

    .. math:: \ell = -\log(\pi [t = 0] + (1 - \pi) e^{-\lambda} \lambda^t / t!), \quad \pi = \sigma(a)

    The prediction (..., 2) contains the logarithm of the mean lambda, and the logit a of the share pi of extra zeros.

    >>> zero_inflated_poisson([[0.0, 0.0], [0.0, 0.0]], [0.0, 2.0])
    1.2330299...

    Reference: Lambert (1992), Zero-inflated Poisson regression, with an application to defects in manufacturing.
    """
    mean, (plus, p, q) = xp.exp(log_mean), sigmoids(xp, zero_logit)
    total, missing = zero_logit + mean, -xp.expm1(-mean)
    _, r, away = sigmoids(xp, total)
    few = q * missing < 0.5  # there the zeros are likely, and a small difference from certainty counts
    tail = xp.where(total > 0.0, -zero_logit, mean) - xp.log1p_unit(xp.exp(-xp.abs(total))) + plus
    nothing = xp.where(few, -xp.log1p(xp.where(few, -q * missing, 0.0)), tail)
    twist = zero_logit + total
    gap = xp.where(twist > 0.0, r * p, -q * away) * xp.expm1(-xp.abs(twist))  # q - r
    down, zero = -r * q * missing, t == 0.0
    value = xp.where(zero, nothing, plus + mean - t * log_mean + xp.lgamma(t + 1.0))
    first = xp.where(zero, mean * away, mean - t)
    corners = xp.where(zero, mean * away * (1.0 - mean * r), mean), xp.where(zero, -mean * r * away, 0.0)
    return value, (first, xp.where(zero, down, p)), (*corners, xp.where(zero, down * gap, p * q))


def shape(xp, mean_logit, log_precision):
    """The two parameters of a beta distribution, its precision, and how the parameters change with the logit."""
    _, p, q = sigmoids(xp, mean_logit)
    precision = xp.exp(log_precision)
    return precision * p, precision * q, precision, precision * p * q


def psi(xp, x):
    """The first two derivatives of log Gamma."""
    return xp.digamma(x), xp.trigamma(x)


def beta_fisher(xp, mean_logit, log_precision):
    """The second derivatives without the slopes, which are 0 on average."""
    a, b, precision, change = shape(xp, mean_logit, log_precision)
    of_a, of_b = xp.trigamma(a), xp.trigamma(b)
    spread = a * a * of_a + b * b * of_b - precision * precision * xp.trigamma(precision)
    return change * change * (of_a + of_b), change * (a * of_a - b * of_b), spread


def beta_by_target(xp, mean_logit, log_precision, t):
    """dl/dt = (1 - a) / t - (1 - b) / (1 - t)."""
    a, b, _, _ = shape(xp, mean_logit, log_precision)
    return (1.0 - a) / t - (1.0 - b) / (1.0 - t)


@columnwise(
    prediction=Columns(mean_logit=REAL, log_precision=REAL),
    target=OPEN_UNIT,
    target_slope=beta_by_target,
    fisher=beta_fisher,
)
def beta(xp, mean_logit, log_precision, t):
    r"""Negative log-likelihood of a share in (0, 1) with a beta distribution.

    .. math:: \ell = \log B(a, b) - (a - 1) \log t - (b - 1) \log(1 - t)

    The prediction (..., 2) contains the logit of the mean mu, and the logarithm of the precision phi: a = mu phi and
    b = (1 - mu) phi. In float64 the error is 8 ULPs at most.

    >>> beta([[0.0, 12.206072645530174]], [0.5])
    -5.8772...

    Reference: Ferrari and Cribari-Neto (2004), Beta regression for modelling rates and proportions.
    """
    (_, p, q), (a, b, precision, change) = sigmoids(xp, mean_logit), shape(xp, mean_logit, log_precision)
    log_t, log_rest = xp.log(t), xp.log1p(-t)
    value = xp.lgamma(a) + xp.lgamma(b) - xp.lgamma(precision) - (a - 1.0) * log_t - (b - 1.0) * log_rest
    # digamma(a) = digamma(a + 1) - 1 / a and trigamma alike: what is left out cancels, or is a constant.
    (first_a, second_a), (first_b, second_b) = psi(xp, a + 1.0), psi(xp, b + 1.0)
    first, second = psi(xp, precision + 1.0)
    along = change * (first_a - first_b - (log_t - log_rest))
    pull = a * first_a + b * first_b - precision * first - a * log_t - b * log_rest
    of_mean = change * change * (second_a + second_b) + 2.0 * p * q - (p - q) * along
    corner = along + change * (a * second_a - b * second_b)
    of_precision = pull + a * a * second_a + b * b * second_b - precision * precision * second
    return value, (along + (p - q), pull - 1.0), (of_mean, corner, of_precision)
