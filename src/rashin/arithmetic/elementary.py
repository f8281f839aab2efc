"""Elementary functions inside compiled kernels: branch-free, vectorisable, with error bounds.

Why not the mathematical library of the platform: a call per element cannot be vectorised (5 to 12 ns instead
of 1 to 4), and its error differs from machine to machine. Here every function is a straight line of
additions, multiplications, fused multiply-adds (FMA), selects and integer operations on the bits. LLVM turns
a loop over it into packed instructions, and the bits of a result are the same on every machine and at every
place in a loop. Processors without FMA (x86 before 2013) get the same bits from a slow emulation.

The bounds in the docstrings are in units of the last place (ULP) of the exact result, subnormal ones
included, and hold over all of float64; ``tests/test_scalar.py`` measures them against mpmath and keeps the
worst points known. Rounding alone costs half a unit. To come near it, every term that is not small relative to
the result is carried as an unevaluated sum ``high + low`` of two doubles (Dekker 1971, "A floating-point
technique for extending the available precision"; Ogita, Rump & Oishi 2005, "Accurate sum and dot product");
only the tail of a series, about a hundredth of the result, is computed in plain double.

Three conventions follow from vectorisation. There is no ``if`` on data: both sides of ``where`` are computed,
and special values (0, infinities, NaN) are selected at the end. There is no conversion between int64 and
float64, which AVX2 lacks: integers are read from and written to the bits of doubles near 1.5 * 2**52. There
is also no ``fastmath``, which would destroy the low parts.

What ends in ``_plain`` is a shorter variant, for losses of float32 (``plain`` gathers them). Its polynomials are
evaluated by halves (Estrin 1960, "Organization of computer systems"): a formula is a long chain of operations that wait
for each other, and the shorter chain takes 10 to 20 % less time (in double, with the low parts, 5 to 10 %).
"""

from __future__ import annotations

from typing import Any

from rashin.native.language import bits as _bits
from rashin.native.language import fma as _fma
from rashin.native.language import from_bits as _from_bits
from rashin.native.language import inline
from rashin.native.language import magnitude as _magnitude
from rashin.native.language import maximum as _maximum
from rashin.native.language import select as _select
from rashin.native.language import square_root as _square_root

__all__ = ["abs", "exp", "expm1", "float_power", "log", "log1p", "log1p_unit", "sign", "sqrt", "tanh", "where"]

# --- instructions ---------------------------------------------------------------------------------


@inline
def fma(a: float, b: float, c: float) -> float:
    """``a * b + c``, rounded once."""
    return _fma(a, b, c)


@inline
def maximum(a: float, b: float) -> float:
    """The larger of two, in float32 or float64, NaN if one of them is: unlike ``max`` it vectorises in a loop."""
    return _maximum(a, b)


@inline
def where(condition: Any, a: float, b: float) -> float:
    """``a`` where the condition, a comparison, holds, else ``b``; comparisons combine with ``&`` and ``|``."""
    return _select(condition, a, b)


@inline
def abs(x: float) -> float:
    """The absolute value, exact."""
    return _magnitude(x)


@inline
def sqrt(x: float) -> float:
    """The square root, correctly rounded: one instruction."""
    return _square_root(x)


@inline
def sign(x: float) -> float:
    """-1, 0 or 1; 0 for both zeros, NaN for NaN."""
    return where(x > 0.0, 1.0, where(x < 0.0, -1.0, where(x == 0.0, 0.0, x)))


# --- sums of two doubles, powers of two -----------------------------------------------------------

_INFINITY, _NAN = float("inf"), float("nan")
_ROUND = 1.5 * 2.0**52  # x + _ROUND is x rounded to an integer, which then stands in the low bits
_ROUND_BIASED = _ROUND + 1023.0  # here k + 1023, the exponent field of 2**k, stands in the low bits
_SIGN_BIT = -(1 << 63)
_MAGNITUDE_BITS = (1 << 63) - 1
_FRACTION_BITS = (1 << 52) - 1
_TWO_52_BITS = 0x433 << 52
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


