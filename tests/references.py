"""The fast references of the losses that have one: they judge many numbers at a time, in long double.

Their errors are far below 2**-10 ULP of a 16-bit result even where longdouble is only a double; ``clearly_right`` says
where they leave no doubt, and in doubt the definition decides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from losses import ENTRIES
from losses.longdouble import Result, Summands
from ulp import FORMATS, rounding_threshold

__all__ = ["DOUBT", "clearly_right", "reference"]

# In ULPs, how near the reference is to the exact result wherever its summands do not cancel; in fact far nearer.
DOUBT = {"float64": 0.5, "float32": 2.0**-10, "float16": 2.0**-10, "bfloat16": 2.0**-10}


def reference(name: str, z: Any, t: Any, parameters: dict[str, Any]) -> Result:
    with np.errstate(all="ignore"):
        target = np.asarray(t)
        target = target if target.dtype.kind == "i" else target.astype(np.longdouble)
        return ENTRIES[name].fast(z.astype(np.longdouble), target, **parameters)


def clearly_right(got: Any, summands: Summands, dtype: str, bound: float) -> Any:
    """Within the bound by more than the reference may err; right infinities count, all else is doubtful."""
    form, threshold, doubt = FORMATS[dtype], float(rounding_threshold(dtype)), DOUBT[dtype]
    with np.errstate(all="ignore"):
        exact = sum(summands)
        largest = np.max(np.abs(np.stack(np.broadcast_arrays(*summands))), axis=0)
        exponent = np.maximum(np.frexp(exact)[1] - 1, form.least)
        ulp = np.ldexp(np.longdouble(1), exponent - form.bits + 1)
        error = np.abs(got.astype(np.longdouble) - exact) / ulp
        known = largest * np.finfo(np.longdouble).eps * 512 < doubt * ulp
        fits = np.abs(exact) < threshold * (1 - doubt)
        overflows = np.abs(exact) > threshold * (1 + doubt)
        infinite = got.astype(np.longdouble) == np.copysign(np.inf, exact)
        return np.where(fits, known & (error <= bound - doubt), overflows & infinite)
