"""The gamma function's logarithm and its derivatives for x > 0, and what they gain from k to k + x.

One text for compiled loops and for arrays: besides the elementary words, ``xp`` has ``fma``, which on tensors rounds
twice, and ``logarithm_parts``, whose low part is 0 on tensors. Below 0, where no loss needs them, all are NaN.

``lgamma(x + k) - lgamma(k)`` and its like lose as many digits as k is longer than x: at k = 1e6 and x = 1 all of
float32. Here the differences are taken in the formulas, by hand.
"""

from __future__ import annotations

from typing import Any

from rashin.native.language import inline

__all__ = ["digamma", "digamma_difference", "lgamma", "lgamma_difference", "trigamma", "trigamma_difference"]

_INFINITY, _NAN = float("inf"), float("nan")

# --- series ---------------------------------------------------------------------------------------
#
# From 8 on (the first from 7.5) those of Stirling, with u = 1/x and w = u^2:
#
#     lgamma(x) = (x - 1/2) (log(x) - 1) + (log(2 pi) - 1) / 2 + u S(w)
#     digamma(x) = log(x) - u/2 - w T(w)
#     trigamma(x) = u + w/2 + u w U(w)
#
# S, T and U are Chebyshev interpolants of degree 6 on w <= 1/56.25 or 1/64 (mpmath.chebyfit). Of each, a difference
# quotient is computed beside the value, so that no difference of values need be taken.
#
# lgamma(2 + d) = d (1 - gamma + d G(d)) with Euler's gamma, and G of degree 17 on abs(d) <= 1/2.
# digamma(x) = (x - root) D(x - 3/2) with the root of digamma, and D of degree 22 on 1 <= x <= 2.

_SLOPE, _SLOPE_LOW = 0.42278433509846713, 4.942915152430645e-18  # 1 - gamma
_ROOT, _ROOT_MIDDLE, _ROOT_LOW = (
    1.4616321325302124,
    1.2438149843418955e-08,
    9.549995429965697e-17,
)  # the first of float32
_CONSTANT = 0.4189385332046727  # (log(2 pi) - 1) / 2


@inline
def _stirling(xp: Any, w: Any, to: Any) -> tuple[Any, Any]:
    """S(w), and ``(S(to) - S(w)) / (to - w)``."""
    p, slope = xp.fma(w, 0.004915438477086982, -0.001883462005502802), 0.004915438477086982
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, 0.000841351480772293)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, -0.0005952356552865964)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, 0.0007936507864954393)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, -0.0027777777777698684)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, 0.08333333333333333)
    return p, slope


@inline
def _digamma_tail(xp: Any, w: Any, to: Any) -> tuple[Any, Any]:
    """T(w), and ``(T(to) - T(w)) / (to - w)``."""
    p, slope = xp.fma(w, 0.06362150587634356, -0.020697987372370493), 0.06362150587634356
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, 0.007571689620283902)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, -0.0041666448230497)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, 0.0039682539119537084)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, -0.008333333333278636)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, 0.08333333333333333)
    return p, slope


@inline
def _trigamma_tail(xp: Any, w: Any, to: Any) -> tuple[Any, Any]:
    """U(w), and ``(U(to) - U(w)) / (to - w)``."""
    p, slope = xp.fma(w, 0.8586880107331692, -0.24699740954161503), 0.8586880107331692
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, 0.07569481310235808)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, -0.03333299706371194)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, 0.023809522943893217)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, -0.03333333333249287)
    slope, p = xp.fma(slope, to, p), xp.fma(p, w, 0.16666666666666655)
    return p, slope


@inline
def _lgamma_series(xp: Any, d: Any) -> Any:
    """G(d)."""
    p = xp.fma(d, -1.3029870239068415e-07, 2.7475390051909663e-07)
    p = xp.fma(p, d, -4.3454173670260496e-07)
    p = xp.fma(p, d, 9.242852225162277e-07)
    p = xp.fma(p, d, -2.043022895180944e-06)
    p = xp.fma(p, d, 4.3828545383846665e-06)
    p = xp.fma(p, d, -9.43891959627718e-06)
    p = xp.fma(p, d, 2.050601970174762e-05)
    p = xp.fma(p, d, -4.492628637818162e-05)
    p = xp.fma(p, d, 9.945761692157133e-05)
    p = xp.fma(p, d, -0.00022315475602710603)
    p = xp.fma(p, d, 0.0005096695196526673)
    p = xp.fma(p, d, -0.00119275391176255)
    p = xp.fma(p, d, 0.002890510330865901)
    p = xp.fma(p, d, -0.007385551028673429)
    p = xp.fma(p, d, 0.02058080842778338)
    p = xp.fma(p, d, -0.0673523010531981)
    return xp.fma(p, d, 0.3224670334241132)


