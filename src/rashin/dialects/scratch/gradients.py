"""Derivatives from values alone, with the book's step, and gradient descent along them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["gradient_descent", "numerical_diff", "numerical_gradient"]

_STEP = 1e-4  # to both sides, as in the book


def numerical_diff(f: Callable[[Any], Any], x: Any) -> Any:
    r"""The derivative of ``f`` at ``x``, from values at x - 1e-4 and x + 1e-4.

    .. math:: f'(x) \approx \frac{f(x + h) - f(x - h)}{2 h}

    Parameters
    ----------
    f : function of one number.
    x : number, or an array on which ``f`` acts entry by entry.

    Examples
    --------
    >>> from rashin.dialects.scratch import function_1, numerical_diff
    >>> numerical_diff(function_1, 5)
    0.1999999999990898
    """
    x = float(x) if np.ndim(x) == 0 else np.asarray(x, dtype=np.float64)
    return (f(x + _STEP) - f(x - _STEP)) / (2 * _STEP)


def numerical_gradient(f: Callable[[Any], Any], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The derivatives of ``f`` with respect to each entry of ``x``, from values 1e-4 to both sides, shaped like ``x``.

    The entries are moved in ``x`` itself, and restored. So ``f`` may ignore its argument and evaluate a network that
    has ``x`` as its parameter, as the book does.

    Parameters
    ----------
    f : function of the array that returns one number.
    x : array of float64 of any shape; it is restored at the end, even if ``f`` raises.

    Raises
    ------
    TypeError : ``x`` is not an array of float64, the only dtype in which such a step leaves enough digits.
    ValueError : ``x`` is read-only, or ``f`` does not return one number.

    Examples
    --------
    >>> import numpy as np
    >>> from rashin.dialects.scratch import function_2, numerical_gradient
    >>> numerical_gradient(function_2, np.array([3.0, 4.0]))
    array([6., 8.])
    """
    _check_movable("x", x)
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        gradient[index] = _slope(f, x, index)
    return gradient


def gradient_descent(
    f: Callable[[Any], Any], init_x: NDArray[np.float64], lr: float = 0.01, step_num: int = 100
) -> NDArray[np.float64]:
    """The point reached from ``init_x`` by ``step_num`` steps of ``lr`` times the negative numerical gradient.

    Parameters
    ----------
    f : function of the array that returns one number.
    init_x : array of float64; it is not changed, while the book's function overwrites it.
    lr : learning rate.
    step_num : number of steps.

    Raises
    ------
    TypeError, ValueError : as in :func:`numerical_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from rashin.dialects.scratch import function_2, gradient_descent
    >>> gradient_descent(function_2, np.array([-3.0, 4.0]), lr=0.1, step_num=100)
    array([-6.11110793e-10,  8.14814391e-10])
    """
    _check_movable("init_x", init_x)
    start = init_x.copy()
    try:
        for _ in range(step_num):
            init_x -= lr * numerical_gradient(f, init_x)
        return init_x.copy()
    finally:
        init_x[...] = start


def _slope(f: Callable[[Any], Any], x: NDArray[np.float64], index: tuple[int, ...]) -> float:
    kept = x[index]
    try:
        x[index] = kept + _STEP
        above = _number(f(x))
        x[index] = kept - _STEP
        below = _number(f(x))
    finally:
        x[index] = kept
    return (above - below) / (2 * _STEP)


def _check_movable(name: str, x: Any) -> None:
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        got = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
        expected = "a NumPy array of float64, which can be moved by 1e-4"
        raise TypeError(f"{name}: got {got}; expected {expected}; fix: np.array({name}, dtype=float)")
    if not x.flags.writeable:
        raise ValueError(f"{name}: got a read-only array; expected one whose entries can be moved; fix: {name}.copy()")


def _number(value: Any) -> float:
    found = np.asarray(value)
    if found.size != 1 or found.dtype.kind not in "biuf":
        got = f"an array of shape {found.shape}" if found.ndim else repr(value)
        raise ValueError(f"f: got {got} as its value; expected one number; fix: return a sum or a mean, np.sum(...)")
    return float(found.reshape(()))
