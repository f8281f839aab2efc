"""Exact sums that can be stored: integers, so that the parts of a data set add up to the same whole in any order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import inf, ldexp, nan, sqrt
from typing import Any, NamedTuple

import numpy as np

from rashin.exact import DIGITS, MINUS_INF, PLUS_INF, UNIT_EXPONENT, Limbs, as_integer, divide

__all__ = ["ExactSum", "root_of_quotient"]

_LIMB = 0xFFFF_FFFF  # 32 bits: a reader of JSON that holds numbers as doubles loses none


class ExactSum(NamedTuple):
    """A sum of doubles without rounding: ``units`` times 2**-1088, and the numbers of terms +inf and -inf.

    Examples
    --------
    >>> from rashin.exact import add, empty_limbs
    >>> import numpy as np
    >>> limbs = empty_limbs()
    >>> add(limbs, np.array([1e300, 1.0, -1e300]))
    >>> total = ExactSum.of(limbs)
    >>> float(total), float(total + total), total.to_dict()
    (1.0, 2.0, {'exponent': 0, 'limbs': [1]})
    """

    units: int = 0
    plus: int = 0
    minus: int = 0

    @classmethod
    def of(cls, limbs: Limbs) -> ExactSum:
        """The sum in an accumulator."""
        return cls(as_integer(limbs), int(limbs[PLUS_INF]), int(limbs[MINUS_INF]))

    @classmethod
    def each_of(cls, limbs: Limbs) -> Iterator[ExactSum]:
        """The sums that accumulators hold, (sums, digits), whose digits are below 2**32 but for the last."""
        digits = np.empty((len(limbs), DIGITS + 1), np.uint32)
        digits[:, :DIGITS] = limbs[:, :DIGITS] & _LIMB
        digits[:, DIGITS] = (limbs[:, DIGITS - 1] >> 32) & _LIMB
        text, size = digits.tobytes(), digits.itemsize * (DIGITS + 1)
        starts = range(0, len(text), size)
        units = (int.from_bytes(text[start : start + size], sys.byteorder, signed=True) for start in starts)
        return map(cls, units, limbs[:, PLUS_INF].tolist(), limbs[:, MINUS_INF].tolist())

    @classmethod
    @lru_cache(maxsize=1024)  # of a million groups, most have as many rows as another: they share the number
    def whole(cls, number: int) -> ExactSum:
        """A whole number."""
        return cls(number << -UNIT_EXPONENT)

    def __repr__(self) -> str:
        return f"ExactSum({float(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without the zeros at the end: some 1,000 of 1,100 bits."""
        low = self._lowest_bit
        return _unpacked, (self.units >> low, low, self.plus, self.minus)

    def __add__(self, other: object) -> ExactSum:
        if not isinstance(other, ExactSum):
            return NotImplemented
        return ExactSum(self.units + other.units, self.plus + other.plus, self.minus + other.minus)

    def __sub__(self, other: ExactSum) -> ExactSum:
        return ExactSum(self.units - other.units, self.plus - other.plus, self.minus - other.minus)

    @property
    def _lowest_bit(self) -> int:
        return (self.units & -self.units).bit_length() - 1 if self.units else 0

    @property
    def infinite(self) -> float:
        """0 if every term was finite, otherwise the sum of the infinite terms: +inf, -inf or NaN."""
        if self.plus and self.minus:
            return nan
        return inf if self.plus else -inf if self.minus else 0.0

    def __float__(self) -> float:
        return self.infinite or divide(self.units, 1 << -UNIT_EXPONENT)

    def over(self, divisor: ExactSum) -> float:
        """The exact quotient, rounded once."""
        return self.infinite or divide(self.units, divisor.units)

    def to_dict(self) -> dict[str, Any]:
        """A dict for JSON: the sum of ``limbs[i] * 2**(exponent + 32 i)``; ``infinities`` counts +inf and -inf."""
        low = self._lowest_bit
        digits, sign = abs(self.units) >> low, -1 if self.units < 0 else 1
        limbs = []
        while digits:
            limbs.append(sign * (digits & _LIMB))
            digits >>= 32
        found = {"exponent": UNIT_EXPONENT + low, "limbs": limbs} if limbs else {"exponent": 0, "limbs": []}
        return {**found, "infinities": [self.plus, self.minus]} if self.plus or self.minus else found

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> ExactSum:
        """The sum from the result of ``to_dict``."""
        shift = state["exponent"] - UNIT_EXPONENT
        units = sum(limb << (shift + 32 * place) for place, limb in enumerate(state["limbs"]))
        return cls(units, *state.get("infinities", ()))


def _unpacked(digits: int, low: int, plus: int, minus: int) -> ExactSum:
    return ExactSum(digits << low, plus, minus)


def root_of_quotient(numerator: int, denominator: int) -> float:
    """The square root of a quotient of positive integers of any size."""
    shift = (numerator.bit_length() - denominator.bit_length()) // 2 * 2
    scaled = (numerator << -shift) / denominator if shift < 0 else numerator / (denominator << shift)
    return ldexp(sqrt(scaled), shift // 2)
