"""The training loop: take a mini-batch, compute the gradient of its loss, take a step, repeat."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rashin.learn.samples.batches import batch_rows
from rashin.learn.samples.samples import Samples
from rashin.learn.training.divergence import RISE, diverged, refuse_rise
from rashin.learn.training.history import Epoch, History, Score
from rashin.learn.training.objective import Sums, Tally, loss_sum_and_gradient, right, score
from rashin.learn.training.optimizers import Momentum, Optimizer
from rashin.learn.training.schedules import Schedule

if TYPE_CHECKING:
    from rashin.learn.network.network import Network, Trace
    from rashin.loss import Loss

__all__ = ["Trainer"]

Array = NDArray[Any]

_TOLD: dict[str, Any] = {
    "over": "ignore",
    "invalid": "ignore",
}  # overflows are detected later, and reported in an error
_CACHE = 4 << 20  # bytes; a batch as large as this does not fit in any cache


class Trainer:
    r"""Trains a network one step or one epoch at a time; ``train`` uses it, and you can use it directly.

    A step goes against the gradient of the mean loss of the mini-batch, sum(w l) / sum(w), whatever the batch size: a
    short last batch gives a rougher estimate of the same gradient. A batch of weight 0 gives no gradient and takes no
    step. If the batch contains all data, a weight of 2 is the same as having the sample twice, and a weight of 0 the
    same as not having it.

    Parameters
    ----------
    network : network that is trained in place, with the output layer that the loss needs, ``output_for(loss)``.
    loss : loss to minimise.
    optimizer : optimizer that turns gradients into steps; ``Momentum()`` if None.
    batch_size : samples per step, a whole number >= 1.
    weight_decay : factor lambda >= 0 of the L2 penalty: the gradient of lambda / 2 sum(W^2) over weights, not biases,
        is added to that of the loss. Reported losses do not include it. (It goes through the optimizer; it is not the
        decoupled decay of AdamW. scikit-learn's ``alpha`` is lambda times the size of a batch.)
    schedule : function of the step number, from 1, that returns a factor of the optimizer's learning rate; None keeps
        the rate constant.
    shuffle : switch; True draws a new order for each epoch, and False keeps the order of the samples.
    seed : seed for the orders; epoch e is drawn from (seed, e).
    rise : factor > 0 by which the loss of a batch may exceed its first value (or 1, if that is larger) before training
        counts as diverged; with infinity, only a loss that is not finite does.

    Attributes
    ----------
    history : steps and epochs so far.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Adam, Network, samples_for
    >>> network, loss = Network((1, 1), dtype=np.float64), rashin.half_squared_error
    >>> samples = samples_for(network, loss, [[0.0], [1.0]], [1.0, 3.0])
    >>> trainer = Trainer(network, loss, Adam(learning_rate=0.1), batch_size=2)
    >>> for _ in range(200):
    ...     end = trainer.epoch(samples)
    >>> network.predict(np.array([[2.0]])).round(2)
    array([[5.]])
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer | None = None,
        *,
        batch_size: int = 32,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
        shuffle: bool = True,
        seed: int = 0,
        rise: float = RISE,
    ) -> None:
        at_least_one(batch_size=batch_size)
        if not (np.isfinite(weight_decay) and weight_decay >= 0.0):
            raise ValueError(f"weight_decay: got {weight_decay}; expected a finite number >= 0")
        if not rise > 0.0:
            raise ValueError(f"rise: got {rise}; expected a number > 0")
        self.network, self.loss = network, loss
        self.optimizer = Momentum() if optimizer is None else optimizer
        self.batch_size, self.weight_decay = batch_size, weight_decay
        self.schedule, self.shuffle, self.seed = schedule, shuffle, seed
        self.rise = rise
        self.history = History()
        self.learning_rate = self.optimizer.learning_rate  # the schedule's factors multiply this rate
        self._x: Array | None = None  # memory for the inputs of batches, and for d loss / d prediction
        self._slope: Array | None = None
        self._parts: list[Array] = []
        self._join()

    @property
    def parameters(self) -> Array:
        """All parameters of the network as one vector; the network's arrays are views of it."""
        self._join()
        return self._vector

    def _join(self) -> None:
        """Make the network's arrays views of one vector, so that the optimizer moves one array and not a dozen."""
        network = self.network
        if [id(array) for array in network.parameters] == [id(part) for part in self._parts]:
            return
        self._vector = np.concatenate([array.ravel() for array in network.parameters], dtype=network.dtype)
        self._gradient = np.empty_like(self._vector)
        shapes = [array.shape for array in network.parameters]
        self._parts, self._gradients = _cut(self._vector, shapes), _cut(self._gradient, shapes)
        network.parameters[:] = self._parts

    def epoch(
        self, samples: Samples, held_out: Samples | None = None, callback: Callable[[History], object] | None = None
    ) -> Epoch:
        """Train on every sample once, ``batch_size`` at a time; ``samples_for`` makes the samples.

        Parameters
        ----------
        samples : samples to train on.
        held_out : samples to score after the last step.
        callback : function that is called after each step with the history so far.

        Returns
        -------
        The scores of the epoch, which the history contains too.

        Raises
        ------
        Diverged : the loss is no longer finite, or rose to ``rise`` times its first value.
        """
        self._join()
        number, tally = len(self.history.epochs) + 1, Tally()
        rooms, outside = cycle(self._rooms(samples)), np.geterr()
        order = batch_rows(len(samples.x), self.batch_size, (self.seed, number), self.shuffle)
        with np.errstate(**_TOLD):
            for chosen, room in zip(order, rooms, strict=False):
                sums = self._step(samples.rows(chosen, room), number)
                tally.add(sums)
                if callback is not None and sums.weight:
                    with np.errstate(**outside):
                        callback(self.history)
        self._check_finite(self._vector)
        unseen = None if held_out is None else score(self.network, self.loss, held_out)
        end = Epoch(number, len(self.history.steps), tally.score, unseen)
        self.history.epochs.append(end)
        return end

    def step(self, batch: Samples) -> Score:
        """Take one step on all the given samples, as the next step of the current epoch."""
        self._join()
        with np.errstate(**_TOLD):
            return self._step(batch, len(self.history.epochs) + 1).score

    def _step(self, batch: Samples, epoch: int) -> Sums:
        weight = batch.total
        if weight == 0.0:
            return Sums(0.0, 0.0, 0.0)
        trace = self.network.forward(batch.x)
        total, slope = self._loss_and_gradient(trace.prediction, batch)
        sums = Sums(total, right(self.network, trace.prediction, batch), weight)
        self.history.steps.append(epoch, sums.score)
        refuse_rise(total / weight, self.history, self.learning_rate, self.rise)
        slope /= weight
        self._descend(trace, slope)
        return sums

    def _descend(self, trace: Trace, slope: Array) -> None:
        self.network.backward(trace, slope, out=self._gradients)
        if self.weight_decay:
            for weight, gradient in zip(self._parts[::2], self._gradients[::2], strict=True):
                gradient += self.weight_decay * weight
        if self.schedule is not None:
            self.optimizer.learning_rate = self.learning_rate * self.schedule(len(self.history.steps))
        self.optimizer.step([self._vector], [self._gradient])

    def _loss_and_gradient(self, prediction: Array, batch: Samples) -> tuple[float, Array]:
        if self._slope is None or len(self._slope) < len(prediction) or self._slope.dtype != prediction.dtype:
            self._slope = np.empty_like(prediction)
        out = self._slope[: len(prediction)]
        try:
            return loss_sum_and_gradient(self.loss, prediction, batch.target, batch.weight, out)
        except ValueError:
            self._check_finite(prediction)  # the loss refuses NaN, so that no separate check is needed
            raise

    def _rooms(self, samples: Samples) -> Array:
        """Memory for the inputs of a few batches, used in turn: (turns, rows, inputs), in the dtype of the network.

        The last batch is still in the caches of the cores that multiplied it. Overwriting it there would take a fifth
        longer, or three times as long if cores are far apart; an epoch of MNIST would take 3 % to 20 % longer.
        """
        rows, inputs = min(self.batch_size, len(samples.x)), samples.x.shape[1]
        if self._x is None or self._x.shape[1] < rows:
            size = rows * inputs * self.network.dtype.itemsize
            self._x = np.empty((min(8, max(1, _CACHE // size)), rows, inputs), self.network.dtype)
        return self._x

    def _check_finite(self, array: Array) -> None:
        if not np.isfinite(array).all():
            raise diverged("a network that overflows", self.history, self.learning_rate)


def _cut(vector: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    """Views of consecutive parts of a vector, of these shapes."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


def at_least_one(**settings: int) -> None:
    """Raise unless each setting is a whole number >= 1."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name}: got {value!r}; expected a whole number >= 1")
