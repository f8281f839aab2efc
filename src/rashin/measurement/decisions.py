"""Classes: the class of a target, and if a prediction decides for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.domain import LOGIT, PROBABILITY, Row, Thresholds
from rashin.kernels.decisions import first_largest
from rashin.logits import softmax
from rashin.measurement.sums.codes import Codes
from rashin.refusal import Refusal

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["class_probabilities", "classes_of", "decides", "no_classes", "right_of", "two_classes"]

Array = NDArray[Any]

_FLOAT = np.dtype(np.float32), np.dtype(np.float64)


def class_probabilities(loss: Loss, prediction: Array) -> Array:
    """The probabilities of the classes, softmax(z) or those between thresholds; other predictions as they are."""
    if isinstance(loss.prediction, Thresholds):
        return _between_thresholds(prediction)
    if loss.prediction != Row(LOGIT):
        return prediction
    softcap = loss.parameters.get("softcap")
    return softmax(prediction if softcap is None else softcap * np.tanh(prediction / softcap))  # type: ignore[no-any-return]


def _between_thresholds(prediction: Array) -> Array:
    """sigma(b - z) - sigma(a - z) = sigma(b - z) sigma(z - a) (1 - e^(a - b)) between thresholds a <= b, (..., K)."""
    rows = prediction.astype(np.float64)
    ends = np.full((*rows.shape[:-1], 1), np.inf)
    edges = np.concatenate([-ends, rows[..., :-1], ends], axis=-1)
    low, high, z = edges[..., :-1], edges[..., 1:], rows[..., -1:]
    with np.errstate(all="ignore"):  # of infinite thresholds that are equal, and of rows that do not count
        gap = np.where(low == high, 0.0, high - low)
        logarithm = np.logaddexp(0.0, z - high) + np.logaddexp(0.0, low - z)
        return -np.exp(-logarithm) * np.expm1(-gap)  # type: ignore[no-any-return]


def decides(loss: Loss) -> bool:
    """True if a prediction of the loss is a decision between classes, and so correct or wrong."""
    return loss.prediction.has_classes or two_classes(loss) is not None


def two_classes(loss: Loss) -> tuple[int, int] | None:
    """The two targets of a two-class loss, such as -1 and 1."""
    domain = loss.target.entry()
    if domain.shape == "ends" or domain == PROBABILITY:
        return int(domain.low), int(domain.high)
    return None


def no_classes(loss: Loss) -> ValueError:
    """The error for a loss of numbers where classes are needed."""
    return ValueError(f"loss: got {loss.name}, whose targets are numbers; expected a loss of classes")


def classes_of(loss: Loss, prediction: Array, target: Array, where: Array | None) -> Codes:
    """The class of each sample, in C order.

    Raises
    ------
    ValueError : the targets are not classes but distributions or numbers.
    """
    if loss.prediction.has_classes:
        if target.shape != loss.prediction.batch_shape(prediction.shape):
            raise ValueError(f"target: got distributions, of shape {target.shape}; expected labels, for classes")
        return Codes(_own_labels(target, where, prediction.shape[-1]), range(prediction.shape[-1]))
    pair = two_classes(loss)
    if pair is None:
        raise no_classes(loss)
    high = target.reshape(-1) == pair[1]
    between = ~(high | (target.reshape(-1) == pair[0]))
    if where is not None:
        between &= where.reshape(-1)
    if between.any():
        place = int(np.argmax(between))
        index = tuple(map(int, np.unravel_index(place, target.shape)))
        raise Refusal("target", str(target[index]), f"{pair[0]} or {pair[1]}, for classes", index=index)
    return Codes(high.astype(np.int64), pair)


def _own_labels(target: Array, where: Array | None, classes: int) -> Array:
    """A private copy of the labels, all of them in range, because they are indices of sums."""
    labels = checks.labels(target, where).flatten()
    wrong = (labels < 0) | (labels >= classes)
    if where is not None:
        wrong &= where.reshape(-1)
    if wrong.any():
        place = int(np.argmax(wrong))
        checks.refuse_label(labels[place], tuple(map(int, np.unravel_index(place, target.shape))), classes)
    return labels


def right_of(loss: Loss, prediction: Array, target: Array) -> Array:
    """True for each prediction that decides for the class of its target, in C order.

    The decision is the first class with the largest value or, between thresholds, the largest probability; of two
    classes, the upper one if the probability exceeds 1/2 or the logit exceeds 0.

    Raises
    ------
    ValueError : the targets are numbers.
    """
    if loss.prediction.has_classes:
        labels = target if target.shape == loss.prediction.batch_shape(prediction.shape) else _largest(target)
        told = class_probabilities(loss, prediction) if isinstance(loss.prediction, Thresholds) else prediction
        return np.equal(_largest(told).reshape(-1), labels.reshape(-1))
    pair = two_classes(loss)
    if pair is None:
        raise no_classes(loss)
    told = prediction > (0.5 if loss.prediction == PROBABILITY else 0.0)
    return np.equal(told, target > (pair[0] + pair[1]) / 2).reshape(-1)


def _largest(rows: Array) -> Array:
    """The index of the largest entry of each row, the first one for ties."""
    table = rows.reshape(-1, rows.shape[-1])
    table = table if table.dtype in _FLOAT else table.astype(np.float64)
    places = np.empty(len(table), np.int64)
    first_largest(table.dtype)(np.require(table, None, ["C", "A"]), places)
    return places
