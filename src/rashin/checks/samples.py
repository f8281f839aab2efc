"""What belongs to the samples of a prediction: labels, weights, vectors, and arrays for derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.checks.arrays import array, first, inside
from rashin.refusal import Refusal

__all__ = ["labels", "output", "separate", "sum_tolerance", "vector", "weights", "weights_fit"]

_MOST = 0.05  # 4 C eps of float16 would let any row of 256 classes pass


def labels(target: NDArray[Any], where: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Labels as int64; whole floats are labels, 0.5 is not. What is no class is left to the sweep."""
    if target.dtype.kind in "bi" or (target.dtype.kind == "u" and target.dtype.itemsize < 8):
        return target.astype(np.int64, copy=False)
    numbers = target.astype(np.float64)
    wrong = (numbers != np.floor(numbers)) | ~np.isfinite(numbers)
    if where is not None:
        wrong &= where
    if wrong.any():
        index = first(wrong)
        expected = "whole labels (distributions need the shape of the prediction)"
        raise Refusal("target", str(target[index]), expected, index=index)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(numbers) < 2.0**62, numbers, -1.0).astype(np.int64)


def sum_tolerance(classes: int, eps: float) -> float:
    """By how much the sum of a distribution may miss 1."""
    return min(_MOST, 4.0 * classes * eps)


def weights(weight: Any, shape: tuple[int, ...], where: Any = None) -> NDArray[Any]:
    """Weights of the given shape."""
    weight = array("weight", weight, where)
    if weight.shape != shape:
        raise ValueError(
            f"weight: got shape {weight.shape}; expected one weight per sample, shape {shape}; fix: "
            f"np.broadcast_to(weight, {shape}) if that is what you mean"
        )
    return weight  # type: ignore[no-any-return]


@np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
def weights_fit(weight: NDArray[Any], where: NDArray[np.bool_] | None) -> None:
    """Weights are finite and not negative."""
    numbers = weight.astype(np.float64, copy=False)
    wrong = ~((numbers >= 0.0) & (numbers < np.inf))
    if where is not None:
        wrong &= where
    if wrong.any():
        index = first(wrong)
        raise Refusal("weight", str(weight[index]), "finite weights >= 0", index=index)


def vector(vector: Any, prediction: NDArray[Any], where: Any = None, axis: Any = -1) -> NDArray[Any]:
    """Finite numbers, as many as predictions; those outside ``where`` may be anything."""
    found = array("vector", vector, where, axis)
    if found.shape != prediction.shape:
        raise ValueError(
            f"vector: got shape {found.shape}; expected the shape of the prediction, {prediction.shape}; "
            f"fix: pass one number for each number of the prediction"
        )
    wrong = ~np.isfinite(found.astype(np.float64))
    if wrong.any():
        wrong = inside(wrong, where, found, axis)
    if wrong.any():
        place = first(wrong)
        raise ValueError(
            f"vector: got {found[place]} at index {place[0] if len(place) == 1 else place}; expected finite numbers; "
            f"fix: replace it, or leave its sample out by where=..."
        )
    return found


def output(name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array that can take a derivative."""
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"{name}: got {type(out).__name__}; expected a NumPy array of shape {shape} and dtype {dtype}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"{name}: got shape {out.shape}, dtype {out.dtype}; expected shape {shape}, dtype {dtype}")
    if not out.flags.writeable:
        raise ValueError(f"{name}: got a read-only array; expected one that can be written")
    return out


def separate(out: NDArray[Any], hessian_out: NDArray[Any]) -> None:
    """Two outputs that share no element; columns of one array may lie side by side."""
    if np.shares_memory(out, hessian_out):
        raise ValueError(
            "hessian_out: got an array that overlaps out; expected two arrays that share no memory; fix: pass "
            "np.empty_like(out)"
        )
