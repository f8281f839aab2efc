"""Losses of several numbers of one meaning per sample: predicted quantiles, and the members of an ensemble."""

from __future__ import annotations

import numpy as np

from rashin.decorators import memberwise
from rashin.losses.bounds import nonnegative
from rashin.losses.constants import weighted_quantiles
from rashin.losses.regression import pinball
from rashin.rule import RESIDUAL


def given_levels(count, levels):
    """The levels themselves, by place."""
    return np.asarray(levels), False


@memberwise(
    levels=given_levels,
    options=("levels",),
    kinks=lambda t, levels: (t,),
    convex=True,
    best_constant=weighted_quantiles,
    target_slope=RESIDUAL,
    bounds=nonnegative,
)
def quantiles(xp, z, t, level):
    r"""The mean of the pinball losses of several quantiles, which need not be in order.

    .. math:: \ell = \frac{1}{K} \sum_k \max(q_k (t - z_k), (q_k - 1) (t - z_k))

    levels : increasing levels q_k in (0, 1), one for each of the K numbers of a prediction (..., K).

    The slope at a kink z_k = t is (1/2 - q_k) / K.

    >>> quantiles([[1.0, 2.0, 4.0]], [3.0], levels=(0.1, 0.5, 0.9))
    0.26666666666666666

    Reference: Koenker and Bassett (1978), Regression quantiles.
    """
    return pinball(xp, z, t, level)


def levels_of_ranks(count, fair):
    """(i + 1/2) / M of the i-th smallest of M members, or i / (M - 1) for the fair score."""
    ranks = np.arange(count, dtype=np.float64)
    return (ranks / (count - 1) if fair else (ranks + 0.5) / count) if count > 1 else np.full(1, 0.5), True


@memberwise(
    levels=levels_of_ranks, options=("fair",), kinks=lambda t, fair: (t,), target_slope=RESIDUAL, bounds=nonnegative
)
def crps_ensemble(xp, z, t, level):
    r"""Continuous ranked probability score of the members of an ensemble, in the unit of the target.

    .. math:: \ell = \frac{1}{M} \sum_m |z_m - t| - \frac{1}{M^2} \sum_{m < l} |z_m - z_l|

    fair : switch. True divides the second sum by M (M - 1): the mean does then not depend on the number of members.

    The prediction (..., M) contains the members in any order. The sum over pairs is taken over the sorted members, as
    twice the mean pinball loss at the level of each rank; equal members share their levels.

    >>> crps_ensemble([[1.0, 3.0]], [1.5])
    0.5

    Reference: Ferro (2014), Fair scores for ensemble forecasts.
    """
    value, slope, curvature = pinball(xp, z, t, level)
    return 2.0 * value, 2.0 * slope, 2.0 * curvature
