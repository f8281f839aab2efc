"""Shapes that fit each other: of prediction and target, and where the classes lie."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.domain import LABEL, Sample
from rashin.rule import Rule

__all__ = ["axis", "holds_distributions", "holds_rows", "numbers", "same_shape"]


def same_shape(prediction: NDArray[Any], target: NDArray[Any], name: str = "target") -> None:
    """Shapes must be equal: broadcasting an (n, 1) against an (n,) has cost many people a model."""
    if prediction.shape != target.shape:
        raise ValueError(
            f"{name}: got shape {target.shape} for a prediction of shape {prediction.shape}; expected equal "
            f"shapes; fix: {_reshaping(prediction.shape, target.shape)}"
        )


def _reshaping(wanted: tuple[int, ...], got: tuple[int, ...]) -> str:
    if math.prod(wanted) == math.prod(got):
        return f"use target.reshape({wanted})"
    try:
        np.broadcast_shapes(wanted, got)
    except ValueError:
        return "pass one target for each prediction"
    return f"use np.broadcast_to(target, {wanted}) if that is what you mean"


def axis(prediction: NDArray[Any], number: Any, name: str = "prediction") -> int:
    """The class axis, counted from the end."""
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
        raise TypeError(f"axis: got {number!r}; expected a whole number")
    if prediction.ndim == 0:
        raise ValueError(f"{name}: got shape (); expected (..., C), with the classes along `axis`")
    if not -prediction.ndim <= number < prediction.ndim:
        raise ValueError(
            f"axis: got {number} for a {name} of shape {prediction.shape}; expected "
            f"{-prediction.ndim} to {prediction.ndim - 1}"
        )
    counted = int(number) % prediction.ndim
    if prediction.shape[counted] == 0:
        raise ValueError(
            f"{name}: got shape {prediction.shape} with no classes along axis {counted}; expected at least one class"
        )
    return counted - prediction.ndim


def numbers(prediction: NDArray[Any], target: NDArray[Any] | None, axis: int, rule: Rule) -> tuple[int, ...]:
    """The shape of samples of several numbers, which the axis must hold and the targets must have."""
    names, samples = ", ".join(rule.prediction.names), prediction.shape[:axis] + prediction.shape[axis:][1:]
    count = prediction.shape[axis]
    if rule.columns and count != rule.columns:
        raise ValueError(
            f"prediction: got {count} numbers per sample; expected {rule.columns} ({names}) along `axis`; fix: pass "
            f"np.stack([{names}], axis=-1)"
        )
    levels = dict(rule.options).get("levels")
    if levels is not None and count != len(levels):
        raise ValueError(
            f"prediction: got {count} numbers per sample; expected {len(levels)} along `axis`, one for each of the "
            f"levels {levels}; fix: pass levels=..."
        )
    if target is not None and target.shape != samples:
        raise ValueError(
            f"target: got shape {target.shape} for a prediction of shape {prediction.shape}; expected {samples}, one "
            f"target for each sample of {count} numbers{f' ({names})' if names else ''}"
        )
    return samples


def holds_distributions(
    prediction: NDArray[Any], target: NDArray[Any], rows: tuple[int, ...], only_labels: bool
) -> bool:
    """Whether the target holds distributions (else labels); shape alone decides."""
    if target.shape == rows:
        return False
    if target.shape == prediction.shape and not only_labels:
        return True
    accepted = f"labels of shape {rows}" + ("" if only_labels else f" or distributions of shape {prediction.shape}")
    hint = ""
    if target.shape == (*rows, 1):
        hint = "; fix: use target[..., 0]"
    elif target.shape == prediction.shape:
        hint = "; fix: use target.argmax(-1), if the rows are one-hot"
    raise ValueError(
        f"target: got shape {target.shape} for a prediction of shape {prediction.shape}; expected {accepted}{hint}"
    )


def holds_rows(prediction: NDArray[Any], target: NDArray[Any], rows: tuple[int, ...], of: Sample) -> bool:
    """Whether the target holds a row for each row of the prediction (else labels)."""
    if not of.axes:
        return holds_distributions(prediction, target, rows, of == LABEL)
    if target.shape != prediction.shape:
        raise ValueError(
            f"target: got shape {target.shape} for a prediction of shape {prediction.shape}; expected logits of the "
            f"prediction's shape"
        )
    return True