@inline
def _fast_two_sum(a: float, b: float) -> tuple[float, float]:
    """``a + b`` exactly, as ``high + low``, for a = 0 or abs(a) >= abs(b) (Dekker 1971)."""
    high = a + b
    return high, (a - high) + b


@inline
def _two_sum(a: float, b: float) -> tuple[float, float]:
    """``a + b`` exactly, as ``high + low`` (Knuth 1969, The Art of Computer Programming, vol. 2, 4.2.2)."""
    high = a + b
    shadow = high - a
    return high, (a - (high - shadow)) + (b - shadow)


@inline
def _power_of_two(k: float) -> float:
    """``2**k`` for an integer -1022 <= k <= 1023."""
    return _from_bits(_bits(k + _ROUND_BIASED) << 52)


@inline
def _scaled(x: float, k: float) -> float:
    """``x * 2**k``, for -2044 <= k <= 2046; only the second of the two products can round."""
    half = fma(k, 0.5, _ROUND_BIASED)
    return x * _from_bits(_bits(half) << 52) * _power_of_two(k - (half - _ROUND_BIASED))


@inline
def _split(x: float) -> tuple[float, float]:
    """``k, m`` with x = 2**k * m and sqrt(1/2) <= m < sqrt(2), for a normal x > 0; else anything."""
    biased = _bits(x) + ((1023 << 52) - _SQRT_HALF_BITS)
    k = _from_bits(((biased >> 52) & 0xFFF) | _TWO_52_BITS) - (2.0**52 + 1023.0)
    return k, _from_bits((biased & _FRACTION_BITS) + _SQRT_HALF_BITS)


# --- exponentials ---------------------------------------------------------------------------------
#
# x = k ln 2 + r with an integer k and abs(r) <= ln(2)/2, so exp(x) = 2**k * exp(r). ln 2 is _LN2_HIGH +
# _LN2_LOW, the high part of 42 bits, so that its product with k is exact (Cody & Waite 1980, "Software Manual
# for the Elementary Functions"). exp(r) = 1 + r + r^2/2 + r^3 Q(r), the first three terms as high + low. Q is
# the Chebyshev interpolant of degree 9 of (exp(r) - 1 - r - r^2/2) / r^3 on abs(r) <= 0.34658
# (mpmath.chebyfit); its truncation costs 0.003 ULP, with degree 8 it would be 0.23 ULP.

_LOG2_E = 1.4426950408889634
_LN2_HIGH = float.fromhex("0x1.62e42fefa38p-1")
_LN2_LOW = float.fromhex("0x1.ef35793c7673p-45")


@inline
def _exponential_parts(x: float, x_low: float) -> tuple[float, float, float]:
    """``k, high, low`` with exp(x + x_low) = 2**k * (1 + high + low); low is the tail of the series."""
    k = fma(x, _LOG2_E, _ROUND) - _ROUND
    r, r_low = _fast_two_sum(fma(-k, _LN2_HIGH, x), fma(-k, _LN2_LOW, x_low))
    q = fma(2.091123100592285e-09, r, 2.5100377619606372e-08)
    q = fma(q, r, 2.75572829813734e-07)
    q = fma(q, r, 2.7557268476553695e-06)
    q = fma(q, r, 2.4801587317136892e-05)
    q = fma(q, r, 0.00019841269863042963)
    q = fma(q, r, 0.0013888888888886554)
    q = fma(q, r, 0.008333333333330063)
    q = fma(q, r, 0.041666666666666664)
    q = fma(q, r, 0.16666666666666669)
    q = q * r
    square = r * r
    high, low = _fast_two_sum(r, 0.5 * square)
    low = low + fma(fma(r, r, -square), 0.5 + q, fma(r_low, high, r_low))
    return k, high, fma(square, q, low)


