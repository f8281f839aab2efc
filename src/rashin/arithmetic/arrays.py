"""The vocabulary on arrays of doubles, with the bits of ``scalar``; for whole rows ``sum, max, concat, iterate``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import abs, max, sign, sqrt, sum, where
from numpy import concatenate as concat

from rashin.arithmetic import scalar
from rashin.native.kernel import DOUBLE, Kernel, kernel

__all__ = [
    "MOST",
    "abs",
    "concat",
    "digamma",
    "digamma_difference",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "float_power",
    "iterate",
    "lgamma",
    "lgamma_difference",
    "log",
    "log1p",
    "log1p_unit",
    "log_ndtr",
    "max",
    "narrow",
    "ndtr",
    "sign",
    "sqrt",
    "sum",
    "tanh",
    "trigamma",
    "trigamma_difference",
    "where",
]

MOST = 100  # steps of an iteration


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _exp(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.exp(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _expm1(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.expm1(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _log(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.log(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _log1p(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.log1p(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _tanh(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.tanh(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _erf(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.erf(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _erfc(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.erfc(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _ndtr(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.ndtr(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _log_ndtr(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.log_ndtr(x[i])


@kernel("f8[:] f8[:] f8[:]", elements=(DOUBLE,))
def _float_power(x: Any, y: Any, power: Any) -> None:
    for i in range(x.size):
        power[i] = scalar.float_power(x[i], y[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _lgamma(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.lgamma(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _digamma(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.digamma(x[i])


@kernel("f8[:] f8[:]", elements=(DOUBLE,))
def _trigamma(x: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = scalar.trigamma(x[i])


@kernel("f8[:] f8[:] f8[:]", elements=(DOUBLE,))
def _lgamma_difference(x: Any, k: Any, difference: Any) -> None:
    for i in range(x.size):
        difference[i] = scalar.lgamma_difference(x[i], k[i])


@kernel("f8[:] f8[:] f8[:]", elements=(DOUBLE,))
def _digamma_difference(x: Any, k: Any, difference: Any) -> None:
    for i in range(x.size):
        difference[i] = scalar.digamma_difference(x[i], k[i])


@kernel("f8[:] f8[:] f8[:]", elements=(DOUBLE,))
def _trigamma_difference(x: Any, k: Any, difference: Any) -> None:
    for i in range(x.size):
        difference[i] = scalar.trigamma_difference(x[i], k[i])


def _on_arrays(made: Kernel, *given: Any) -> Any:
    """The kernel on doubles of any shape, broadcast to a common one."""
    inputs = [np.require(x, np.float64, ["C", "A"]) for x in np.broadcast_arrays(*given)]
    shape = np.broadcast_shapes(*(np.shape(x) for x in given))
    result = np.empty(shape)
    made(DOUBLE)(*(x.reshape(-1) for x in inputs), result.reshape(-1))
    return result if shape else result[()]


def narrow() -> bool:
    """Elements are doubles."""
    return False


def exp(x: Any) -> Any:
    """The exponential."""
    return _on_arrays(_exp, x)


def expm1(x: Any) -> Any:
    """``exp(x) - 1``."""
    return _on_arrays(_expm1, x)


def log(x: Any) -> Any:
    """The natural logarithm."""
    return _on_arrays(_log, x)


def log1p(x: Any) -> Any:
    """``log(1 + x)``."""
    return _on_arrays(_log1p, x)


log1p_unit = log1p  # for arrays, nothing is gained by what the shorter one leaves out


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return _on_arrays(_tanh, x)


def float_power(x: Any, y: Any) -> Any:
    """``x**y`` for x >= 0."""
    return _on_arrays(_float_power, x, y)


def erf(x: Any) -> Any:
    """The error function."""
    return _on_arrays(_erf, x)


def erfc(x: Any) -> Any:
    """``1 - erf(x)``."""
    return _on_arrays(_erfc, x)


def ndtr(x: Any) -> Any:
    """The normal distribution function."""
    return _on_arrays(_ndtr, x)


def log_ndtr(x: Any) -> Any:
    """The logarithm of ``ndtr``."""
    return _on_arrays(_log_ndtr, x)


def lgamma(x: Any) -> Any:
    """The logarithm of the gamma function for x > 0."""
    return _on_arrays(_lgamma, x)


def digamma(x: Any) -> Any:
    """The derivative of ``lgamma`` for x > 0."""
    return _on_arrays(_digamma, x)


def trigamma(x: Any) -> Any:
    """The derivative of ``digamma`` for x > 0."""
    return _on_arrays(_trigamma, x)


def lgamma_difference(x: Any, k: Any) -> Any:
    """``lgamma(x + k) - lgamma(k)`` for x >= 0 and k > 0."""
    return _on_arrays(_lgamma_difference, x, k)


def digamma_difference(x: Any, k: Any) -> Any:
    """``digamma(x + k) - digamma(k)`` for x >= 0 and k > 0."""
    return _on_arrays(_digamma_difference, x, k)


def trigamma_difference(x: Any, k: Any) -> Any:
    """``trigamma(x + k) - trigamma(k)`` for x >= 0 and k > 0."""
    return _on_arrays(_trigamma_difference, x, k)


def iterate(step: Callable[[Any], Any], x: Any) -> Any:
    """x, step(x), step(step(x)) and so on, until nothing changes; NaN is no change, and after 100 steps it ends."""
    for _ in range(MOST):
        before, x = x, step(x)
        if not ((x != before) & (x == x)).any():
            break
    return x
