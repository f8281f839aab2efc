"""Losses of the difference r = z - t that ignore small differences, or that let large ones count less."""

from __future__ import annotations

from rashin.decorators import pointwise
from rashin.domain import NONNEGATIVE
from rashin.losses.bounds import nonnegative
from rashin.losses.compensated import INFINITY, less
from rashin.losses.constants import insensitive_median
from rashin.losses.regression import halved
from rashin.rule import RESIDUAL


def outside(xp, z, t, epsilon):
    """|r| - epsilon, halved if r overflows, the sign of r, and the factor that undoes the half.

    The rounding error of r is added: it decides on which side of the jump a prediction near the end of the tube lies.
    """
    r, half, up = halved(xp, z, t)
    lost = xp.sign(r) * less(half * z, half * t)[1]
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
