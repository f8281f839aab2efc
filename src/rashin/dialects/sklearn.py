"""The losses of ``sklearn.metrics``, by their names and arguments, from the exact ones: weighted means, as floats.

They do not import scikit-learn. What it accepts in silence is refused, here as everywhere in rashin: negative weights,
rows of probabilities that do not sum to 1, and targets of 0 in percentages.

Examples
--------
>>> from rashin.dialects import sklearn as metrics
>>> metrics.log_loss(["ham", "spam", "ham"], [0.1, 0.7, 0.4], sample_weight=[1.0, 2.0, 1.0])
0.33238400682...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from rashin.dialects.arrays import beside, logarithm, read, same_shape, weights, widened
from rashin.dialects.named import documented, made, missing
from rashin.losses import (
    binary_brier,
    binary_cross_entropy,
    brier,
    categorical_cross_entropy,
    crammer_singer,
    gamma,
    hinge,
    poisson,
    squared_error,
    tweedie,
)

_dialect = documented("sklearn")
__getattr__ = missing("sklearn")


def _by_output(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of one output for several: the mean of their errors, weighted, or all of them."""

    @functools.wraps(function)
    def of_outputs(
        y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average", **settings: Any
    ) -> Any:
        xp, z, t = read(y_pred, y_true)
        z, t = (each[:, 0] if each.ndim == 2 and each.shape[1] == 1 else each for each in (z, t))
        same_shape(y_pred=z, y_true=t)
        outputs = ((t, z),) if z.ndim == 1 else ((t[:, k], z[:, k]) for k in range(z.shape[1]))
        errors = [function(*output, sample_weight=sample_weight, **settings) for output in outputs]
        if isinstance(multioutput, str) and multioutput == "uniform_average":
            return errors[0] if len(errors) == 1 else sum(errors) / len(errors)
        found = xp.stack([beside(error, z) for error in errors])
        if isinstance(multioutput, str):
            if multioutput != "raw_values":
                raise ValueError(
                    f"multioutput: got {multioutput!r}; expected 'uniform_average', 'raw_values' or a weight for each "
                    f"output"
                )
            return found
        share = weights(beside(multioutput, z))
        same_shape(multioutput=share, outputs=found)
        return xp.sum(found * share) / xp.sum(share)

    return of_outputs


globals().update(made("sklearn", __name__, _by_output))


@_dialect
def mean_poisson_deviance(y_true, y_pred, *, sample_weight=None):
    return _deviance(poisson, y_true, y_pred, sample_weight)


@_dialect
def mean_gamma_deviance(y_true, y_pred, *, sample_weight=None):
    return _deviance(gamma, y_true, y_pred, sample_weight)


@_dialect
def mean_tweedie_deviance(y_true, y_pred, *, sample_weight=None, power=0):
    if power == 0:
        return squared_error(y_pred, y_true, weight=sample_weight)
    return _deviance(tweedie.replace(power=power), y_true, y_pred, sample_weight)


def _deviance(loss: Any, y_true: Any, y_pred: Any, weight: Any) -> Any:
    """Twice what the loss of the mean exceeds that of the target itself."""
    xp, mean, t = read(y_pred, y_true)
    same_shape(y_pred=mean, y_true=t)
    own = widened(t)
    best = logarithm(xp, xp.where(own > 0.0, own, 0.0))
    return 2.0 * (loss(logarithm(xp, widened(mean)), t, weight=weight) - loss(best, t, weight=weight))


def _codes(y_true: Any, labels: Any) -> tuple[Any, int]:
    """The place of each label among the sorted labels, and their number."""
    if np.ndim(y_true) == 2 and np.shape(y_true)[1] > 1:
        return _columns(np.asarray(y_true), labels)
    given, classes = np.asarray(y_true), np.unique(np.asarray(y_true if labels is None else labels))
    if labels is not None and list(labels) != classes.tolist():
        raise ValueError(f"labels: got {list(labels)}; expected {classes.tolist()}, sorted, which the columns are")
    codes = np.searchsorted(classes, given)
    wrong = classes[np.minimum(codes, len(classes) - 1)] != given
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ValueError(f"y_true: got {given[index]} at index {index}; expected one of the labels {classes.tolist()}")
    if len(classes) < 2:
        raise ValueError(f"y_true: got the only label {classes.tolist()}; expected two or more; fix: pass labels=")
    return codes, len(classes)


