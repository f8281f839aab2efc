"""Row losses run as NumPy arrays on blocks of rows, with the accurate functions of ``scalar`` in place of NumPy's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin import scalar
from rashin.kept import kept_vectorize
from rashin.kernels.formula import Formula

__all__ = ["ARRAYS", "block"]


def _universal(function: Any) -> Any:
    """The scalar function on arrays of doubles; compiled at its first call."""
    return kept_vectorize(function.py_func)


ARRAYS = SimpleNamespace(
    abs=np.abs, sign=np.sign, where=np.where, sqrt=np.sqrt, sum=np.sum,
    exp=_universal(scalar.exp), expm1=_universal(scalar.expm1), log=_universal(scalar.log),
    log1p=_universal(scalar.log1p), tanh=_universal(scalar.tanh), float_power=_universal(scalar.float_power),
)  # fmt: skip


def block(
    formula: Formula, parameters: tuple[float | None, ...], z: NDArray[np.float64], t: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Value (n,), gradient and Hessian diagonal (n, C) of rows ``z`` and distributions ``t``, both (n, C)."""
    with np.errstate(all="ignore"):
        value, gradient, hessian = formula(ARRAYS, z, t, *parameters)
        # Formulas may return plain numbers where a derivative is constant.
        return value, _full(gradient, z), _full(hessian, z)


def _full(derivative: Any, z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(derivative, dtype=np.float64), z.shape)
