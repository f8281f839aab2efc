"""Statistics of rows of logits, such as training and reinforcement learning need for each token."""

from __future__ import annotations

from typing import Any, NamedTuple

from rashin.backends import found

__all__ = ["SoftmaxStatistics", "softmax_statistics"]


class SoftmaxStatistics(NamedTuple):
    """The result of :func:`softmax_statistics` for each row; outside ``where`` the numbers are 0 and the rank is -1."""

    log_probability: Any  # of the label
    logsumexp: Any
    entropy: Any  # in nats
    rank: Any  # of the label: how many logits are strictly larger


def softmax_statistics(logits: Any, target: Any, *, axis: int = -1, where: Any = None) -> SoftmaxStatistics:
    r"""For each row, log-probability of the label, logsumexp, entropy and rank of the label, in one pass.

    .. math::
        z_k - \log \sum_j e^{z_j}, \quad \log \sum_j e^{z_j}, \quad -\sum_j p_j \log p_j, \quad |\{j : z_j > z_k\}|

    Parameters
    ----------
    logits : array of real numbers (..., C), with the C classes along ``axis``; -inf masks a class.
    target : integer labels (...).
    axis : class axis.
    where : boolean mask (...); rows outside it are neither evaluated nor checked, and get 0, and the rank -1.

    Returns
    -------
    :class:`SoftmaxStatistics` of arrays of shape (...): ``log_probability``, ``logsumexp`` and ``entropy`` (in nats)
    have the dtype of the logits (float64 for integers and lists); ``rank`` is int64, and 0 if no logit is larger.
    If the peak and log1p of the rest cancel, logsumexp is exact to one ULP of the larger of the two.

    Raises
    ------
    TypeError : an argument is not an array of real numbers.
    ValueError : shapes do not fit, a logit is NaN, a label is not a class, or a row has no limit (all -inf, or several
        +inf).

    Examples
    --------
    >>> import rashin
    >>> found = rashin.softmax_statistics([[20.0, 0.0, 0.0], [1.0, 1.0, 2.0]], [0, 1])
    >>> found.log_probability
    array([-4.12230724e-09, -1.55144471e+00])
    >>> found.entropy
    array([8.65684518e-08, 9.75327829e-01])
    >>> found.rank
    array([0, 1])

    Reference: Shannon (1948), A mathematical theory of communication.
    """
    return SoftmaxStatistics(*found.of(logits).softmax_statistics(logits, target, axis, where))
