"""The two losses of the chapter, equal to its printed digits, and their derivatives.

Values per sample come from the core; they are summed as in the book, in NumPy's order. Two things differ, because the
book guesses: here the shape of the target decides its kind, and soft labels are used as given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.logits import softmax
from rashin.losses import categorical_cross_entropy, half_squared_error

__all__ = [
    "DELTA",
    "cross_entropy_error",
    "cross_entropy_gradient",
    "mean_squared_error",
    "mean_squared_gradient",
    "softmax_loss",
    "sum_squared_error",
]

DELTA = 1e-7  # keeps the logarithm above -inf; it also hides how wrong a certain prediction is

# The book accepts rows of any sum; a numerical gradient also needs rows that do not sum to 1.
_CROSS_ENTROPY = categorical_cross_entropy.replace(epsilon=DELTA, normalized=False)


def mean_squared_error(y: Any, t: Any) -> float:
    r"""Half the **sum** of squared differences, over all elements.

    .. math:: E = \frac{1}{2} \sum (y - t)^2

    Parameters
    ----------
    y : prediction, real, any shape.
    t : target of the same shape.

    Raises
    ------
    ValueError : the shapes differ, or a number is NaN.

    Examples
    --------
    >>> from rashin.dialects.scratch import mean_squared_error
    >>> t = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    >>> mean_squared_error([0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0], t)
    0.09750000000000003
    """
    # The book halves the sum; halving is exact, so that a sum of halves has the same digits.
    return float(np.sum(_doubles(half_squared_error(_wide(y), t, reduction="none"))))


sum_squared_error = mean_squared_error  # its current name in the book's repository, which is more accurate


def mean_squared_gradient(y: Any, t: Any) -> NDArray[Any]:
    """The derivative of :func:`mean_squared_error` with respect to ``y``, which is y - t.

    Examples
    --------
    >>> from rashin.dialects.scratch import mean_squared_gradient
    >>> mean_squared_gradient([0.5, 1.0], [0, 1])
    array([0.5, 0. ])
    """
    gradient: NDArray[Any] = half_squared_error.gradient(y, t, reduction="sum")
    return gradient


def cross_entropy_error(y: Any, t: Any) -> float:
    r"""Cross-entropy of probabilities with the book's delta, per sample of the batch.

    .. math:: E = -\frac{1}{N} \sum_n \sum_k t_{nk} \log(y_{nk} + 10^{-7})

    Parameters
    ----------
    y : probabilities, (C,) for one sample or (N, C).
    t : distributions of the same shape (one-hot or soft), or integer labels, () or (N,).

    Raises
    ------
    ValueError : the shapes do not fit, a label is not a class, or y or t are not probabilities.

    Examples
    --------
    >>> from rashin.dialects.scratch import cross_entropy_error
    >>> y = [0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0]
    >>> cross_entropy_error(y, 2)
    0.510825457099338
    """
    losses = _doubles(_CROSS_ENTROPY(_wide(y), t, reduction="none"))
    if losses.size == 0:
        checks.refuse_mean(0, False, False)
    return float(np.sum(losses) / losses.size)


def cross_entropy_gradient(y: Any, t: Any) -> NDArray[Any]:
    """The derivative of :func:`cross_entropy_error` with respect to ``y``: -t / (y + delta) / N.

    The book's backward pass uses y - t instead: the derivative of softmax and cross-entropy together, without delta.

    Examples
    --------
    >>> from rashin.dialects.scratch import cross_entropy_gradient
    >>> cross_entropy_gradient([0.5, 0.5], 1)
    array([ 0.       , -1.9999996])
    """
    gradient: NDArray[Any] = _CROSS_ENTROPY.gradient(y, t)
    return gradient


def softmax_loss(X: Any, t: Any) -> float:  # noqa: N803
    """:func:`cross_entropy_error` of the softmax of the logits ``X``, (C,) or (N, C).

    Examples
    --------
    >>> from rashin.dialects.scratch import softmax_loss
    >>> softmax_loss([1.0, 3.0], 1)
    0.1269278...
    """
    return cross_entropy_error(softmax(_wide(X)), t)


def _wide(y: Any) -> NDArray[np.float64]:
    """The prediction as float64, so that the printed digits do not depend on its dtype."""
    return checks.array("y", y).astype(np.float64, copy=False)


def _doubles(losses: Any) -> NDArray[np.float64]:
    return np.asarray(losses, dtype=np.float64)
