"""Sums of doubles without any rounding."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["exactly"]


def exactly(numbers: Any) -> Fraction:
    """The sum of finite doubles: that of whole numbers, since each is a whole multiple of 2^-1074."""
    ratios = map(float.as_integer_ratio, np.asarray(numbers, dtype=np.float64).ravel().tolist())
    whole = sum(numerator << 1075 - denominator.bit_length() for numerator, denominator in ratios)
    return Fraction(whole, 1 << 1074)
