"""The objective: the mean loss of a network's predictions, and its gradient for the backward pass.

The loss of a sample is summed over its outputs. The loss of many is their weighted mean, sum(w l) / sum(w), so that a
weight of 2 is the same as having the sample twice, and a weight of 0 the same as not having it.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.learn.samples.samples import Samples, blocks, samples_for
from rashin.learn.training.history import Score

if TYPE_CHECKING:
    from rashin.learn.network.network import Network
    from rashin.loss import Loss

__all__ = [
    "Sums",
    "Tally",
    "accuracy",
    "evaluate",
    "loss_of_each",
    "loss_per_sample",
    "loss_per_sample_and_gradient",
    "loss_sum",
    "loss_sum_and_gradient",
    "right",
    "score",
]

Array = NDArray[Any]


def loss_of_each(loss: Loss, prediction: Array, target: Array) -> Array:
    """The loss of each row of ``prediction``, summed over its outputs, as float64 (n,)."""
    losses: Array = loss.per_sample(prediction, target)
    return losses if loss.prediction.axes else losses.sum(axis=1)


def loss_per_sample(loss: Loss, prediction: Array, target: Array, weight: Array | None = None) -> float:
    """The loss summed over each row of ``prediction``, (n, outputs), and averaged over the rows by their weights."""
    return loss_sum(loss, prediction, target, weight) / _count(prediction, weight)


def loss_per_sample_and_gradient(
    loss: Loss, prediction: Array, target: Array, out: Array | None = None, weight: Array | None = None
) -> tuple[float, Array]:
    """``loss_per_sample`` and its gradient with respect to ``prediction``, written to ``out`` if given."""
    count = _count(prediction, weight)
    total, gradient = loss_sum_and_gradient(loss, prediction, target, weight, out)
    gradient /= count
    return total / count, gradient


def loss_sum(loss: Loss, prediction: Array, target: Array, weight: Array | None) -> float:
    """sum(w l), over rows and outputs."""
    total: float = loss(prediction, target, weight=_spread(loss, prediction, weight), reduction="sum")
    return total


def loss_sum_and_gradient(
    loss: Loss, prediction: Array, target: Array, weight: Array | None, out: Array | None
) -> tuple[float, Array]:
    """``loss_sum`` and its gradient with respect to ``prediction``."""
    total, gradient = loss.value_and_gradient(
        prediction, target, weight=_spread(loss, prediction, weight), reduction="sum", out=out
    )
    return total, gradient


def _spread(loss: Loss, prediction: Array, weight: Array | None) -> Array | None:
    """Weights as the loss takes them: one per row for row losses, one per number for pointwise losses."""
    if weight is None or loss.prediction.axes:
        return weight
    return np.broadcast_to(weight[:, None], prediction.shape)


def _count(prediction: Array, weight: Array | None) -> float:
    return len(prediction) if weight is None else float(weight.sum(dtype=np.float64))


def accuracy(prediction: Array, labels: ArrayLike) -> float:
    """The share of rows whose largest entry is at the label.

    Examples
    --------
    >>> import numpy as np
    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), [1, 1])
    0.5
    """
    return float(np.mean(prediction.argmax(axis=1) == np.asarray(labels)))


def right(network: Network, prediction: Array, samples: Samples) -> float:
    """The total weight of the samples whose predicted class is correct; NaN without classes."""
    if samples.labels is None:
        return math.nan
    if prediction.shape[1] == 1:  # two classes
        told = prediction[:, 0] > (0.5 if network.output == "sigmoid" else 0.0)
    else:
        told = prediction.argmax(axis=1)
    hits = told == samples.labels
    return float(np.count_nonzero(hits) if samples.weight is None else samples.weight[hits].sum(dtype=np.float64))


class Sums(NamedTuple):
    """Sums over samples: of w l, of w if the class is correct (NaN without classes), and of w."""

    loss: float
    right: float
    weight: float

    @property
    def score(self) -> Score:
        """The means; NaN if the total weight is 0."""
        if not self.weight:
            return Score(math.nan, None)
        return Score(self.loss / self.weight, None if math.isnan(self.right) else self.right / self.weight)


class Tally:
    """Sums over batches that give the means over all their samples, whatever the sizes of the batches.

    The score is the sum of the batches' sums, rounded once, divided by the sum of their weights.
    """

    def __init__(self) -> None:
        self._columns = array("d"), array("d"), array("d")

    def add(self, sums: Sums) -> None:
        """Add a batch."""
        for column, number in zip(self._columns, sums, strict=True):
            column.append(number)

    @property
    def score(self) -> Score:
        """The means over all samples so far; NaN without samples."""
        return Sums(*(math.fsum(column) for column in self._columns)).score


def evaluate(network: Network, loss: Loss, x: Array, target: ArrayLike, weight: ArrayLike | None = None) -> Score:
    """The mean loss per sample and the accuracy over all of ``x``, (n, inputs).

    Parameters
    ----------
    target, weight : labels (n,) or numbers (n, outputs), and weights (n,), as ``samples_for`` takes them.

    Raises
    ------
    ValueError : network, loss and data do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> network = Network((2, 2), seed=0)
    >>> network.parameters[0][:] = 0.0
    >>> evaluate(network, rashin.softmax_cross_entropy, np.ones((4, 2), np.float32), [0, 1, 1, 1])
    Score(loss=0.6931471805599453, accuracy=0.25)
    """
    return score(network, loss, samples_for(network, loss, x, target, weight))


def score(network: Network, loss: Loss, samples: Samples) -> Score:
    """``evaluate`` for samples that are already checked, one block of rows at a time."""
    tally = Tally()
    for rows in blocks(samples.x):
        part = samples.rows(rows)
        prediction = network.predict(part.x)
        value = loss_sum(loss, prediction, part.target, part.weight)
        tally.add(Sums(value, right(network, prediction, part), part.total))
    return tally.score