@inline
def _exponential_minus_one(k: float, high: float, low: float) -> tuple[float, float]:
    """``2**k * (1 + high + low) - 1``, over 2**k, as high + low."""
    # 2**-k is below every digit of the result from k = 64 on.
    c, c_low = _two_sum(1.0, where(k < 64.0, -_power_of_two(-k), 0.0))
    top, rest = _fast_two_sum(c, high)  # c is 0 or larger than high
    return top, rest + (low + c_low)


@inline
def exp(x: float) -> float:
    """The exponential, <= 0.53 ULP; <= 0.77 ULP where the result is subnormal, since it is rounded twice."""
    x = where(x < -746.0, -746.0, where(x > 710.0, 710.0, x))  # beyond: 0 and inf, as at these ends
    k, high, low = _exponential_parts(x, 0.0)
    one, rest = _fast_two_sum(1.0, high)
    return _scaled(one + (rest + low), k)


@inline
def _exponential_plain(x: float, bias: float) -> tuple[float, float]:
    """``2**k, p`` with exp(x) = 2**k * (1 + p), for -709 <= x <= 709.78; 0 for 2**k where k is less than -1022.

    A ``bias`` of one less gives 2**(k - 1), which does not overflow.

    The reduction of Cody & Waite and the Chebyshev interpolant of degree 9 of (exp(r) - 1 - r) / r^2 on
    abs(r) <= 0.3467 (mpmath.chebyfit), with no low parts.
    """
    biased = fma(x, _LOG2_E, bias)  # k + 1023 stands in the low bits, the exponent field of 2**k
    minus_k = bias - biased
    r = fma(minus_k, _LN2_LOW, fma(minus_k, _LN2_HIGH, x))
    square = r * r
    fourth = square * square
    low = fma(fma(0.00833333333333005, r, 0.04166666666662399), square, fma(0.16666666666666669, r, 0.5))
    high = fma(
        fma(2.755726837868419e-06, r, 2.480152119021773e-05),
        square,
        fma(0.00019841269863105968, r, 0.0013888888917281794),
    )
    high = fma(fma(2.5100424157005067e-08, r, 2.7620138719733994e-07), fourth, high)
    q = fma(high, fourth, low)
    return _from_bits(_bits(biased) << 52), fma(q, square, r)


@inline
def exp_plain(x: float) -> float:
    """The exponential, <= 1.1 ULP, for x <= 709.78; 0 below -708.

    For losses of float32, whose results keep 2^-52 of it: 0.6 ns instead of 1.2. A total degree of 9 (2^-44) takes 0.5
    ns, and fails where soft targets cancel.
    """
    half_power, p = _exponential_plain(where(x < -708.4, -708.4, x), _ROUND_BIASED - 1.0)
    p = 1.0 + p
    return (p + p) * half_power


@inline
def exp_below(x: float) -> float:
    """The same for x <= 0, in fewer operations; 0 below -708.75."""
    power, p = _exponential_plain(where(x < -709.0, -709.0, x), _ROUND_BIASED)
    return fma(power, p, power)


@inline
def exp_rough(x: float) -> float:
    """The exponential to 2^-26 of itself, for x <= 709; 0 below -708.75. In half the time, for what is only compared.

    The Chebyshev interpolant of degree 4 of (exp(r) - 1 - r) / r^2 on abs(r) <= 0.34658 (mpmath.chebyfit).
    """
    x = where(x < -709.0, -709.0, x)
    biased = fma(x, _LOG2_E, _ROUND_BIASED)
    r = fma(_ROUND_BIASED - biased, _LN2_HIGH, x)
    square = r * r
    high = fma(0.0013926177501010365, square, fma(0.00836317418011074, r, 0.041666554653757494))
    q = fma(high, square, fma(0.16666577018959405, r, 0.5))
    power = _from_bits(_bits(biased) << 52)
    return fma(power, fma(q, square, r), power)