def _columns(indicators: Any, labels: Any) -> tuple[Any, int]:
    """The column of the 1 in each row of a matrix, and the number of columns."""
    if labels is not None:
        raise ValueError(f"labels: got {list(labels)} beside a matrix y_true; expected None; fix: leave labels out")
    wrong = ((indicators != 0) & (indicators != 1)).any(axis=1) | ((indicators == 1).sum(axis=1) != 1)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ValueError(
            f"y_true: got {indicators[index].tolist()} at index {index}; expected labels, or rows with one 1 and 0 "
            f"elsewhere"
        )
    return indicators.argmax(axis=1), indicators.shape[1]


def _of_classes(y_true: Any, y_score: Any, labels: Any) -> tuple[Any, Any, bool]:
    """Labels as codes, scores, and whether the scores are those of one class of two."""
    codes, classes = _codes(y_true, labels)
    _, score = read(y_score)
    score = score[:, 0] if score.ndim == 2 and score.shape[1] == 1 else score
    columns = 2 if score.ndim == 1 else score.shape[1]
    if columns != classes:
        raise ValueError(
            f"labels: got {classes} classes for {columns} columns of scores; expected as many; fix: pass labels="
        )
    return beside(codes, score), score, score.ndim == 1


@_dialect
def log_loss(y_true, y_proba=None, *, normalize=True, sample_weight=None, labels=None, y_pred="deprecated", clip=False):
    y_proba = y_pred if y_proba is None else y_proba
    codes, p, is_binary = _of_classes(y_true, y_proba, labels)
    p = _clipped(p) if clip else p
    reduction = "mean" if normalize else "sum"
    if is_binary:
        return binary_cross_entropy(p, codes, weight=sample_weight, reduction=reduction)
    return categorical_cross_entropy(p, codes, weight=sample_weight, reduction=reduction, normalized=not clip)


def _clipped(p: Any) -> Any:
    """Probabilities at a distance from 0 and 1: the epsilon of their dtype."""
    xp, p = read(p)
    tiny = float(xp.finfo(p.dtype).eps)
    return xp.where(p < tiny, tiny, xp.where(p > 1.0 - tiny, 1.0 - tiny, p))


@_dialect
def hinge_loss(y_true, pred_decision, *, labels=None, sample_weight=None):
    codes, scores, is_binary = _of_classes(y_true, pred_decision, labels)
    if is_binary:
        return hinge(scores, 2 * codes - 1, weight=sample_weight)
    return crammer_singer(scores, codes, weight=sample_weight)


@_dialect
def brier_score_loss(y_true, y_proba, *, sample_weight=None, pos_label=None, labels=None, scale_by_half="auto"):
    if np.ndim(y_proba) == 1 or np.shape(y_proba)[1] == 1:
        _, p = read(y_proba)
        p = p[:, 0] if p.ndim == 2 else p
        loss, factor = binary_brier(p, beside(_positive(y_true, pos_label), p), weight=sample_weight), 2.0
        halved = scale_by_half in ("auto", True)
    else:
        codes, p, _ = _of_classes(y_true, y_proba, labels)
        loss, factor = brier(p, codes, weight=sample_weight), 1.0
        halved = p.shape[1] < 3 if scale_by_half == "auto" else scale_by_half
    return loss * factor * (0.5 if halved else 1.0)


def _positive(y_true: Any, label: Any) -> Any:
    """1 for the positive class: the one that is named, else 1 among the labels 0 or -1 and 1."""
    given = np.asarray(y_true)
    if label is None and not np.isin(given, (-1, 0, 1)).all():
        raise ValueError(f"pos_label: got None for the labels {np.unique(given).tolist()}; expected one of them")
    return (given == (1 if label is None else label)).astype(np.int64)
