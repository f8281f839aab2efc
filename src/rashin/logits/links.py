"""Functions that turn logits into probabilities, computed in double precision and rounded once."""

from __future__ import annotations

from typing import Any

from rashin.backends import found

__all__ = ["log_softmax", "logsumexp", "sigmoid", "softmax"]


def softmax(logits: Any, *, axis: int = -1) -> Any:
    r"""Probabilities proportional to e^z along ``axis``, with the shape and dtype of the logits.

    .. math:: p_j = e^{z_j} / \sum_k e^{z_k}

    Raises
    ------
    ValueError : a logit is NaN, or a row has no limit (all -inf, or several +inf).

    Examples
    --------
    >>> import numpy as np, rashin
    >>> rashin.softmax([0.0, 1.0, -np.inf])
    array([0.26894142, 0.73105858, 0.        ])
    """
    return found.of(logits).softmax(logits, axis)


def log_softmax(logits: Any, *, axis: int = -1) -> Any:
    r"""The logarithm of :func:`softmax`, computed directly, with the shape and dtype of the logits.

    .. math:: u_j = z_j - \log \sum_k e^{z_k}

    Examples
    --------
    >>> import rashin
    >>> rashin.log_softmax([20.0, 0.0])
    array([-2.06115362e-09, -2.00000000e+01])
    """
    return found.of(logits).log_softmax(logits, axis)


def logsumexp(logits: Any, *, axis: int = -1) -> Any:
    r"""The logarithm of the sum of e^z along ``axis``, with the shape of the logits without that axis.

    .. math:: \log \sum_k e^{z_k}

    Examples
    --------
    >>> import rashin
    >>> rashin.logsumexp([[1000.0, 1000.0]])
    array([1000.69314718])
    """
    return found.of(logits).logsumexp(logits, axis)


def sigmoid(logits: Any) -> Any:
    r"""The logistic function of each element, with the shape and dtype of the logits.

    .. math:: p = 1 / (1 + e^{-z})

    Examples
    --------
    >>> import rashin
    >>> rashin.sigmoid([0.0, -40.0])
    array([5.00000000e-01, 4.24835426e-18])
    """
    return found.of(logits).sigmoid(logits)