@inline
def _digamma_series(xp: Any, d: Any) -> Any:
    """D(d)."""
    p = xp.fma(d, 0.00011881232908510335, -0.0001782188548855923)
    p = xp.fma(p, d, 9.653646261410062e-05)
    p = xp.fma(p, d, -0.00014480643368061614)
    p = xp.fma(p, d, 0.00032395945401345196)
    p = xp.fma(p, d, -0.00048595039220036254)
    p = xp.fma(p, d, 0.0006909255761282986)
    p = xp.fma(p, d, -0.0010364584817312839)
    p = xp.fma(p, d, 0.0015633696313653504)
    p = xp.fma(p, d, -0.0023454947397380833)
    p = xp.fma(p, d, 0.003518106563802472)
    p = xp.fma(p, d, -0.005279937255532708)
    p = xp.fma(p, d, 0.007927021796868154)
    p = xp.fma(p, d, -0.011908220105959716)
    p = xp.fma(p, d, 0.017907248317313294)
    p = xp.fma(p, d, -0.026975796659787055)
    p = xp.fma(p, d, 0.040760833940846085)
    p = xp.fma(p, d, -0.06192213327548831)
    p = xp.fma(p, d, 0.09498872445289039)
    p = xp.fma(p, d, -0.14840492305388092)
    p = xp.fma(p, d, 0.24054248424078697)
    p = xp.fma(p, d, -0.4236274212814606)
    return xp.fma(p, d, 0.9510558760318328)


# --- the functions --------------------------------------------------------------------------------


@inline
def _positive(xp: Any, x: Any, at_zero: float, result: Any) -> Any:
    return xp.where(x > 0.0, result, xp.where(x == 0.0, at_zero, _NAN))


@inline
def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """``a + b`` exactly, as ``high + low``."""
    high = a + b
    shadow = high - a
    return high, (a - (high - shadow)) + (b - shadow)


@inline
def _down(xp: Any, limit: float, y: Any, product: Any, sum_: Any) -> tuple[Any, Any, Any]:
    """A step from y to y - 1, unless it is below the limit, with the product of these and the sum of reciprocals.

    The sum is ``sum_ / product``.
    """
    above = y >= limit
    below = y - 1.0
    sum_ = xp.where(above, xp.fma(sum_, below, product), sum_)
    return xp.where(above, below, y), xp.where(above, product * below, product), sum_


@inline
def lgamma(xp: Any, x: Any) -> Any:
    """The logarithm of the gamma function; below 7.5, steps lead to the series around 2."""
    large, middle, small = x >= 7.5, x >= 1.5, x < 0.5
    y, product, _ = _down(xp, 2.5, xp.where(large, 2.0, x), 1.0, 0.0)
    y, product, _ = _down(xp, 2.5, y, product, 0.0)
    y, product, _ = _down(xp, 2.5, y, product, 0.0)
    y, product, _ = _down(xp, 2.5, y, product, 0.0)
    y, product, _ = _down(xp, 2.5, y, product, 0.0)
    d = xp.where(middle, y - 2.0, xp.where(small, x, x - 1.0))
    product = xp.where(middle, product, xp.where(small, xp.fma(x, x, x), x))
    logarithm, low = xp.logarithm_parts(xp.where(large, x, product))
    sign, first = xp.where(middle, 1.0, -1.0), d * _SLOPE
    near, rest = _two_sum(sign * logarithm, first)  # they cancel in part between 1 and 1.5
    rest = rest + xp.fma(sign, low, xp.fma(d, _SLOPE, -first))
    near = near + xp.fma(d, xp.fma(d, _lgamma_series(xp, d), _SLOPE_LOW), rest)
    u = 1.0 / x
    s, _ = _stirling(xp, u * u, 0.0)
    half = x - 0.5
    far = xp.fma(half, logarithm - 1.0, xp.fma(half, low, xp.fma(u, s, _CONSTANT)))
    return _positive(xp, x, _INFINITY, xp.where(large, xp.where(x < _INFINITY, far, x), near))


