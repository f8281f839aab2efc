"""Losses that compare a row of probabilities with a distribution."""

from __future__ import annotations

from rashin.decorators import rowwise
from rashin.domain import LABEL, LOG_PROBABILITY, NONNEGATIVE, PROBABILITY
from rashin.losses.bounds import nonnegative, shifted_logarithms, squared_distance
from rashin.losses.compensated import inverse_and_log
from rashin.losses.constants import log_frequencies, mean_row, shrunk_frequencies


def surprise(xp, z, t, epsilon):
    """dl/dt of a class: -log(z + epsilon)."""
    return -inverse_and_log(xp, z, 0.0, epsilon)[1]


def shortfall(xp, z, t):
    """dl/dt of a class: 2 (t - z)."""
    return 2.0 * (t - z)


@rowwise(
    separable=True,
    prediction=PROBABILITY,
    parameters={"epsilon": NONNEGATIVE},
    options=("normalized",),
    convex=True,
    best_constant=shrunk_frequencies,
    target_degree=1,
    target_slope=surprise,
    bounds=shifted_logarithms,
)
def categorical_cross_entropy(xp, z, t, epsilon=0.0):
    r"""Cross-entropy from probabilities, used as given; ``softmax_cross_entropy`` takes logits.

    .. math:: \ell = -\sum_k t_k \log(z_k + \epsilon)

    epsilon : number >= 0 added inside the logarithm. With 0, a label with predicted probability 0 costs inf.
    normalized : switch. True requires that each row of predictions sums to 1. The sum may differ from 1 by 10^-6 for
        each of the C classes, which allows for float32 and text of six digits. It may differ by more if all numbers of
        the row are rounded: by C/2 units of the last decimal if they have 2 to 5 decimals, by half a unit of the last
        digit of each if they have 2 to 5 significant digits, and by 2 eps if they are float16 or bfloat16 numbers. In
        total it may differ by 0.05 at most.
        False accepts rows of any sum. Numerical derivatives need that: they change one entry at a time.

    >>> categorical_cross_entropy([[0.1, 0.6, 0.3]], [1])
    0.5108256237659907

    Reference: Good (1952), Rational decisions.
    """
    p = z + epsilon
    back = p - z
    lost = (z - (p - back)) + (epsilon - back)  # the rounding error of p, which matters where the logarithm is near 0
    ratio = t / p
    return -(t * xp.log(p) + xp.where(p > 0.75, lost * ratio, 0.0)), -ratio, ratio / p


@rowwise(
    separable=True,
    prediction=LOG_PROBABILITY,
    target=LABEL,
    options=("normalized",),
    convex=True,
    best_constant=log_frequencies,
    target_degree=1,
    bounds=nonnegative,
)
def negative_log_likelihood(xp, z, t):
    r"""Minus the log-probability of the label, from rows of log-probabilities.

    .. math:: \ell = -z_k

    normalized : switch. True requires that the exponentials of each row sum to 1; the loss of rows of zeros, or of
        logits that happen to be negative, would be meaningless. The sum may differ from 1 by 10^-6 for each of the C
        classes, and by at least 10^-3, which allows for large logits in float32. It may differ by half a unit of the
        last digit more if all numbers have 2 to 5 decimals or significant digits, and by (1 + log C) eps more if all
        are float16 or bfloat16 numbers. In total it may differ by 0.05 at most. False accepts rows of any sum and
        saves computing the exponentials.

    >>> negative_log_likelihood([[-1.5, -0.25]], [1])
    0.25

    Reference: Fisher (1922), On the mathematical foundations of theoretical statistics.
    """
    return -t * z, -t, 0.0


@rowwise(
    separable=True,
    every_class=True,
    prediction=PROBABILITY,
    options=("normalized",),
    convex=True,
    best_constant=mean_row,
    target_degree=2,
    target_slope=shortfall,
    bounds=squared_distance,
)
def brier(xp, z, t):
    r"""Squared distance of the probabilities from the label or distribution, over all classes; between 0 and 2.

    .. math:: \ell = \sum_k (z_k - t_k)^2

    For two classes it is twice ``squared_error`` of the probability of one of them.

    normalized : switch, as in ``categorical_cross_entropy``: True requires that each row of predictions sums to 1.

    >>> brier([[0.25, 0.5, 0.25]], [1])
    0.375

    Reference: Brier (1950), Verification of forecasts expressed in terms of probability.
    """
    r = z - t
    return r * r, 2.0 * r, 2.0
