"""Losses of several numbers per sample: location and scale, quantiles, ensembles.

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


def largest_of_student(order: int, z: Row, t: Number, parameters: dict, j: int) -> mpf:
    """The curvature by the location changes its sign."""
    degrees = mpf(parameters.get("degrees", 5.0))
    u = standardized(z, t) ** 2 / degrees
    if order == 1 or j == 1 or not mp.isfinite(u):
        return mpf(0)
    return (degrees + 1) / degrees / (1 + u) / exp(z[1]) ** 2


@textbook({"degrees": 0.3}, {"degrees": 1e8}, largest=largest_of_student)
def student_t(z, t, degrees=5.0):
    nu = mpf(degrees)
    quotient = mp.loggamma(nu / 2) - mp.loggamma((nu + 1) / 2)
    return mpf(z[1]), (nu + 1) / 2 * log(1 + standardized(z, t) ** 2 / nu), quotient, log(nu / 2) / 2


@textbook(ulps=lambda: 16.0)  # of the Hessian by the dispersion, a sum of six functions
def negative_binomial(z, t):
    k, mean, t = exp(-z[1]), exp(z[0]), mpf(t)
    return mp.loggamma(t + 1), -mp.loggamma(t + k), mp.loggamma(k), (t + k) * log(1 + mean / k), -t * log(mean / k)


@textbook()
def zero_inflated_poisson(z, t):
    mean, share, t = exp(z[0]), 1 / (1 + exp(-z[1])), mpf(t)
    if t == 0:
        return (-log(share + (1 - share) * exp(-mean)),)
    return log(1 + exp(z[1])), mean, -t * z[0], mp.loggamma(t + 1)


@textbook(ulps=lambda: 8.0)  # three gamma functions and their derivatives
def beta(z, t):
    precision, mean, t = exp(z[1]), 1 / (1 + exp(-z[0])), mpf(t)
    a, b = mean * precision, (1 - mean) * precision
    gammas = mp.loggamma(a), mp.loggamma(b), -mp.loggamma(precision)
    return *gammas, -(a - 1) * log(t), -(b - 1) * log(1 - t)


def largest_of_score(order: int, z: Row, t: Number, parameters: dict, j: int) -> mpf:
    x = abs(standardized(z, t))
    if order == 1 or not mp.isfinite(x):
        return mpf(0)
    return exp(-x) * x * (1 / exp(z[1]) if j == 0 else x**2 * exp(z[1]))


def largest_of_normal(order: int, z: Row, t: Number, parameters: dict, j: int) -> mpf:
    """The exponent is x^2 / 2."""
    x = abs(standardized(z, t))
    if order == 1 or not mp.isfinite(x):
        return mpf(0)
    return exp(-(x**2) / 2) * x**2 * (1 / exp(z[1]) if j == 0 else x**2 * exp(z[1]))


@textbook(largest=largest_of_normal)
def crps_normal(z, t):
    scale, x = exp(z[1]), standardized(z, t)
    density = mp.exp(-(x**2) / 2) / mp.sqrt(2 * mp.pi)
    return scale * x * mp.erf(x / mp.sqrt(2)), 2 * scale * density, -scale / mp.sqrt(mp.pi)


@textbook(largest=largest_of_score)
def crps_logistic(z, t):
    """The closed form of Gneiting and Raftery (2007), of the distribution function itself."""
    scale, y = exp(z[1]), -standardized(z, t)
    return scale * y, 2 * scale * log(1 + exp(-y)), -scale


@textbook(largest=largest_of_score)
def crps_laplace(z, t):
    scale, y = exp(z[1]), abs(standardized(z, t))
    return scale * y, scale * exp(-y), -3 * scale / 4


@textbook({"levels": (0.25, 0.7)}, {"levels": (0.001, 0.3, 0.5, 0.75, 0.999)}, kinks=lambda t, levels=None: (t,))
def quantiles(z, t, levels=(0.1, 0.5, 0.9)):
    return tuple(max(mpf(q) * (t - x), (mpf(q) - 1) * (t - x)) / len(z) for q, x in zip(levels, z, strict=True))


@textbook({"fair": True}, kinks=lambda t, fair=None: (t,))
def crps_ensemble(z, t, fair=False):
    """Over all pairs, as it is defined."""
    count = len(z)
    pairs = [abs(z[k] - z[j]) for k in range(count) for j in range(k)]
    return *(abs(x - t) / count for x in z), *(-x / (count * (count - 1) if fair else count**2) for x in pairs)
