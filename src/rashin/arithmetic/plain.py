"""The vocabulary of ``scalar`` for loops over float32, with exponentials and logarithms at half the cost.

Results of float32 keep 2^-52 of what is computed in double, so half an ULP of double is nothing they could show.
"""

from __future__ import annotations

from rashin.arithmetic.elementary import abs, exp_plain, expm1_plain, log1p_unit, sign, sqrt, tanh, where
from rashin.arithmetic.elementary import log1p_plain as log1p
from rashin.arithmetic.elementary import log_plain as log
from rashin.arithmetic.normal import erf, erfc, log_ndtr, ndtr
from rashin.arithmetic.scalar import (
    digamma,
    digamma_difference,
    lgamma,
    lgamma_difference,
    trigamma,
    trigamma_difference,
)
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

_LARGEST = 709.782712893384  # whose exponential is finite


@inline
def narrow() -> bool:
    """Elements are float32."""
    return True


@inline
def exp(x: float) -> float:
    """The exponential, <= 1.1 ULP; inf beyond 709.78, 0 below -708."""
    return where(x > _LARGEST, float("inf"), exp_plain(x))


@inline
def expm1(x: float) -> float:
    """``exp(x) - 1``, <= 1.7 ULP; inf beyond 709.78."""
    return where(x > _LARGEST, float("inf"), expm1_plain(x))


@inline
def float_power(x: float, y: float) -> float:
    """``x**y`` for x >= 0, to 2^-52 (2 + abs(y log(x))) of itself; zeros, ones, infinities and NaN as in ``scalar``."""
    return where((x == 1.0) | (y == 0.0), 1.0, exp(y * log(x)))