@inline
def digamma(xp: Any, x: Any) -> Any:
    """The derivative of ``lgamma``; below 8, steps lead to the series between 1 and 2."""
    large, small = x >= 8.0, x < 1.0
    y, product, total = _down(xp, 2.0, xp.where(large, 1.0, x), 1.0, 0.0)
    y, product, total = _down(xp, 2.0, y, product, total)
    y, product, total = _down(xp, 2.0, y, product, total)
    y, product, total = _down(xp, 2.0, y, product, total)
    y, product, total = _down(xp, 2.0, y, product, total)
    y, product, total = _down(xp, 2.0, y, product, total)
    y = xp.where(small, x + 1.0, y)
    near = (((y - _ROOT) - _ROOT_MIDDLE) - _ROOT_LOW) * _digamma_series(xp, y - 1.5)
    near = near + xp.where(small, -1.0, total) / xp.where(small, x, product)
    u = 1.0 / x
    w = u * u
    t, _ = _digamma_tail(xp, w, 0.0)
    return _positive(xp, x, -_INFINITY, xp.where(large, xp.log(x) - xp.fma(w, t, 0.5 * u), near))


@inline
def _squared_reciprocal(x: Any) -> Any:
    r = 1.0 / x
    return r * r


@inline
def trigamma(xp: Any, x: Any) -> Any:
    """The derivative of ``digamma``; below 8, from x + 8."""
    large = x >= 8.0
    u = 1.0 / xp.where(large, x, x + 8.0)
    w = u * u
    t, _ = _trigamma_tail(xp, w, 0.0)
    far = u + w * xp.fma(u, t, 0.5)
    steps = (_squared_reciprocal(x + 4.0) + _squared_reciprocal(x + 5.0)) + (
        _squared_reciprocal(x + 6.0) + _squared_reciprocal(x + 7.0)
    )
    steps = _squared_reciprocal(x + 1.0) + (_squared_reciprocal(x + 2.0) + (_squared_reciprocal(x + 3.0) + steps))
    return _positive(xp, x, _INFINITY, xp.where(large, far, _squared_reciprocal(x) + (steps + far)))


# --- the differences ------------------------------------------------------------------------------
#
# With a = x + k, u = 1/a and v = 1/k, a difference of powers of u and v is (u - v) times a sum, and u - v is -x u v.
# k below 8 is first raised by 8, and the eight steps are taken back.


@inline
def _part(xp: Any, x: Any, u: Any) -> Any:
    """``x / (x + k)`` for u = 1 / (x + k), and 1 at infinity."""
    return xp.where(x < _INFINITY, x * u, 1.0)


@inline
def _factors(xp: Any, x: Any, k: Any) -> tuple[Any, Any]:
    """Products over the 7 steps from k + 1 on: of ``1 + x/k``, minus 1, and of k."""
    gain, product = x / (k + 1.0), k + 1.0
    gain, product = xp.fma(x / (k + 2.0), 1.0 + gain, gain), product * (k + 2.0)
    gain, product = xp.fma(x / (k + 3.0), 1.0 + gain, gain), product * (k + 3.0)
    gain, product = xp.fma(x / (k + 4.0), 1.0 + gain, gain), product * (k + 4.0)
    gain, product = xp.fma(x / (k + 5.0), 1.0 + gain, gain), product * (k + 5.0)
    gain, product = xp.fma(x / (k + 6.0), 1.0 + gain, gain), product * (k + 6.0)
    return xp.fma(x / (k + 7.0), 1.0 + gain, gain), product * (k + 7.0)


@inline
def _logarithm_of_steps(xp: Any, x: Any, k: Any, u: Any, logarithm: Any) -> Any:
    """The logarithm of the product over the 8 steps from k on of ``1 + x/k``, for k < 8; u is 1 / (x + k + 8).

    Where x is large, each factor is taken by x + k + 8, of which ``logarithm`` is known. Where x/k may be too large, k
    is taken by 2^96.
    """
    far, steep = x >= 16.0, x > k * 2.0**60
    near_x = xp.where(far, 1.0, x)
    gain, product = _factors(xp, near_x, k)
    a = x + k
    shares = (a * u) * ((a + 1.0) * u) * (((a + 2.0) * u) * ((a + 3.0) * u))
    shares = shares * ((((a + 4.0) * u) * ((a + 5.0) * u)) * (((a + 6.0) * u) * ((a + 7.0) * u)))
    raised = xp.where(steep, k * 2.0**96, k)
    ratio = xp.where(far, shares / product, near_x * (1.0 + gain)) / raised
    ratio = xp.log(ratio) + xp.where(steep, _LOG_2_96, 0.0)
    gentle = xp.log1p(xp.fma(near_x / k, 1.0 + gain, gain))
    return xp.where(far, xp.fma(8.0, logarithm, ratio), xp.where(steep, ratio, gentle))


