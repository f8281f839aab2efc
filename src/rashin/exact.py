"""Sums of doubles without any rounding, kept as integers.

Every finite double is a whole multiple of 2**-1074, so a sum of doubles is an integer, and integer addition forgets
no bit and cares for no order. A :data:`Limbs` array holds that integer in 32-bit digits: any split of the data over
threads, chunks or machines, added in any order, ends in the same integer, which is rounded once, at the end.

Method: the block's largest exponent fixes two grids; adding and subtracting a constant whose last bit is the grid
(Rump, Ogita, Oishi 2008, "Accurate floating-point summation I") cuts every term exactly into two 51-bit integers,
summed as int64 by vector instructions. What reaches below both grids is rare, and repeats the block on more grids.
"""

from __future__ import annotations

import math
import sys
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rashin.native.kernel import DOUBLE, kernel
from rashin.native.language import STACK, apart, as_integers, bits, from_bits, inline, stack

__all__ = [
    "BLOCK",
    "DIGITS",
    "MAGNITUDE",
    "MINUS_INF",
    "PLUS_INF",
    "SUM",
    "UNIT_EXPONENT",
    "Limbs",
    "add",
    "add_block",
    "add_block_below",
    "add_integer",
    "add_one",
    "as_float",
    "as_floats",
    "as_integer",
    "bits_of",
    "clear",
    "divide",
    "each_as_integer",
    "empty_limbs",
    "grid_at",
    "quotient",
    "rounded_quotient",
    "top_bits",
]

Limbs: TypeAlias = NDArray[np.int64]

BLOCK = 1024  # terms a block may hold: 1024 51-bit integers fit an int64, and the block stays in the L1 cache
DIGITS = 70  # 32 bits each: from 2**-1088, below the least subnormal, to 2**1152, 2**128 times the largest double
PLUS_INF, MINUS_INF = DIGITS, DIGITS + 1  # two counters behind the digits
SUM = DIGITS + 2  # the elements of limbs
UNIT_EXPONENT = -1088

MAGNITUDE = 0x7FFF_FFFF_FFFF_FFFF
_INFINITY = 0x7FF0_0000_0000_0000
_LOW32 = 0xFFFF_FFFF


def empty_limbs() -> Limbs:
    """A sum of nothing."""
    return np.zeros(SUM, dtype=np.int64)


@inline
def bits_of(x: Any) -> Any:
    return bits(np.float64(x))


def add_integer(limbs: Any, integer: int, exponent: int) -> None:
    """Add ``integer * 2**exponent``; ``abs(integer) < 2**62``."""
    position = exponent - UNIT_EXPONENT
    digit, shift = position >> 5, position & 31
    low = (integer & _LOW32) << shift
    high = (integer >> 32) << shift
    limbs[digit] += low & _LOW32
    limbs[digit + 1] += (low >> 32) + (high & _LOW32)
    limbs[digit + 2] += high >> 32


def add_one(limbs: Any, x: float) -> None:
    """Add one number of any kind; the way out for infinities and for the last binades before overflow."""
    bits = bits_of(x)
    magnitude = bits & MAGNITUDE
    if magnitude >= _INFINITY:
        limbs[PLUS_INF if bits > 0 else MINUS_INF] += 1
        return
    exponent = max(magnitude >> 52, 1)
    mantissa = (magnitude & 0xF_FFFF_FFFF_FFFF) | ((1 << 52) if magnitude >> 52 else 0)
    add_integer(limbs, mantissa if bits >= 0 else -mantissa, exponent - 1075)


def clear(limbs: Any) -> None:
    """Make it a sum of nothing."""
    for place in range(SUM):
        limbs[place] = 0


def grid_at(exponent: int) -> float:
    """The constant 1.5 * 2**exponent: adding it to x rounds x to a multiple of 2**(exponent - 52)."""
    return from_bits(((exponent + 1023) << 52) | (1 << 51))


def top_bits(x: Any) -> Any:
    """The bits of the largest magnitude: integers that order as the numbers do, which vectorises."""
    top = np.int64(0)
    for i in range(x.size):
        top = max(top, bits_of(x[i]) & MAGNITUDE)
    return top


@apart
def _on_two_grids(x: Any, first: float, second: float) -> Any:
    """The terms as sums of whole numbers of two grids, and whether anything was left.

    In a function of its own the loop compiles to vector instructions, 0.3 ns a term (inside ``add_block`` 1.2 ns).
    """
    total, total2, left = np.int64(0), np.int64(0), np.int64(0)
    for i in range(x.size):
        y = x[i] + first
        r = x[i] - (y - first)
        y2 = r + second
        total += bits_of(y)  # from the grid's own bits on, which are taken off at once below: as integers wrap around
        total2 += bits_of(y2)
        left |= bits_of(r - (y2 - second)) & MAGNITUDE
    return total - x.size * bits_of(first), total2 - x.size * bits_of(second), left


