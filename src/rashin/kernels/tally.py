"""Sums by code without rounding: a table of 32-bit digits with a row for each code.

As in ``exact``, but the table holds only the digits that its numbers reach, for there may be hundreds of codes.
"""

from __future__ import annotations

from typing import Any

from rashin.exact import UNIT_EXPONENT, add_integer, bits_of
from rashin.native.kernel import DOUBLE, kernel

__all__ = ["add_by_code"]


@kernel("i8[:, :] i8 i8[:] f8[:]", elements=(DOUBLE,))
def add_by_code(digits: Any, first: int, codes: Any, x: Any) -> None:
    """Add each number, finite and >= 0, to the row of its code; digit j of ``digits[code]`` counts 2**(32 (first + j)).

    1.5-4 ns a number. The caller sees to it that the digits reach, and carries before 2**30 numbers.
    """
    for i in range(x.size):
        if not x[i] > 0.0:  # which has no digit
            continue
        bits = bits_of(x[i])
        exponent = bits >> 52
        mantissa = (bits & 0xF_FFFF_FFFF_FFFF) | ((1 << 52) if exponent else 0)
        place = (exponent if exponent else 1) - 1075
        add_integer(digits[codes[i]], mantissa, place - 32 * first + UNIT_EXPONENT)
