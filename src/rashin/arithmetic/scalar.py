"""The vocabulary of formulas in compiled loops over float64: from ``elementary``, ``normal`` and ``gamma``.

A formula ``f(xp, z, t)`` is written once. Inside a kernel ``xp`` is this module and the arguments are float64
scalars; for arrays and tensors it is one of this module's neighbours. The vocabulary means the same in all of them:

    abs, sign, where, sqrt, exp, expm1, log, log1p, log1p_unit, tanh, float_power, erf, erfc, ndtr, log_ndtr,
    lgamma, digamma, trigamma, lgamma_difference, digamma_difference, trigamma_difference

and ``narrow()``, whether elements are narrower than the arithmetic, so that no difference of two of them overflows.
"""

from __future__ import annotations

from rashin.arithmetic import elementary, gamma
from rashin.arithmetic.elementary import (
    abs,
    exp,
    expm1,
    float_power,
    log,
    log1p,
    log1p_unit,
    sign,
    sqrt,
    tanh,
    where,
)
from rashin.arithmetic.normal import erf, erfc, log_ndtr, ndtr
from rashin.native.language import inline

__all__ = [
    "abs",
    "digamma",
    "digamma_difference",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "float_power",
    "lgamma",
    "lgamma_difference",
    "log",
    "log1p",
    "log1p_unit",
    "log_ndtr",
    "narrow",
    "ndtr",
    "sign",
    "sqrt",
    "tanh",
    "trigamma",
    "trigamma_difference",
    "where",
]


@inline
def narrow() -> bool:
    """Elements are doubles, as the arithmetic is."""
    return False


@inline
def lgamma(x: float) -> float:
    """The logarithm of the gamma function for x > 0, <= 1.75 ULP, also near its zeros; NaN for x < 0."""
    return gamma.lgamma(elementary, x)


@inline
def digamma(x: float) -> float:
    """The derivative of ``lgamma`` for x > 0, <= 4.50 ULP, also near its zero; NaN for x < 0."""
    return gamma.digamma(elementary, x)


@inline
def trigamma(x: float) -> float:
    """The derivative of ``digamma`` for x > 0, <= 3.00 ULP; NaN for x < 0."""
    return gamma.trigamma(elementary, x)


@inline
def lgamma_difference(x: float, k: float) -> float:
    """``lgamma(x + k) - lgamma(k)`` for x >= 0 and k > 0, <= 5.00 ULP; for k < 8 of the larger of that and of the same
    for k + 8, since some x and k have the difference 0. Nothing is lost where x is small beside k.
    """
    return gamma.lgamma_difference(elementary, x, k)


@inline
def digamma_difference(x: float, k: float) -> float:
    """``digamma(x + k) - digamma(k)`` for x >= 0 and k > 0, <= 3.00 ULP where x and k are normal numbers."""
    return gamma.digamma_difference(elementary, x, k)


@inline
def trigamma_difference(x: float, k: float) -> float:
    """``trigamma(x + k) - trigamma(k)`` for x >= 0 and k > 0, <= 4.50 ULP where x and k are normal numbers."""
    return gamma.trigamma_difference(elementary, x, k)
