"""The Hessian of each sample as a matrix, by the backends that compute its product with a vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin import checks

__all__ = ["hessian_matrix"]


def hessian_matrix(
    backend: Any, program: Any, prediction: Any, target: Any, weight: Any, where: Any, reduction: str, axis: int
) -> Any:
    """The Hessian (..., P, P) of the reduced loss by the P numbers of each sample: a product for each of them."""
    shape = tuple(prediction.shape)
    axis = checks.axis(np.broadcast_to(0.0, shape), axis)
    columns = []
    for place in range(shape[axis]):
        unit = np.zeros(shape, np.float32)
        np.moveaxis(unit, axis, -1)[..., place] = 1.0
        column = backend.hessian_vector_product(
            program, prediction, target, backend.beside(unit, prediction), weight, where, reduction, axis, None
        )
        columns.append(backend.axis_last(column, axis))
    return backend.stacked(columns)