@inline
def expm1_plain(x: float) -> float:
    """``exp(x) - 1``, <= 1.7 ULP, for x <= 709.78. For losses of float32."""
    half_power, p = _exponential_plain(where(x < -708.4, -708.4, x), _ROUND_BIASED - 1.0)
    return 2.0 * fma(half_power, p, half_power - 0.5)


@inline
def expm1(x: float) -> float:
    """``exp(x) - 1``, <= 0.60 ULP."""
    inner = where(x < -40.0, -40.0, where(x > 710.0, 710.0, x))
    k, high, low = _exponential_parts(inner, 0.0)
    top, rest = _exponential_minus_one(k, high, low)
    return where(abs(x) < 2.0**-54, x, _scaled(top + rest, k))  # keeps -0


@inline
def tanh(x: float) -> float:
    """The hyperbolic tangent, <= 0.56 ULP: -e / (2 + e) with e = expm1(-2 abs(x)), all in two doubles."""
    twice = -2.0 * abs(x)
    k, high, low = _exponential_parts(where(twice < -40.0, -40.0, twice), 0.0)
    top, rest = _exponential_minus_one(k, high, low)
    e, e_low = _fast_two_sum(top, rest)
    power = _power_of_two(k)  # not below 2**-58
    e, e_low = e * power, e_low * power
    d, d_low = _fast_two_sum(2.0, e)
    d_low = d_low + e_low
    inverse = 1.0 / d
    q = e * inverse
    magnitude = q + (fma(-q, d, e) + fma(-q, d_low, e_low)) * inverse
    return _from_bits(_bits(magnitude) & _MAGNITUDE_BITS | _bits(x) & _SIGN_BIT)


# --- logarithms -----------------------------------------------------------------------------------
#
# x = 2**k * (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), and log(1 + f) = 2 atanh(t/2) with t = f / (1 + f/2),
# so abs(t) < 0.3432: the reduction of FDLIBM (Ng & Sun 1993, e_log.c), here with t as high + low from one
# division. 2 atanh(t/2) = t + t^3 (1/12 + t^2/80 + t^4 R(t^2)). R is the Chebyshev interpolant of degree 6 on
# t^2 <= 0.11775 (mpmath.chebyfit); its truncation costs 2^-68 of the result, which only float_power needs.


@inline
def _reduced(f: float, f_low: float) -> tuple[float, float]:
    """``t = f / (1 + f/2)`` as high + low, for f given as high + low."""
    h, h_low = _fast_two_sum(1.0, 0.5 * f)
    inverse = 1.0 / h
    t = f * inverse
    return t, (fma(-t, h, f) + fma(-t, fma(0.5, f_low, h_low), f_low)) * inverse


@inline
def _series(w: float) -> float:
    """R(w), the tail of the series."""
    r = fma(2.20608716575636e-07, w, 8.943039628222527e-07)
    r = fma(r, w, 4.069275445878753e-06)
    r = fma(r, w, 1.8780037100513904e-05)
    r = fma(r, w, 8.8778409306924e-05)
    r = fma(r, w, 0.0004340277777761858)
    return fma(r, w, 0.002232142857142859)


@inline
def _logarithm(k: float, f: float, f_low: float) -> float:
    """``k ln 2 + log(1 + f + f_low)``, rounded."""
    t, t_low = _reduced(f, f_low)
    w = t * t
    series = fma(w, fma(w, _series(w), 0.0125), 0.08333333333333333)
    high, low = _fast_two_sum(k * _LN2_HIGH, t)  # k = 0 or abs(k ln 2) > abs(t)
    t_low = fma(t_low, 0.25 * w, t_low)  # what it adds to t and to t^3 / 12
    return high + (low + fma(t * w, series, fma(k, _LN2_LOW, t_low)))


