"""The error function and the normal distribution inside compiled kernels, in the manner of ``elementary``.

Two series serve all four functions, which differ in what they add and multiply. Near 0 it is that of erf. Beyond,
with a = abs(x),

    erfc(a) = exp(-a^2) q(a),    ndtr(-a) = exp(-a^2/2) q(a / sqrt(2)) / 2,

where q falls slowly from 1 to 0. The square is carried as high + low, so the exponential loses no digit to it,
and the product is scaled by its power of two last: nothing underflows before the result does.
"""

from __future__ import annotations

from rashin.arithmetic import elementary
from rashin.arithmetic.elementary import (
    _exponential_parts,
    _fast_two_sum,
    _logarithm,
    _power_of_two,
    _scaled,
    _split,
    _two_sum,
    abs,
    fma,
    where,
)
from rashin.arithmetic.special import complement_series, error_series
from rashin.native.language import inline

__all__ = ["erf", "erfc", "log_ndtr", "ndtr"]

_ERF_SLOPE, _ERF_SLOPE_LOW = 1.1283791670955126, 1.533545961316588e-17  # 2 / sqrt(pi)
_DENSITY, _DENSITY_LOW = 0.3989422804014327, -2.4923272022777433e-17  # 1 / sqrt(2 pi)
_SQRT_HALF, _SQRT_HALF_LOW = 0.7071067811865476, -4.833646656726457e-17
_SQRT_EIGHTH = 0.3535533905932738
_NEAR, _NEAR_NORMAL = 0.5, 0.7  # where the series of erf serves


@inline
def _complement(a: float, a_low: float) -> tuple[float, float]:
    """``q(a + a_low) = exp(a^2) erfc(a)`` as high + low, for a >= 0."""
    p = complement_series(elementary, (a - 4.0) / (a + 4.0))
    h, h_low = _two_sum(1.0, 2.0 * a)
    inverse = 1.0 / h
    q = p * inverse
    return q, (fma(-q, h, p) - q * fma(2.0, a_low, h_low)) * inverse


@inline
def _tail(a: float, q: float, q_low: float, factor: float) -> float:
    """``exp(-factor a^2) (q + q_low)``, rounded once, for factor 1 or 1/2 and a <= 40."""
    square = a * a
    k, high, low = _exponential_parts(-factor * square, -factor * fma(a, a, -square))
    one, rest = _fast_two_sum(1.0, high)
    return _scaled(fma(one, q, fma(one, q_low, (rest + low) * q)), k)


@inline
def _erf_near(x: float) -> float:
    """erf on abs(x) <= 1/2."""
    w = x * x
    return fma(x, _ERF_SLOPE, x * fma(w, error_series(elementary, w), _ERF_SLOPE_LOW))


@inline
def _erfc_far(a: float) -> float:
    """erfc for a >= 0, where a double can tell it from 0; NaN for NaN."""
    a = where(a > 28.0, 28.0, a)
    q, q_low = _complement(a, 0.0)
    return _tail(a, q, q_low, 1.0)


@inline
def erf(x: float) -> float:
    """The error function, <= 1.45 ULP; <= 0.60 ULP where the result is subnormal."""
    a = abs(x)
    beyond = 1.0 - _erfc_far(a)
    return where(a < _NEAR, _erf_near(x), where(x < 0.0, -beyond, beyond))


@inline
def erfc(x: float) -> float:
    """``1 - erf(x)``, <= 2.00 ULP; <= 1.40 ULP where the result is subnormal."""
    a = abs(x)
    beyond = _erfc_far(a)
    return where(a < _NEAR, 1.0 - _erf_near(x), where(x < 0.0, 2.0 - beyond, beyond))


@inline
def _ndtr_near(x: float) -> float:
    """``ndtr(x) - 1/2`` on abs(x) <= 0.7."""
    w = 0.5 * x * x
    return fma(x, _DENSITY, x * fma(w * _SQRT_EIGHTH, error_series(elementary, w), _DENSITY_LOW))


@inline
def _complement_normal(a: float) -> tuple[float, float]:
    """``q(a / sqrt(2)) / 2`` as high + low."""
    u = a * _SQRT_HALF
    q, q_low = _complement(u, fma(a, _SQRT_HALF_LOW, fma(a, _SQRT_HALF, -u)))
    return 0.5 * q, 0.5 * q_low


@inline
def ndtr(x: float) -> float:
    """The normal distribution function, <= 2.10 ULP; <= 1.40 ULP where the result is subnormal."""
    a = abs(x)
    a = where(a > 40.0, 40.0, a)
    q, q_low = _complement_normal(a)
    beyond = _tail(a, q, q_low, 0.5)
    return where(a < _NEAR_NORMAL, 0.5 + _ndtr_near(x), where(x < 0.0, beyond, 1.0 - beyond))


@inline
def log_ndtr(x: float) -> float:
    """The logarithm of ``ndtr``, <= 2.80 ULP; <= 1.40 ULP where the result is subnormal.

    Far below 0 it is -x^2/2 + log(q/2), two negative numbers. Elsewhere it is the logarithm of ndtr given as high +
    low: 1/2 and the series, or 1 and the tail, which is the result where no digit of it meets the 1.
    """
    a = abs(x)
    near, below = a < _NEAR_NORMAL, x < 0.0
    q, q_low = _complement_normal(where(a > 1e150, 1e150, a))  # beyond, only the square counts
    tail = _tail(where(a > 40.0, 40.0, a), q, q_low, 0.5)
    whole, rest = _two_sum(where(near, 0.5, 1.0), where(near, _ndtr_near(where(near, x, 0.0)), -tail))
    far = where(near, False, below)
    whole, rest = where(far, q, whole), where(far, q_low, rest)
    k, m = _split(whole)
    f, f_low = _fast_two_sum(m - 1.0, rest * _power_of_two(-k))
    logarithm = _logarithm(k, f, f_low)
    return where(far, fma(-0.5 * x, x, logarithm), where(tail < 2.0**-54, -tail, logarithm))
