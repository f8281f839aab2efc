"""Training: look at a mini-batch, ask the loss which way is down, take a step, and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.learn.batches import minibatches
from rashin.learn.history import Epoch, History, Score, Step
from rashin.learn.objective import accuracy, evaluate, fitting_targets, loss_per_sample_and_gradient
from rashin.learn.optimizer import Momentum

if TYPE_CHECKING:
    from rashin.learn.network import Network
    from rashin.loss import Loss

__all__ = ["Diverged", "train"]

Array = NDArray[Any]

_RISE = 100.0  # times the loss of the first mini-batch: what climbs so high does not come back


class Diverged(ArithmeticError):
    """The loss is not finite any more, or has risen beyond all reason."""


def train(
    network: Network,
    loss: Loss,
    x: Array,
    labels: ArrayLike,
    held_out: tuple[Array, ArrayLike] | None = None,
    *,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 0.1,
    seed: int = 0,
    callback: Callable[[History], object] | None = None,
) -> History:
    """Train ``network`` in place to tell classes, by gradient descent with momentum on mini-batches.

    Parameters
    ----------
    network : with the output layer that the loss needs, ``output_for(loss)``, and one output per class.
    loss : what is made small; a pointwise loss is summed over the outputs, whose targets are one-hot.
    x, labels : samples (n, inputs), best in float32, and their classes (n,), whole numbers from 0 on.
    held_out : samples and labels that are never trained on, scored after each epoch.
    epochs, batch_size : how often all samples are seen, and how many at a time; whole numbers >= 1.
    learning_rate : length of a step, finite and > 0.
    seed : of the order of the samples.
    callback : called after each step with the history so far.

    Returns
    -------
    The history: a score of each mini-batch, and of all data after each epoch.

    Raises
    ------
    ValueError : settings out of range, or network, loss and data that do not fit together.
    Diverged : the loss became infinite or NaN, or rose to 100 times its first value (or 100).

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> x = np.array([[0.0], [1.0]], np.float32)
    >>> history = train(Network((1, 2)), rashin.softmax_cross_entropy, x, [0, 1], epochs=50)
    >>> history.epochs[-1].training.accuracy
    1.0
    """
    _check_at_least_one(epochs=epochs, batch_size=batch_size)
    targets, labels = fitting_targets(network, loss, x, labels), np.asarray(labels)
    if held_out is not None:
        fitting_targets(network, loss, *held_out)  # raises now, not after an epoch
    if not np.isfinite(x).all():
        raise ValueError("x holds a NaN or an infinite number; leave such samples out or fill them in")
    training = _Training(network, loss, Momentum(learning_rate), History())
    for epoch in range(1, epochs + 1):
        for batch in minibatches(x, targets, labels, size=batch_size, seed=(seed, epoch)):
            training.step(epoch, *batch)
            if callback is not None:
                callback(training.history)
        training.end_epoch(epoch, (x, labels), held_out)
    return training.history


@dataclass
class _Training:
    """What lives from one step to the next."""

    network: Network
    loss: Loss
    optimizer: Momentum
    history: History
    buffer: Array | None = None  # of d loss / d prediction: no step allocates it anew

    def step(self, epoch: int, x: Array, target: Array, labels: Array) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found and told in words below
            trace = self.network.forward(x)
            self._check_finite(trace.prediction)
            value, gradient = self._loss_and_gradient(trace.prediction, target)
            score = Score(value, accuracy(trace.prediction, labels))
            self.history.steps.append(Step(len(self.history.steps) + 1, epoch, score))
            self._check_loss(value)
            self.optimizer.step(self.network.parameters, self.network.backward(trace, gradient))

    def end_epoch(self, epoch: int, seen: tuple[Array, ArrayLike], held_out: tuple[Array, ArrayLike] | None) -> None:
        self._check_finite(*self.network.parameters)
        training = evaluate(self.network, self.loss, *seen)
        unseen = None if held_out is None else evaluate(self.network, self.loss, *held_out)
        self.history.epochs.append(Epoch(epoch, len(self.history.steps), training, unseen))

    def _loss_and_gradient(self, prediction: Array, target: Array) -> tuple[float, Array]:
        out = None if self.buffer is None else self.buffer[: len(prediction)]
        value, gradient = loss_per_sample_and_gradient(self.loss, prediction, target, out)
        if self.buffer is None:  # the first batch is the largest
            self.buffer = gradient
        return value, gradient

    def _check_loss(self, value: float) -> None:
        first = self.history.steps[0].batch.loss
        if not np.isfinite(value):
            raise self._diverged(f"the loss became {value}")
        if value > _RISE * max(abs(first), 1.0):
            raise self._diverged(f"the loss rose from {first:.4g} to {value:.4g}")

    def _check_finite(self, *arrays: Array) -> None:
        if not all(np.isfinite(array).all() for array in arrays):
            raise self._diverged("the network overflowed")

    def _diverged(self, what: str) -> Diverged:
        rate, step = self.optimizer.learning_rate, max(len(self.history.steps), 1)
        return Diverged(f"{what} at step {step}: training diverges; try a learning rate well below {rate:g}")


def _check_at_least_one(**settings: int) -> None:
    for name, value in settings.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be a whole number >= 1; got {value!r}")
