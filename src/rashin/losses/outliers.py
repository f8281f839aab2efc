"""Losses of the difference r = z - t that ignore small differences, or that let large ones count less."""

from __future__ import annotations

from rashin.decorators import pointwise
from rashin.domain import FACTOR, NONNEGATIVE, ROBUSTNESS
from rashin.losses.bounds import nonnegative
from rashin.losses.compensated import INFINITY, less
from rashin.losses.constants import insensitive_median
from rashin.losses.regression import halved
from rashin.rule import RESIDUAL

TINY = 2.0**-30  # a unit in which no difference overflows


def outside(xp, z, t, epsilon):
    """|r| - epsilon, halved if r overflows, the sign of r, and the factor that undoes the half.

    The rounding error of r is added: it decides on which side of the jump a prediction near the end of the tube lies.
    """
    r, half, up = halved(xp, z, t)
    _, lost = less(half * z, half * t)
    lost = xp.sign(r) * lost
    return (xp.abs(r) - half * epsilon) + xp.where(xp.abs(lost) < INFINITY, lost, 0.0), xp.sign(r), up


@pointwise(
    kinks=lambda t, epsilon: (t - epsilon, t + epsilon),
    parameters={"epsilon": NONNEGATIVE},
    convex=True,
    best_constant=insensitive_median,
    target_slope=RESIDUAL,
    bounds=nonnegative,
)
def epsilon_insensitive(xp, z, t, epsilon=0.1):
    r"""The part of the absolute difference beyond ``epsilon``: the loss of support vector regression.

    .. math:: \ell = \max(0, |r| - \epsilon), \quad r = z - t

    epsilon : half the width of the tube without loss, >= 0, in the unit of the target. The slope at its ends is half
        the slope outside. 0 gives ``absolute_error``.

    >>> epsilon_insensitive([1.0, 2.25], [1.0, 4.0], epsilon=0.25)
    0.75

    Reference: Vapnik (1995), The nature of statistical learning theory.
    """
    beyond, side, up = outside(xp, z, t, epsilon)
    share = xp.where(beyond > 0.0, 1.0, xp.where(beyond == 0.0, 0.5, 0.0))
    return up * xp.where(beyond > 0.0, beyond, 0.0), share * side, 0.0


@pointwise(
    kinks=lambda t, epsilon: (t - epsilon, t + epsilon) if epsilon else (),
    parameters={"epsilon": NONNEGATIVE},
    convex=True,
    target_slope=RESIDUAL,
    bounds=nonnegative,
)
def squared_epsilon_insensitive(xp, z, t, epsilon=0.1):
    r"""The square of the epsilon-insensitive loss. At the ends of the tube the curvature jumps to 2; there it is 1.

    .. math:: \ell = \max(0, |r| - \epsilon)^2, \quad r = z - t

    epsilon : half the width of the tube without loss, >= 0, in the unit of the target. 0 gives ``squared_error``.

    >>> squared_epsilon_insensitive([1.0, 2.25], [1.0, 4.0], epsilon=0.25)
    1.125

    Reference: Vapnik (1995), The nature of statistical learning theory.
    """
    beyond, side, up = outside(xp, z, t, epsilon)
    b = up * xp.where(beyond > 0.0, beyond, 0.0)
    at_end = xp.where(epsilon == 0.0, 2.0, 1.0)
    curvature = xp.where(beyond > 0.0, 2.0, xp.where(beyond == 0.0, at_end, 0.0))
    return b * b, 2.0 * b * side, curvature


def less_its_logarithm(xp, a):
    """a - log(1 + a) for a >= 0, without cancellation.

    Near 0, log(1 + a) = 2 atanh(u) with u = a / (2 + a), and a - 2 u = a u. The rest is 2 u^3 (1/3 + u^2/5 + ...); the
    Chebyshev interpolant of degree 9 on u^2 <= 1/9 (mpmath.chebyfit) gives it to 2^-52 and costs 2^-55 of the result.
    """
    u = a / (2.0 + a)
    w = u * u
    tail = 0.08082022805971766 * w + 0.04400369243072337
    tail = (tail * w + 0.06000536404795356) * w + 0.06657072104827468
    tail = (tail * w + 0.07692785032479312) * w + 0.09090894718066429
    tail = (tail * w + 0.11111111358713932) * w + 0.1428571428355438
    tail = (tail * w + 0.20000000000007292) * w + 0.3333333333333333
    return xp.where(a > 0.97, a - xp.log1p(a), u * (a - 2.0 * w * tail))


