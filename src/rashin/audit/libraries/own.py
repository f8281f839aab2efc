"""Losses of rashin, on arrays of NumPy, PyTorch or JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.subject import Subject, Target
from rashin.loss import Loss

__all__ = ["subject"]

Array = NDArray[Any]


def subject(target: Target) -> Subject:
    """A ``Loss``, evaluated per sample."""
    loss: Loss = target.f

    def value(z: Array, t: Array, /, **keywords: Any) -> Array:
        return np.asarray(loss(z, t, reduction="none", **keywords))

    def gradient(z: Array, t: Array, /, **keywords: Any) -> Array:
        return np.asarray(loss.gradient(z, t, reduction="sum", **keywords))

    def hessian(z: Array, t: Array, /, **keywords: Any) -> Array:
        return np.asarray(loss.hessian(z, t, reduction="sum", **keywords))

    return Subject(
        target, "rashin", value, {"gradient": gradient}, hessian, weights="weight", masks="where", is_own=True
    )