def _on_one_grid(x: Any, size: int, grid: float) -> Any:
    """The terms as a sum of whole numbers of a grid; what is left of each stays in ``x``."""
    total, left = np.int64(0), np.int64(0)
    for i in range(size):
        y = x[i] + grid
        x[i] -= y - grid
        total += bits_of(y) - bits_of(grid)
        left |= bits_of(x[i]) & MAGNITUDE
    return total, left


@apart
def _add_by_grids(limbs: Any, x: Any, exponent: int) -> None:
    """Add a block on as many grids as it needs: the terms differ by more than 2**50."""
    rest = stack()
    for start in range(0, x.size, STACK):
        size = min(STACK, x.size - start)
        for i in range(size):
            rest[i] = x[start + i]
        place, left = exponent, np.int64(1)
        while left != 0:
            total, left = _on_one_grid(rest, size, grid_at(place))
            add_integer(limbs, total, place - 52)
            place = max(place - 51, -1022)


def add_block(limbs: Any, x: Any) -> bool:
    """Add at most :data:`BLOCK` doubles; False, and nothing is added, if one of them is NaN."""
    return add_block_below(limbs, x, top_bits(x))


def add_block_below(limbs: Any, x: Any, top: int) -> bool:
    """The same where the largest magnitude is known, by its bits."""
    if top == 0:
        return True
    if top > _INFINITY:
        return False
    exponent = (top >> 52) - 1023 + 2  # abs(x) <= 2**(exponent - 1), half the grid's reach
    if exponent > 1023:
        for i in range(x.size):
            add_one(limbs, x[i])
        return True
    upper = max(exponent, -1022)
    lower = max(upper - 51, -1022)
    total, total2, left = _on_two_grids(x, grid_at(upper), grid_at(lower))
    if left != 0:
        _add_by_grids(limbs, x, upper)
        return True
    add_integer(limbs, total, upper - 52)
    add_integer(limbs, total2, lower - 52)
    return True


@kernel("i8[:] f8[:]", elements=(DOUBLE,))
def _add(limbs: Any, x: Any) -> None:
    for start in range(0, x.size, BLOCK):
        add_block(limbs, x[start : start + BLOCK])


def add(limbs: Limbs, x: NDArray[np.float64]) -> None:
    """Add any number of doubles, none of them NaN."""
    _add(DOUBLE)(limbs, np.require(x, np.float64, ["C", "A"]).reshape(-1))


def _magnitude_digits(limbs: Any, digits: Any) -> Any:
    """Fill in the digits of the sum's absolute value, below 2**32 each; returns the sign, 0 beyond their range."""
    carry = np.int64(0)
    for place in range(DIGITS):
        total = limbs[place] + carry
        digits[place] = total & _LOW32
        carry = total >> 32
    if carry == 0:
        return np.int64(1)
    borrow = np.int64(1)
    for place in range(DIGITS):
        total = (digits[place] ^ _LOW32) + borrow
        digits[place] = total & _LOW32
        borrow = total >> 32
    return np.int64(-1) if carry == -1 else np.int64(0)


def _bit_length(x: Any) -> Any:
    """Of a number in [1, 2**32)."""
    length = np.int64(0)
    while x > 0:
        x >>= 1
        length += 1
    return length


def _rounded(top: Any, middle: Any, low: Any, more: Any, place: Any) -> Any:
    """The double nearest to three digits of base 2**32, ``top > 0`` at its place, and more that follow them or not.

    NaN if it is no normal double.
    """
    length = _bit_length(top)
    width = 62 - length  # so many bits of the mantissa are for the other digits
    mantissa = top << width
    if width >= 32:
        mantissa |= (middle << (width - 32)) | (low >> (64 - width))
        more |= low & ((1 << (64 - width)) - 1)
    else:
        mantissa |= middle >> (32 - width)
        more |= low | (middle & ((1 << (32 - width)) - 1))
    cut, mantissa = mantissa & 511, mantissa >> 9
    if cut > 256 or (cut == 256 and (more != 0 or mantissa & 1 != 0)):
        mantissa += 1
    exponent = 32 * place + UNIT_EXPONENT + length - 53
    if not -1074 <= exponent <= 970:
        return np.nan
    return from_bits(((exponent + 1075) << 52) + (mantissa - (1 << 52)))


def _digit(digits: Any, place: Any) -> Any:
    return digits[place] if place >= 0 else np.int64(0)


