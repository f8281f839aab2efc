"""The score to beat: that of the best constant prediction, which ignores the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.constant import constant_for_classes, constant_of
from rashin.learn.samples.samples import Samples
from rashin.learn.samples.targets import class_targets
from rashin.learn.training.history import Score
from rashin.learn.training.objective import loss_of_each, right

if TYPE_CHECKING:
    from rashin.learn.network.network import Network
    from rashin.loss import Loss

__all__ = ["Constant", "best_constant"]

Array = NDArray[Any]


class Constant(NamedTuple):
    """One prediction (outputs,) for all samples, its score, and the standard deviation of its losses."""

    prediction: Array
    score: Score
    spread: float


def best_constant(loss: Loss, network: Network, samples: Samples) -> Constant | None:
    """The constant prediction with the smallest weighted mean loss, for each output.

    It is what ``rashin.best_constant`` finds for the targets as the network sees them.

    Parameters
    ----------
    loss, network : loss and network for which the samples were prepared.
    samples : samples from ``samples_for``.

    Returns
    -------
    The constant and its score; None if no finite constant is known.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network, samples_for
    >>> network, loss = Network((1, 2)), rashin.softmax_cross_entropy
    >>> best_constant(loss, network, samples_for(network, loss, np.zeros((4, 1)), [0, 1, 1, 1])).score
    Score(loss=0.5623351446188083, accuracy=0.75)
    """
    target, weight = _distinct(loss, network, samples)
    with np.errstate(all="ignore"):  # values that are not finite are handled below
        prediction = _prediction(loss, network, target, weight)
        losses = None if prediction is None else _losses(loss, prediction, target)
        mean = np.nan if losses is None else float(np.average(losses, weights=weight))
    if prediction is None or losses is None or not np.isfinite(mean):
        return None
    spread = float(np.average((losses - mean) ** 2, weights=weight)) ** 0.5
    return Constant(prediction, Score(mean, _accuracy(network, samples, prediction)), spread)


def _distinct(loss: Loss, network: Network, samples: Samples) -> tuple[Array, Array]:
    """Targets and their weights: one per class if there are classes, otherwise one per sample."""
    classes, labels = network.sizes[-1], samples.labels
    are_coded = samples.target.ndim == 1 or (not loss.prediction.has_classes and classes > 1)
    if labels is not None and are_coded:
        shares = np.bincount(labels, samples.weight, minlength=classes)
        target, weight = class_targets(loss, np.arange(classes), classes), shares.astype(np.float64)
    else:
        target = samples.target
        weight = np.ones(len(target)) if samples.weight is None else samples.weight.astype(np.float64)
    return target[weight > 0.0], weight[
        weight > 0.0
    ]  # a class that does not occur costs nothing, even if its loss is infinite


def _prediction(loss: Loss, network: Network, target: Array, weight: Array) -> Array | None:
    """The best constant (outputs,); None if it is unknown."""
    if loss.prediction.has_classes and target.ndim == 1:
        return constant_for_classes(loss, np.bincount(target, weight, minlength=network.sizes[-1]))
    numbers = target.astype(np.float64)
    columns = numbers.T if loss.prediction.axes == 0 else [numbers]
    found = [constant_of(loss, column, weight) for column in columns]
    if any(one is None for one in found):
        return None
    return np.array(found, np.float64) if loss.prediction.axes == 0 else np.asarray(found[0], np.float64)


def _losses(loss: Loss, prediction: Array, target: Array) -> Array | None:
    """The loss of each target, summed over its outputs; None if the constant is not a valid prediction."""
    if not loss.prediction.contains(prediction).all():
        return None
    everyone = np.broadcast_to(prediction, (len(target), len(prediction)))
    return loss_of_each(loss, everyone, target)


def _accuracy(network: Network, samples: Samples, prediction: Array) -> float | None:
    if samples.labels is None:
        return None
    everyone = np.broadcast_to(prediction, (len(samples.x), len(prediction)))
    return right(network, everyone, samples) / samples.total
