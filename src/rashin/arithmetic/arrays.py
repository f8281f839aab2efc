"""The vocabulary on arrays of doubles, for formulas of whole rows: the bits of ``scalar``, and NumPy's ``sum``."""

from __future__ import annotations

from typing import Any

from numpy import abs, sign, sqrt, sum, where

from rashin.arithmetic import scalar
from rashin.cached import cached_vectorize, compiling
from rashin.waiting import explained

__all__ = ["abs", "exp", "expm1", "float_power", "log", "log1p", "sign", "sqrt", "sum", "tanh", "where"]


def _universal(function: Any) -> Any:
    """The scalar function on arrays of doubles; made at its first call, by one thread."""
    made: list[Any] = []

    def on_arrays(*arrays: Any) -> Any:
        if not made:
            with compiling, explained():
                universal = cached_vectorize(function.py_func)
                universal(*(1.0 for _ in arrays))
                made.append(universal)
        return made[0](*arrays)

    return on_arrays


exp = _universal(scalar.exp)
expm1 = _universal(scalar.expm1)
float_power = _universal(scalar.float_power)
log = _universal(scalar.log)
log1p = _universal(scalar.log1p)
tanh = _universal(scalar.tanh)