@inline
def _split_any(x: float) -> tuple[float, float]:
    """``_split`` for subnormal x too."""
    tiny = x < 2.0**-1022
    k, m = _split(where(tiny, x * 2.0**54, x))
    return where(tiny, k - 54.0, k), m


@inline
def log(x: float) -> float:
    """The natural logarithm, <= 0.53 ULP; -inf for both zeros, NaN below."""
    k, m = _split_any(x)
    special = where(x < 0.0, _NAN, where(x == 0.0, -_INFINITY, x))  # else inf or NaN
    return where((x > 0.0) & (x < _INFINITY), _logarithm(k, m - 1.0, 0.0), special)


@inline
def log1p(x: float) -> float:
    """``log(1 + x)``, <= 0.53 ULP; -inf at -1, NaN below."""
    u, u_low = _two_sum(1.0, x)
    k, m = _split(u)
    # u_low is below every digit of the result from k = 64 on.
    f, f_low = _fast_two_sum(m - 1.0, where(k < 64.0, u_low * _power_of_two(-k), 0.0))
    special = where(x < -1.0, _NAN, where(x == -1.0, -_INFINITY, x))  # else x is tiny, inf or NaN
    ordinary = (x > -1.0) & (x < _INFINITY) & (abs(x) >= 2.0**-54)
    return where(ordinary, _logarithm(k, f, f_low), special)


# The variants below have no low parts and no division: log(1 + f) = f - f^2/2 + f^3 P(f), where P is the Chebyshev
# interpolant of (log(1 + f) - f + f^2/2) / f^3 (mpmath.chebyfit), of degree 18 on sqrt(1/2) <= 1 + f < sqrt(2) and of
# degree 14 on -0.1882 <= f <= 0.3. Measured in binary cross-entropy of float32, which needs two of them: with the
# division of FDLIBM 8.0 ns an element (AVX-512) and 12.7 (AVX2), with P 6.1 and 10.4.


@inline
def _logarithm_plain(k: float, f: float) -> float:
    """``k ln 2 + log(1 + f)``, for sqrt(1/2) <= 1 + f < sqrt(2)."""
    square = f * f
    fourth = square * square
    low = fma(
        fma(-0.16666666667365992, f, 0.20000000000003482), square, fma(-0.24999999999998596, f, 0.3333333333333333)
    )
    middle = fma(
        fma(-0.10000006590426393, f, 0.11111111008787179), square, fma(-0.12499999898432576, f, 0.14285714285634818)
    )
    high = fma(
        fma(-0.07146922611081985, f, 0.07691741139835176), square, fma(-0.08333110642999564, f, 0.09090921076038966)
    )
    upper = fma(
        fma(-0.05635857394607171, f, 0.05706613674459082), square, fma(-0.06213325491398715, f, 0.06680348247882924)
    )
    upper = fma(fma(0.027053075892336406, square, fma(-0.05959173018943104, f, 0.06362025303018654)), fourth, upper)
    p = fma(fma(fma(upper, fourth, high), fourth, middle), fourth, low)
    return fma(k, _LN2_HIGH, fma(square, fma(p, f, -0.5), fma(k, _LN2_LOW, f)))


@inline
def log_plain(x: float) -> float:
    """The natural logarithm, <= 1.4 ULP; -inf for both zeros, NaN below. For losses of float32."""
    k, m = _split_any(x)
    special = where(x < 0.0, _NAN, where(x == 0.0, -_INFINITY, x))  # else inf or NaN
    return where((x > 0.0) & (x < _INFINITY), _logarithm_plain(k, m - 1.0), special)


@inline
def log1p_plain(x: float) -> float:
    """``log(1 + x)``, <= 1.4 ULP; -inf at -1, NaN below. For losses of float32."""
    u, u_low = _two_sum(1.0, x)
    k, m = _split(u)
    f = (m - 1.0) + where(k < 64.0, u_low * _power_of_two(-k), 0.0)
    beyond = where(x < _INFINITY, _logarithm_plain(k, f), x)
    return where(x > -1.0, beyond, where(x == -1.0, -_INFINITY, _NAN))