@pointwise(parameters={"scale": FACTOR}, convex=True, target_slope=RESIDUAL, bounds=nonnegative)
def fair(xp, z, t, scale=1.0):
    r"""Quadratic near the target and linear far away, where the slope is ``scale``, with a slow passage in between.

    .. math:: \ell = c^2 (|x| - \log(1 + |x|)), \quad x = (z - t) / c

    scale : c in [1e-100, 1e100], in the unit of the target.

    >>> fair([1.0, 9.0], [0.0, 0.0], scale=3.0)
    7.467106048927479

    Reference: Fair (1974), On the robust estimation of econometric models.
    """
    r, _, up = halved(xp, z, t)
    a = up * xp.abs(r / scale)
    far = a > 1e18  # the logarithm is lost, and a may overflow where scale * |r| does not
    near = 1.0 / (1.0 + a)
    value = xp.where(far, scale * xp.abs(r), scale * (scale * less_its_logarithm(xp, a)))
    return xp.where(far, up * value, value), xp.where(far, scale * xp.sign(r), up * (r * near)), near * near


def parts_of_power(xp, v, fits, unit, power):
    """m^power, (1 + s)^power, m, s and log(1 + v^2), where 1 + v^2 = m^2 (1 + s) and s <= 1: no square overflows.

    Where v would overflow, ``fits`` is false, and v and m are given in the unit.
    """
    far = v > 1.0
    m = xp.where(far, v, 1.0)
    w = xp.where(far, 1.0 / m, v)
    s = w * w
    log = xp.log1p(s)
    lifted = xp.float_power(m, power) * xp.where(fits, 1.0, xp.float_power(unit, power))
    return lifted, xp.exp(power * log), m, s, 2.0 * (xp.log(m) + xp.where(fits, 0.0, xp.log(unit))) + log


def robust_bounds(alpha=0.0, scale=1.0):
    """The loss of an infinite difference is finite for alpha < 0."""
    return 0.0, 1.0 - 2.0 / alpha if alpha < 0.0 else INFINITY


@pointwise(parameters={"alpha": ROBUSTNESS, "scale": FACTOR}, target_slope=RESIDUAL, bounds=robust_bounds)
def robust(xp, z, t, alpha=0.0, scale=1.0):
    r"""One family of robust losses: the smaller ``alpha``, the less outliers count.

    .. math:: \ell = b ((1 + x^2 / b)^{\alpha / 2} - 1) / \alpha, \ b = 2 - \alpha, \ x = (z - t) / c

    alpha : shape in [-1e18, 2]. 2 is half the squared error, 1 the pseudo-Huber loss, also called Charbonnier's, -2 the
        loss of Geman and McClure. 0 is the limit log(1 + x^2 / 2), the loss of Cauchy. -1e18 is to double precision the
        limit for -infinity, 1 - exp(-x^2 / 2), the loss of Welsch.
    scale : c in [1e-100, 1e100], in the unit of the target: where the loss begins to bend.

    >>> robust([1.0, 9.0], [0.0, 0.0], alpha=-2.0, reduction="none")
    array([0.4       , 1.90588235])

    Reference: Barron (2019), A general and adaptive robust loss function.
    """
    b, d, x = 2.0 - alpha, xp.abs(0.5 * z - 0.5 * t), xp.abs((z - t) / scale)
    fits, k = (x < INFINITY) | (b == 0.0), xp.where(b > 0.0, xp.sqrt(b), 1.0)
    v = xp.where(b > 0.0, xp.where(fits, x, TINY * d) / k, 0.0)  # the parabola, b = 0, needs no power
    h, q, m, s, log = parts_of_power(xp, v, fits, 2.0 / TINY / scale, 0.5 * alpha)
    e, far = xp.where(alpha == 0.0, 0.0, 0.5 * alpha * log), m > 1.0
    grown = xp.where(e < 1.0, xp.expm1(e), h * h * q - 1.0)
    parabola = xp.where(far, b * log, x * x * xp.where(s > 0.0, log / xp.where(s > 0.0, s, 1.0), 1.0))
    small = 0.5 * parabola * xp.where(e == 0.0, 1.0, grown / xp.where(e == 0.0, 1.0, e))
    value = xp.where(xp.abs(e) < 1.0, small, b / xp.where(alpha == 0.0, 1.0, alpha) * grown)
    rest = h * (h / m) * xp.where(fits, 1.0, 0.5 * TINY * scale)
    g = xp.where(m < INFINITY, rest, xp.float_power(INFINITY, alpha - 1.0)) * (q / (1.0 + s))
    slope = xp.where(far, k, x) * g / scale
    steep = xp.where(m < INFINITY, 0.5 * slope / xp.where(far, d, 1.0), 0.0)
    turn = xp.where(far, s + (alpha - 1.0), 1.0 + (alpha - 1.0) * s) / (1.0 + s)
    return value, xp.sign(z - t) * slope, xp.where(far, steep, g / scale / scale) * turn
