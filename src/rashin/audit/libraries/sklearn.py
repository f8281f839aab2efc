"""Metrics of scikit-learn, and the losses of its private module ``sklearn._loss``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.subject import Subject, Target, numpy_literal

__all__ = ["metric", "objects"]

Array = NDArray[Any]


def metric(target: Target) -> Subject:
    """A metric ``(y_true, y_pred)``. If it has ``labels``, it gets those that batches of one sample do not show."""
    has_labels = "labels" in target.parameters and not target.settings.get("labels")

    def labelled(z: Array, t: Array) -> Target:
        return replace(target, settings={**target.settings, "labels": _labels(z, t)}) if has_labels else target

    def value(z: Array, t: Array, /, **keywords: Any) -> Array:
        return np.asarray(labelled(z, t)(z, t, **keywords))

    def written(z: Array, t: Array, **keywords: Array) -> str:
        named = {name: numpy_literal(x) for name, x in keywords.items()}
        return labelled(z, t).written(numpy_literal(z), numpy_literal(t), **named)

    return Subject(target, "sklearn", value, written=written)


def _labels(z: Array, t: Array) -> list[int]:
    if z.ndim > 1:
        return list(range(z.shape[1]))
    return [-1, 1] if t.size and np.min(t) < 0 else [0, 1]


def objects(target: Target) -> Subject:
    """An object of ``sklearn._loss``, such as ``HalfBinomialLoss()``: it computes in double and rounds once."""
    loss = target.f

    def value(z: Array, t: Array, /, **keywords: Any) -> Array:
        return np.asarray(loss.loss(_as(z, t), _copied(z), **keywords))

    def gradient(z: Array, t: Array, /, **keywords: Any) -> Array:
        return np.asarray(loss.gradient(_as(z, t), _copied(z), **keywords))

    def hessian(z: Array, t: Array, /, **keywords: Any) -> Array:
        return np.asarray(loss.gradient_hessian(_as(z, t), _copied(z), **keywords)[1])

    def written(z: Array, t: Array, sample_weight: Array | None = None) -> str:
        given = [_as(z, t), z] if sample_weight is None else [_as(z, t), z, sample_weight]
        return f"{target.expression}.loss({', '.join(map(numpy_literal, given))})"

    n_classes = getattr(loss, "n_classes", None) or 1
    bends = None if n_classes > 2 else hessian  # of several classes it is the bound that trees use
    return Subject(target, "sklearn", value, {"gradient": gradient}, bends, written, weights="sample_weight")


def _as(z: Array, t: Array) -> Array:
    return np.array(t, dtype=z.dtype)


def _copied(z: Array) -> Array:
    return np.array(z, order="C")
