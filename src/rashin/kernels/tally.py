"""Sums by code without rounding: a table of 32-bit digits with a row for each code.

As in ``exact``, but the table holds only the digits that its numbers reach, for there may be hundreds of codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.kept import kept_njit

__all__ = ["add_by_code"]


@kept_njit
def add_by_code(digits: Any, first: int, codes: Any, x: Any) -> None:
    """Add each number, finite and >= 0, to the row of its code; digit j of ``digits[code]`` counts 2**(32 (first + j)).

    1.5-4 ns a number. The caller sees to it that the digits reach, and carries before 2**30 numbers.
    """
    for i in range(x.size):
        if not x[i] > 0.0:  # which has no digit
            continue
        bits = np.float64(x[i]).view(np.int64)
        exponent = bits >> 52
        mantissa = (bits & 0xF_FFFF_FFFF_FFFF) | ((1 << 52) if exponent else 0)
        position = (exponent if exponent else 1) - 1075 - 32 * first
        digit, shift, code = position >> 5, position & 31, codes[i]
        low, high = (mantissa & 0xFFFF_FFFF) << shift, (mantissa >> 32) << shift
        digits[code, digit] += low & 0xFFFF_FFFF
        digits[code, digit + 1] += (low >> 32) + (high & 0xFFFF_FFFF)
        digits[code, digit + 2] += high >> 32
