"""Exact sums of numbers by code, such as the bin of a number; mergeable, without rounding before the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.exact import divide
from rashin.kernels.tally import add_by_code
from rashin.native.kernel import DOUBLE

__all__ = ["Tally"]

_DIGIT = 0xFFFF_FFFF
_AT_ONCE = 1 << 30  # numbers that are added before digits are carried


@dataclass(frozen=True, eq=False)
class Tally:
    """For each of ``size`` codes, the exact sum of its numbers, which are >= 0.

    The sum of a code is ``sum_j digits[code, j] 2**(32 (first + j))``. Digits lie in [0, 2**32), and the columns at
    both ends are not empty: equal sums have equal digits, however the numbers were split or ordered.

    Examples
    --------
    >>> import numpy as np
    >>> odd = Tally.of(np.array([1, 1, 0]), np.array([0.1, 0.2, 1.0]), 2)
    >>> (odd + odd).values()
    array([2. , 0.6])
    """

    first: int
    digits: NDArray[np.int64]

    @classmethod
    def empty(cls, size: int) -> Tally:
        """Sums without any numbers."""
        return cls(0, np.zeros((size, 0), np.int64))

    @classmethod
    def of(cls, codes: NDArray[np.int64], x: NDArray[np.float64], size: int) -> Tally:
        """The sums of ``x``, (n,), finite and >= 0, by ``codes``, (n,), each in [0, size)."""
        whole = cls.empty(size)
        for start in range(0, x.size, _AT_ONCE):
            part = np.require(x[start : start + _AT_ONCE], None, ["C", "A"])
            least = float(np.min(part, initial=np.inf, where=part > 0.0))
            if least == np.inf:
                continue
            first = _digit_of(least)
            digits = np.zeros((size, _digit_of(float(part.max())) - first + 3), np.int64)
            add_by_code(DOUBLE)(digits, first, np.require(codes[start : start + _AT_ONCE], None, ["C", "A"]), part)
            whole += _carried(first, digits)
        return whole

    @classmethod
    def whole(cls, counts: NDArray[np.int64]) -> Tally:
        """Sums that are whole numbers, one per code."""
        return _carried(0, counts.reshape(-1, 1))

    def __add__(self, other: Tally) -> Tally:
        if not isinstance(other, Tally):
            return NotImplemented
        first = min(self.first, other.first)
        last = max(t.first + t.digits.shape[1] for t in (self, other))
        digits = np.zeros((self.digits.shape[0], last - first), np.int64)
        for tally in (self, other):
            start = tally.first - first
            digits[:, start : start + tally.digits.shape[1]] += tally.digits
        return _carried(first, digits)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tally):
            return NotImplemented
        return self.first == other.first and np.array_equal(self.digits, other.digits)

    __hash__ = None  # type: ignore[assignment]

    def integers(self) -> list[int]:
        """The sum of each code in units of 2**(32 first)."""
        return [int.from_bytes(row.astype("<u4").tobytes(), "little") for row in self.digits]

    def values(self) -> NDArray[np.float64]:
        """The sum of each code, rounded once."""
        return np.array([_scaled(integer, 32 * self.first) for integer in self.integers()])

    def total(self) -> float:
        """The sum over all codes, rounded once."""
        return _scaled(sum(self.integers()), 32 * self.first)

    def to_dict(self) -> dict[str, Any]:
        """The digits for JSON, exact even if its reader uses doubles; codes without digits are left out."""
        codes = np.flatnonzero(self.digits.any(axis=1))
        return {"first": self.first, "codes": codes.tolist(), "digits": self.digits[codes].tolist()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], size: int) -> Tally:
        """The tally of ``size`` codes from the result of :meth:`to_dict`."""
        width = len(content["digits"][0]) if content["codes"] else 0
        digits = np.zeros((size, width), np.int64)
        digits[np.array(content["codes"], np.int64)] = content["digits"] or np.zeros((0, 0))
        return cls(content["first"], digits)


def _digit_of(x: float) -> int:
    """The digit that contains the last bit of a positive double."""
    return max(math.frexp(x)[1] - 53, -1074) // 32


def _scaled(integer: int, exponent: int) -> float:
    """``integer * 2**exponent``, rounded once; inf beyond the range of doubles."""
    return divide(integer, 1 << -exponent) if exponent < 0 else divide(integer << exponent, 1)


def _carried(first: int, digits: NDArray[np.int64]) -> Tally:
    """The tally with all digits below 2**32 and without empty columns at the ends."""
    size, width = digits.shape
    carried, carry = np.zeros((size, width + 2), np.int64), np.zeros(size, np.int64)
    for j in range(width):
        total = digits[:, j] + carry
        carried[:, j], carry = total & _DIGIT, total >> 32
    carried[:, width], carried[:, width + 1] = carry & _DIGIT, carry >> 32
    used = np.flatnonzero(carried.any(axis=0))
    if used.size == 0:
        return Tally.empty(size)
    return Tally(first + int(used[0]), np.ascontiguousarray(carried[:, used[0] : used[-1] + 1]))
