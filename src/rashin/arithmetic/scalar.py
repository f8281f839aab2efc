"""The vocabulary of formulas in compiled loops over float64: from ``elementary`` and ``normal``.

A formula ``f(xp, z, t)`` is written once. Inside a kernel ``xp`` is this module and the arguments are float64
scalars; for arrays and tensors it is one of this module's neighbours. The vocabulary means the same in all of them:

    abs, sign, where, sqrt, exp, expm1, log, log1p, log1p_unit, tanh, float_power, erf, erfc, ndtr, log_ndtr
"""

from __future__ import annotations

from rashin.arithmetic.elementary import (
    abs,
    exp,
    expm1,
    float_power,
    log,
    log1p,
    log1p_unit,
    sign,
    sqrt,
    tanh,
    where,
)
from rashin.arithmetic.normal import erf, erfc, log_ndtr, ndtr

__all__ = [
    "abs",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "float_power",
    "log",
    "log1p",
    "log1p_unit",
    "log_ndtr",
    "ndtr",
    "sign",
    "sqrt",
    "tanh",
    "where",
]
