"""The small functions of the book: activations, their derivatives, and two examples to differentiate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.logits import sigmoid

__all__ = [
    "function_1",
    "function_2",
    "identity_function",
    "relu",
    "relu_grad",
    "sigmoid_grad",
    "step_function",
]

Array = NDArray[Any]


def identity_function(x: Any) -> Any:
    """``x`` unchanged.

    Examples
    --------
    >>> identity_function(0.3)
    0.3
    """
    return x


def step_function(x: ArrayLike) -> Array:
    """1 where ``x`` is above 0, otherwise 0, as integers.

    Examples
    --------
    >>> step_function([-1.0, 0.0, 2.0])
    array([0, 0, 1])
    """
    return np.array(np.asarray(x) > 0, dtype=int)


def sigmoid_grad(x: ArrayLike) -> Any:
    """The derivative of ``sigmoid`` at ``x``.

    Examples
    --------
    >>> float(sigmoid_grad(0.0))
    0.25
    """
    return sigmoid(x) * sigmoid(np.negative(x))  # 1 - sigmoid(x) without cancellation


def relu(x: ArrayLike) -> Any:
    """``x`` where it is above 0, otherwise 0.

    Examples
    --------
    >>> relu([-1.0, 2.0])
    array([0., 2.])
    """
    return np.maximum(0, x)


def relu_grad(x: ArrayLike) -> Array:
    """The derivative of ``relu`` at ``x``; 1 at 0, as in the book's repository.

    Examples
    --------
    >>> relu_grad([-1.0, 0.0, 2.0])
    array([0., 1., 1.])
    """
    return np.where(np.asarray(x) >= 0, 1.0, 0.0)


def function_1(x: Any) -> Any:
    """0.01 x^2 + 0.1 x.

    Examples
    --------
    >>> function_1(10)
    2.0
    """
    return 0.01 * x**2 + 0.1 * x


def function_2(x: Any) -> Any:
    """The sum of the squares of the two coordinates ``x[0]`` and ``x[1]``.

    Examples
    --------
    >>> function_2([3.0, 4.0])
    25.0
    """
    return x[0] ** 2 + x[1] ** 2