_LOG_2_96 = 66.54212933375474  # 96 log(2)


@inline
def lgamma_difference(xp: Any, x: Any, k: Any) -> Any:
    """``lgamma(x + k) - lgamma(k)`` for x >= 0 and k > 0."""
    small = k < 8.0
    raised = xp.where(small, k + 8.0, k)
    a = x + raised
    u, v = 1.0 / a, 1.0 / raised
    logarithm = xp.log(a)
    ratio = x / raised
    first = xp.where(x < raised * 2.0**-54, xp.fma(-0.5, ratio, x), (raised - 0.5) * xp.log1p(ratio))
    s, slope = _stirling(xp, v * v, u * u)
    gained = first - _part(xp, x, u) * v * xp.fma(u * (u + v), slope, s)
    whole = xp.fma(x, logarithm - 1.0, gained)
    steps = _logarithm_of_steps(xp, x, k, u, logarithm)
    result = xp.where(small, whole - steps, whole)
    result = xp.where(x == 0.0, 0.0, xp.where(x < _INFINITY, result, x))
    return _positive(xp, k, -_INFINITY, xp.where(x >= 0.0, result, _NAN))


@inline
def _digamma_step(xp: Any, x: Any, k: Any) -> Any:
    """``1/k - 1/(x + k)``."""
    return _part(xp, x, 1.0 / (x + k)) / k


@inline
def digamma_difference(xp: Any, x: Any, k: Any) -> Any:
    """``digamma(x + k) - digamma(k)`` for x >= 0 and k > 0."""
    small = k < 8.0
    raised = xp.where(small, k + 8.0, k)
    u, v = 1.0 / (x + raised), 1.0 / raised
    t, slope = _digamma_tail(xp, v * v, u * u)
    gained = _part(xp, x, u) * v * xp.fma(u + v, xp.fma(u * u, slope, t), 0.5)
    whole = xp.log1p(x / raised) + gained
    steps = (_digamma_step(xp, x, k + 4.0) + _digamma_step(xp, x, k + 5.0)) + (
        _digamma_step(xp, x, k + 6.0) + _digamma_step(xp, x, k + 7.0)
    )
    steps = _digamma_step(xp, x, k + 1.0) + (_digamma_step(xp, x, k + 2.0) + (_digamma_step(xp, x, k + 3.0) + steps))
    result = xp.where(small, _digamma_step(xp, x, k) + (steps + whole), whole)
    return _positive(xp, k, _INFINITY, xp.where(x > 0.0, result, xp.where(x == 0.0, 0.0, _NAN)))


@inline
def _trigamma_step(xp: Any, x: Any, k: Any) -> Any:
    """``1/k^2 - 1/(x + k)^2``."""
    u, v = 1.0 / (x + k), 1.0 / k
    return _part(xp, x, u) * v * (u + v)


@inline
def trigamma_difference(xp: Any, x: Any, k: Any) -> Any:
    """``trigamma(x + k) - trigamma(k)`` for x >= 0 and k > 0."""
    small = k < 8.0
    raised = xp.where(small, k + 8.0, k)
    u, v = 1.0 / (x + raised), 1.0 / raised
    t, slope = _trigamma_tail(xp, v * v, u * u)
    cubes = xp.fma(u * u * u * (u + v), slope, (u * u + v * (u + v)) * t)
    whole = _part(xp, x, u) * v * (1.0 + xp.fma(0.5, u + v, cubes))
    steps = (_trigamma_step(xp, x, k + 4.0) + _trigamma_step(xp, x, k + 5.0)) + (
        _trigamma_step(xp, x, k + 6.0) + _trigamma_step(xp, x, k + 7.0)
    )
    steps = _trigamma_step(xp, x, k + 1.0) + (_trigamma_step(xp, x, k + 2.0) + (_trigamma_step(xp, x, k + 3.0) + steps))
    result = xp.where(small, _trigamma_step(xp, x, k) + (steps + whole), whole)
    return _positive(xp, k, -_INFINITY, xp.where(x > 0.0, -result, xp.where(x == 0.0, 0.0, _NAN)))