@inline
def log1p_unit(x: float) -> float:
    """``log(1 + x)`` for 0 <= x <= 1, <= 1.50 ULP: half the time of ``log1p``. Beyond 1 it is wrong."""
    near = x < 0.3
    r = where(near, x, fma(x, 0.6245459792856991, -0.3754540207143009))  # 1 + x is 1 + r, or 1.601 (1 + r)
    square = r * r
    fourth = square * square
    low = fma(
        fma(-0.16666666671647118, r, 0.20000000000067208), square, fma(-0.2499999999999264, r, 0.3333333333333329)
    )
    middle = fma(
        fma(-0.10000082575315411, r, 0.11111110985679683), square, fma(-0.12499999021652476, r, 0.14285714272317337)
    )
    high = fma(
        fma(-0.07197113042847818, r, 0.07680708778108918), square, fma(-0.08330048224019404, r, 0.09091072447902124)
    )
    high = fma(fma(0.03267870924829842, square, fma(-0.06217596841297295, r, 0.06973443319691751)), fourth, high)
    p = fma(fma(high, fourth, middle), fourth, low)
    return where(near, 0.0, 0.470730326369023) + fma(square, fma(p, r, -0.5), r)  # log 1.601 to 2^-74


# --- power ----------------------------------------------------------------------------------------


@inline
def logarithm_parts(x: float) -> tuple[float, float]:
    """``log(x)`` as high + low, to 2^-68 of itself, for finite x > 0.

    Its error reaches ``x**y = exp(y log(x))`` multiplied by up to 745 < 2^9.6, so here the first three terms
    of the series are high + low.
    """
    k, m = _split_any(x)
    t, t_low = _reduced(m - 1.0, 0.0)
    w = t * t
    w_low = fma(2.0 * t, t_low, fma(t, t, -w))
    q, q_low = _fast_two_sum(0.0125, w * _series(w))
    q_low = q_low - 6.938893903907229e-19  # 1/80 - 0.0125
    p, p_low = _fast_two_sum(0.08333333333333333, w * q)
    p_low = p_low + 4.625929269271485e-18  # 1/12 - 0.08333333333333333
    p_low = p_low + (fma(w, q, -(w * q)) + fma(w, q_low, w_low * q))
    v = w * p
    v_low = fma(w, p, -v) + fma(w, p_low, w_low * p)
    z = t * v
    z_low = fma(t, v, -z) + fma(t, v_low, t_low * v)
    high, low = _fast_two_sum(k * _LN2_HIGH, t)
    high, carry = _fast_two_sum(high, z)
    return _fast_two_sum(high, (low + carry) + (fma(k, _LN2_LOW, t_low) + z_low))


@inline
def float_power(x: float, y: float) -> float:
    """``x**y`` for x >= 0, <= 0.54 ULP; <= 0.77 ULP where the result is subnormal.

    Zeros, ones, infinities and NaN as in C's ``pow`` (x**0 = 1**y = 1 always), with -0 taken for 0. For x < 0
    it is NaN, also for an integer y other than 0: the bases in losses are not negative.
    """
    high, low = logarithm_parts(x)
    high = where(x == 0.0, -_INFINITY, where(x < _INFINITY, where(x < 0.0, _NAN, high), x))
    product = y * high
    product_low = fma(y, high, -product) + y * low
    inner = where(product < -746.0, -746.0, where(product > 710.0, 710.0, product))
    # Where the product is clipped, the low part is without meaning, or NaN.
    k, high, low = _exponential_parts(inner, where(product == inner, product_low, 0.0))
    one, rest = _fast_two_sum(1.0, high)
    return where((x == 1.0) | (y == 0.0), 1.0, _scaled(one + (rest + low), k))
