"""Weights of samples, as scikit-learn's estimators take them."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

__all__ = ["checked_weight", "weight_for_each"]

Array = NDArray[Any]


def weight_for_each(weight: ArrayLike | None, y: Any) -> ArrayLike | None:
    """A single number as one weight per target, as scikit-learn's own estimators do."""
    if not _is_one_number(weight):
        return weight
    return checked_weight(weight, y.shape[0] if hasattr(y, "shape") else len(y))


def _is_one_number(weight: Any) -> bool:
    return isinstance(weight, Real) or (isinstance(weight, np.ndarray) and weight.ndim == 0)


def checked_weight(weight: ArrayLike | None, n: int) -> Array | None:
    """The weights of n samples, finite and not negative, of which one is above 0."""
    if weight is None:
        return None
    weight = np.full(n, weight) if _is_one_number(weight) else weight
    checked: Array = check_array(weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if checked.shape != (n,):
        raise ValueError(f"sample_weight: got shape {checked.shape}; expected one weight per sample, shape ({n},)")
    if checked.min() < 0.0:
        raise ValueError(f"sample_weight: got {checked.min()}; expected finite weights >= 0")
    if not checked.any():
        raise ValueError("sample_weight: got zero for all samples; expected at least one weight > 0")
    return checked
