"""The one definition of an error in ULPs (units in the last place), used by every accuracy test.

One ULP of a real number x in a format with p significant bits is the distance of neighbouring numbers of
the format in x's binade, 2**(floor(log2 abs(x)) - p + 1), but never less than the distance of the
subnormals. So 0.5 is the error of a correctly rounded result, and an exact result below the subnormals is
held to their distance.

- Beyond ``rounding_threshold`` (the largest number plus half an ULP), infinity of the same sign is the
  right result: error 0. A finite number there, or an infinity below it, is an infinite error.
- NaN is an infinite error, always. The sign of a zero is not judged.
- ``exact`` is the exact result for the inputs as the library saw them, never for the decimals they came
  from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from mpmath import mp, mpf

__all__ = ["BFLOAT16", "DTYPES", "FORMATS", "dtype_limits", "rounding_threshold", "spacing", "ulp_error"]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: its significant bits and the exponents of its normal numbers."""

    bits: int
    least: int
    greatest: int


FORMATS = {
    "float64": Format(53, -1022, 1023),
    "float32": Format(24, -126, 127),
    "float16": Format(11, -14, 15),
    "bfloat16": Format(8, -126, 127),
}
DTYPES = {name: BFLOAT16 if name == "bfloat16" else np.dtype(name) for name in FORMATS}


def dtype_limits(dtype: str) -> tuple[float, float]:
    """The smallest positive number of a dtype and its relative spacing."""
    form = FORMATS[dtype]
    return 2.0 ** (form.least - form.bits + 1), 2.0 ** (1 - form.bits)


def spacing(x: mpf, dtype: Any) -> mpf:
    """One ULP of the finite real number ``x`` in ``dtype``."""
    form = FORMATS[np.dtype(dtype).name]
    exponent = form.least if x == 0 else int(mp.mag(x)) - 1  # 2**(mag - 1) <= abs(x) < 2**mag
    return mp.ldexp(1, min(max(exponent, form.least), form.greatest) - form.bits + 1)


def rounding_threshold(dtype: Any) -> mpf:
    """The least number that rounds to infinity: the largest finite one plus half an ULP."""
    form = FORMATS[np.dtype(dtype).name]
    with mp.workprec(100):
        return mp.ldexp(2 ** (form.bits + 1) - 1, form.greatest - form.bits)


def ulp_error(got: Any, exact: mpf, dtype: Any, *, unit: mpf | None = None) -> float:
    """How far ``got`` lies from ``exact``, in ULPs of ``dtype`` (or in ``unit`` where one is given).

    ``got`` must be a number of ``dtype``; ``exact`` may be infinite (the limit is infinite) but not NaN.
    """
    result = mpf(float(got))
    if mp.isnan(exact):
        raise ValueError("the exact value is NaN: the definition has no value here")
    if mp.isnan(result):
        return float("inf")
    threshold = rounding_threshold(dtype)
    overflows = exact >= threshold or exact <= -threshold  # abs() would round
    if overflows or mp.isinf(result):
        right = overflows and mp.isinf(result) and (result > 0) == (exact > 0)
        return 0.0 if right else float("inf")
    return float(abs(result - exact) / (spacing(exact, dtype) if unit is None else unit))