@apart
def rounded_quotient(limbs: Any, count: int) -> Any:
    """The sum divided by a count below 2**31, rounded once; NaN if it is infinite, or neither 0 nor a normal double.

    The division of ``quotient`` in compiled code, for callers that go to ``quotient`` where it gives NaN.
    """
    digits = as_integers(stack())
    sign = _magnitude_digits(limbs, digits)
    if sign == 0 or limbs[PLUS_INF] != 0 or limbs[MINUS_INF] != 0:
        return np.nan
    place, top, rest = np.int64(DIGITS), np.int64(0), np.int64(0)
    while top == 0 and place > 0:
        place -= 1
        rest = (rest << 32) | digits[place]
        top, rest = rest // count, rest % count
    if top == 0:
        return 0.0 if rest == 0 else np.nan
    rest = (rest << 32) | _digit(digits, place - 1)
    middle, rest = rest // count, rest % count
    rest = (rest << 32) | _digit(digits, place - 2)
    low, rest = rest // count, rest % count
    for lower in range(place - 2):
        rest |= digits[lower]
    return sign * _rounded(top, middle, low, rest, place)


@kernel("i8[:] u4[:]", elements=(DOUBLE,))
def _carry(limbs: Any, digits: Any) -> None:
    """Fill in the digits below 2**32 each, but for the highest, which has the sign."""
    carry = np.int64(0)
    for place in range(DIGITS):
        total = limbs[place] + carry
        digits[place] = total & _LOW32
        carry = total >> 32
    digits[DIGITS] = carry & _LOW32


def as_integer(limbs: Limbs) -> int:
    """The finite part of the sum, in units of 2**-1088."""
    digits = np.empty(DIGITS + 1, np.uint32)
    _carry(DOUBLE)(np.require(limbs, np.int64, ["C", "A"]), digits)
    return int.from_bytes(digits.tobytes(), sys.byteorder, signed=True)


@kernel("i8[:, :] u4[:, :]", elements=(DOUBLE,))
def _carry_each(limbs: Any, digits: Any) -> None:
    for row in range(limbs.shape[0]):
        carry = np.int64(0)
        for place in range(DIGITS):
            total = limbs[row, place] + carry
            digits[row, place] = total & _LOW32
            carry = total >> 32
        digits[row, DIGITS] = carry & _LOW32


def each_as_integer(sums: NDArray[np.int64]) -> list[int]:
    """The finite parts of many sums (n, SUM), in units of 2**-1088."""
    digits = np.empty((len(sums), DIGITS + 1), np.uint32)
    _carry_each(DOUBLE)(np.require(sums, np.int64, ["C", "A"]), digits)
    text, size = digits.tobytes(), 4 * (DIGITS + 1)
    return [int.from_bytes(text[at : at + size], sys.byteorder, signed=True) for at in range(0, len(text), size)]


def _infinite_part(limbs: Limbs) -> float:
    """0 if every term was finite, else +inf, -inf or NaN as their sum is."""
    plus, minus = limbs[PLUS_INF], limbs[MINUS_INF]
    if plus and minus:
        return math.nan
    return math.inf if plus else -math.inf if minus else 0.0


def divide(numerator: int, denominator: int) -> float:
    """Python's division of integers is correctly rounded; beyond the doubles the quotient is infinite."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def as_float(limbs: Limbs) -> float:
    """The sum, rounded once."""
    return _infinite_part(limbs) or divide(as_integer(limbs), 1 << -UNIT_EXPONENT)


@kernel("i8[:, :] f8[:]", elements=(DOUBLE,))
def _round(limbs: Any, out: Any) -> None:
    for row in range(out.size):
        out[row] = rounded_quotient(limbs[row], 1)


def as_floats(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """Many sums (n, SUM), each rounded once."""
    out = np.empty(len(sums))
    _round(DOUBLE)(np.require(sums, np.int64, ["C", "A"]), out)
    for row in np.flatnonzero(np.isnan(out)):
        out[row] = as_float(sums[row])
    return out


def quotient(numerator: Limbs, denominator: Limbs | int) -> float:
    """The exact quotient of two sums (or of a sum and a whole number), rounded once.

    Examples
    --------
    >>> import numpy as np
    >>> from rashin.exact import add, empty_limbs, quotient
    >>> limbs = empty_limbs()
    >>> add(limbs, np.array([1e300, 1.0, -1e300]))
    >>> quotient(limbs, 3)
    0.3333333333333333
    """
    infinite = _infinite_part(numerator)
    if infinite:
        return infinite
    if isinstance(denominator, int):
        return divide(as_integer(numerator), denominator << -UNIT_EXPONENT)
    return divide(as_integer(numerator), as_integer(denominator))
