"""Losses that compare a row of probabilities with a distribution."""

from __future__ import annotations

from rashin.domain import LABEL, LOG_PROBABILITY, NONNEGATIVE, PROBABILITY
from rashin.loss import rowwise


@rowwise(prediction=PROBABILITY, parameters={"epsilon": NONNEGATIVE}, convex=True)
def categorical_cross_entropy(xp, z, t, epsilon=0.0):
    r"""Cross-entropy from probabilities, taken as given; ``softmax_cross_entropy`` takes logits.

    .. math:: \ell = -\sum_k t_k \log(z_k + \epsilon)

    epsilon : >= 0, added inside the logarithm. With 0 an impossible label costs inf.

    >>> categorical_cross_entropy([[0.1, 0.6, 0.3]], [1])
    0.5108256237659907

    Reference: Good (1952), Rational decisions.
    """
    p = z + epsilon
    low = z < 0.75  # beyond, the rounding of z + epsilon would show in a logarithm near 0
    log_p = xp.where(low, xp.log(xp.where(low, p, 1.0)), xp.log1p(xp.where(low, 0.0, (z - 1.0) + epsilon)))
    some = t > 0.0
    ratio = xp.where(some, t / p, 0.0)
    return -xp.sum(xp.where(some, t * log_p, 0.0), axis=-1), -ratio, xp.where(some, ratio / p, 0.0)


@rowwise(prediction=LOG_PROBABILITY, target=LABEL, convex=True)
def negative_log_likelihood(xp, z, t):
    r"""Minus the log-probability of the label, from rows of log-probabilities.

    .. math:: \ell = -z_k

    >>> negative_log_likelihood([[-1.5, -0.25]], [1])
    0.25

    Reference: Fisher (1922), On the mathematical foundations of theoretical statistics.
    """
    return -xp.sum(xp.where(t > 0.0, t * z, 0.0), axis=-1), -t, 0.0
