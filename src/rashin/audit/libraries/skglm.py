"""Datafits of skglm: means of a loss of the linear predictor ``Xw``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.subject import Evaluation, Subject, Target, numpy_literal

__all__ = ["subject"]

Array = NDArray[Any]


def subject(target: Target) -> Subject:
    """A datafit. Its gradients by ``Xw``: ``raw_grad`` and, with the identity for X, those of dense and sparse X."""
    fit = target.f
    with_identity = [name for name in ("gradient", "full_grad_sparse") if hasattr(fit, name)]
    gradients = {name: _with_identity(fit, name) for name in with_identity}
    if hasattr(fit, "raw_grad"):
        gradients = {"raw_grad": _method(fit.raw_grad), **gradients}

    def value(z: Array, t: Array, /, **_: Any) -> Array:
        return np.asarray(fit.value(t, None, z))

    def written(z: Array, t: Array) -> str:
        return f"{target.expression}.value({numpy_literal(t)}, None, {numpy_literal(z)})"

    bends = _method(fit.raw_hessian) if hasattr(fit, "raw_hessian") else None
    return Subject(target, "skglm", value, gradients, bends, written)


def _method(method: Any) -> Evaluation:
    def run(z: Array, t: Array, /, **_: Any) -> Array:
        return np.broadcast_to(np.asarray(method(t, z)), z.shape)

    return run


def _with_identity(fit: Any, name: str) -> Evaluation:
    def run(z: Array, t: Array, /, **_: Any) -> Array:
        n = len(z)
        eye = np.eye(n, dtype=z.dtype)
        matrix = (np.ones(n, z.dtype), np.arange(n + 1), np.arange(n)) if name == "full_grad_sparse" else (eye,)
        getattr(fit, "initialize_sparse" if name == "full_grad_sparse" else "initialize")(*matrix, t)
        return np.asarray(getattr(fit, name)(*matrix, t, z))

    return run
