"""Special functions in the words of an arithmetic, which may be that of any array library.

Besides the elementary words, ``xp`` has ``fma``, which on tensors rounds twice, and on tensors ``round``. Compiled
loops have the error function and the normal distribution from ``normal``, with low parts and so with half the error.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from rashin.arithmetic import gamma
from rashin.native.language import inline

__all__ = ["complement_series", "erf", "erfc", "error_series", "log_ndtr", "ndtr", "with_special_functions"]


def with_special_functions(words: SimpleNamespace, array: Callable[[Any], Any]) -> SimpleNamespace:
    """The words of a library's arrays, and the functions of this file in them; ``array`` makes arrays of numbers."""

    def taking_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *x: function(words, *map(array, x))

    words.fma = lambda a, b, c: a * b + c
    words.logarithm_parts = lambda x: (words.log(x), 0.0)
    for function in (erf, erfc, ndtr, log_ndtr, *(getattr(gamma, name) for name in gamma.__all__)):
        setattr(words, function.__name__, taking_numbers(function))
    return words


# --- the error function ---------------------------------------------------------------------------
#
# erf(x) = x (2/sqrt(pi) + w E(w)) with w = x^2. E is the Chebyshev interpolant of degree 8 on w <= 0.26
# (mpmath.chebyfit); its truncation costs 0.02 ULP.
#
# (1 + 2 a) exp(a^2) erfc(a) lies between 1 and 1.24 for all a >= 0, and is a smooth function of
# t = (a - 4) / (a + 4) up to a = inf, where t = 1 (Shepherd & Laframboise 1981, "Chebyshev approximation of
# (1 + 2x) exp(x^2) erfc x in 0 <= x < inf"). Its Chebyshev interpolant of degree 25 is wrong by 2^-59.


@inline
def error_series(xp: Any, w: Any) -> Any:
    """E(w)."""
    p = xp.fma(w, -1.4727738918238447e-07, 1.638374071765896e-06)
    p = xp.fma(p, w, -1.492360883364011e-05)
    p = xp.fma(p, w, 0.00012055301867796097)
    p = xp.fma(p, w, -0.0008548326744347476)
    p = xp.fma(p, w, 0.005223977624034139)
    p = xp.fma(p, w, -0.02686617064509564)
    p = xp.fma(p, w, 0.11283791670955091)
    return xp.fma(p, w, -0.37612638903183754)


@inline
def complement_series(xp: Any, t: Any) -> Any:
    """``(1 + 2 a) exp(a^2) erfc(a)`` for t = (a - 4) / (a + 4)."""
    p = xp.fma(t, -1.4311318470928162e-10, -2.655726616312575e-10)
    p = xp.fma(p, t, 1.825695118953907e-09)
    p = xp.fma(p, t, 3.1672611119361695e-09)
    p = xp.fma(p, t, -1.4806988146925795e-08)
    p = xp.fma(p, t, -2.05545313698593e-08)
    p = xp.fma(p, t, 1.1025271999000152e-07)
    p = xp.fma(p, t, 7.74606863568198e-08)
    p = xp.fma(p, t, -8.25078338681245e-07)
    p = xp.fma(p, t, 2.9198219084548256e-07)
    p = xp.fma(p, t, 5.709314113532492e-06)
    p = xp.fma(p, t, -1.1221292615314274e-05)
    p = xp.fma(p, t, -2.43989944557621e-05)
    p = xp.fma(p, t, 0.00015062149237837335)
    p = xp.fma(p, t, -0.00019925676026410458)
    p = xp.fma(p, t, -0.000757773262030915)
    p = xp.fma(p, t, 0.0050319699895242515)
    p = xp.fma(p, t, -0.01619773405968329)
    p = xp.fma(p, t, 0.03716751553632399)
    p = xp.fma(p, t, -0.06633036581219905)
    p = xp.fma(p, t, 0.0937328349984105)
    p = xp.fma(p, t, -0.1010390660362999)
    p = xp.fma(p, t, 0.0680970542546913)
    p = xp.fma(p, t, 0.01537965210261959)
    p = xp.fma(p, t, -0.1396211168405625)
    return xp.fma(p, t, 1.2329951186255526)


_ERF_SLOPE, _DENSITY = 1.1283791670955126, 0.3989422804014327  # 2 / sqrt(pi), 1 / sqrt(2 pi)
_SQRT_HALF, _SQRT_EIGHTH = 0.7071067811865476, 0.3535533905932738
_LN2 = 0.6931471805599453


def _complement(xp: Any, a: Any) -> Any:
    """``exp(a^2) erfc(a)`` for a >= 0."""
    return complement_series(xp, (a - 4.0) / (a + 4.0)) / (1.0 + 2.0 * a)


def _bell(xp: Any, a: Any, factor: float) -> Any:
    """``exp(-factor a^2)``, a^2 to the last digit: a is h, of so few digits that its square is exact, and the rest."""
    h = xp.round(8.0 * a) * 0.125
    return xp.exp(-factor * h * h) * xp.exp(-factor * (a - h) * (a + h))


def _erfc_far(xp: Any, a: Any) -> Any:
    a = xp.where(a > 28.0, 28.0, a)
    return _bell(xp, a, 1.0) * _complement(xp, a)


def _near(xp: Any, x: Any, near: Any) -> Any:
    """x, and 0 where its series are not needed."""
    return xp.where(near, x, 0.0)


def _erf_near(xp: Any, x: Any) -> Any:
    w = x * x
    return x * _ERF_SLOPE + x * w * error_series(xp, w)


def erf(xp: Any, x: Any) -> Any:
    """The error function."""
    near = xp.abs(x) < 0.5
    beyond = 1.0 - _erfc_far(xp, xp.abs(x))
    return xp.where(near, _erf_near(xp, _near(xp, x, near)), xp.where(x < 0.0, -beyond, beyond))


def erfc(xp: Any, x: Any) -> Any:
    """``1 - erf(x)``."""
    near = xp.abs(x) < 0.5
    beyond = _erfc_far(xp, xp.abs(x))
    return xp.where(near, 1.0 - _erf_near(xp, _near(xp, x, near)), xp.where(x < 0.0, 2.0 - beyond, beyond))


def _ndtr_near(xp: Any, x: Any) -> Any:
    """``ndtr(x) - 1/2`` on abs(x) <= 0.7."""
    w = 0.5 * x * x
    return x * _DENSITY + x * w * _SQRT_EIGHTH * error_series(xp, w)


def _ndtr_far(xp: Any, a: Any) -> Any:
    """``ndtr(-a)``."""
    a = xp.where(a > 40.0, 40.0, a)
    return _bell(xp, a, 0.5) * (0.5 * _complement(xp, a * _SQRT_HALF))


def ndtr(xp: Any, x: Any) -> Any:
    """The normal distribution function."""
    near = xp.abs(x) < 0.7
    beyond = _ndtr_far(xp, xp.abs(x))
    return xp.where(near, 0.5 + _ndtr_near(xp, _near(xp, x, near)), xp.where(x < 0.0, beyond, 1.0 - beyond))


def log_ndtr(xp: Any, x: Any) -> Any:
    """The logarithm of ``ndtr``."""
    a = xp.abs(x)
    near = a < 0.7
    q = 0.5 * _complement(xp, xp.where(a > 1e15, 1e15, a) * _SQRT_HALF)  # beyond, only the square counts
    tail = xp.log1p(xp.where(near, 2.0 * _ndtr_near(xp, _near(xp, x, near)), -_ndtr_far(xp, a)))
    return xp.where(near, tail - _LN2, xp.where(x < 0.0, xp.log(q) - 0.5 * x * x, tail))
