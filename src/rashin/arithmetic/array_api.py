"""The vocabulary on the arrays of any library that follows the array API standard: CuPy, Dask and others.

The standard gives numbers no dtype where two of them meet, and has no ``float_power``. So the vocabulary is made for an
array, and numbers take its dtype and its device.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from rashin.arithmetic.arrays import MOST
from rashin.arithmetic.special import with_special_functions

__all__ = ["like"]

_SAME = ("abs", "exp", "expm1", "log", "log1p", "max", "round", "sqrt", "sum", "tanh")


def like(z: Any) -> SimpleNamespace:
    """The vocabulary for arrays with the dtype and the device of ``z``, float32 or float64."""
    xp = array_namespace(z)

    def array(x: Any, dtype: Any = z.dtype) -> Any:
        if is_array_api_obj(x) and not isinstance(x, np.generic):  # NumPy's numbers are no arrays here
            return x
        with np.errstate(over="ignore"):  # libraries convert through NumPy, which warns of what becomes infinite
            return xp.asarray(x.item() if isinstance(x, np.generic) else x, dtype=dtype, device=device(z))

    def taking_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *x, **axis: function(*map(array, x), **axis)

    def where(condition: Any, a: Any, b: Any) -> Any:
        return xp.where(array(condition, xp.bool), array(a), array(b))

    def sign(x: Any) -> Any:  # that of NaN is 0 in some libraries
        return xp.where(xp.isnan(array(x)), array(x), xp.sign(array(x)))

    def iterate(step: Callable[[Any], Any], x: Any) -> Any:
        for _ in range(MOST):
            before, x = x, step(x)
            if not xp.any((x != before) & (x == x)):
                break
        return x

    same = {name: taking_numbers(getattr(xp, name)) for name in _SAME}
    words = SimpleNamespace(
        **same,
        log1p_unit=same["log1p"],
        narrow=lambda: False,
        float_power=taking_numbers(xp.pow),
        sign=sign,
        where=where,
        concat=xp.concat,
        iterate=iterate,
    )
    return with_special_functions(words, array)
