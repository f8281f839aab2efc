"""Training from the first epoch to the last: with a look at data held out, and a place on disk to go on from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from rashin.learn.checkpoint import A_FUNCTION, read_checkpoint, write_checkpoint
from rashin.learn.constant import best_constant
from rashin.learn.divergence import refuse_standstill
from rashin.learn.fingerprint import fingerprint
from rashin.learn.history import History
from rashin.learn.optimizers import OPTIMIZERS, Optimizer
from rashin.learn.samples import Samples, samples_for
from rashin.learn.schedules import Schedule, named_schedule
from rashin.learn.trainer import Trainer, at_least_one
from rashin.storage import alone

if TYPE_CHECKING:
    from rashin.learn.network import Network
    from rashin.loss import Loss

__all__ = ["Interrupted", "train"]

Array = NDArray[Any]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with the history up to there; the network holds the best parameters so far."""

    def __init__(self, history: History) -> None:
        super().__init__("interrupted")
        self.history = history


def train(
    network: Network,
    loss: Loss,
    x: ArrayLike,
    target: ArrayLike,
    held_out: tuple[ArrayLike, ...] | None = None,
    *,
    weight: ArrayLike | None = None,
    epochs: int = 30,
    batch_size: int = 32,
    optimizer: str | Optimizer = "momentum",
    learning_rate: float | None = None,
    weight_decay: float = 0.0,
    schedule: str | Schedule = "constant",
    patience: int | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    callback: Callable[[History], object] | None = None,
) -> History:
    """Train ``network`` in place, by gradient descent on mini-batches.

    Parameters
    ----------
    network : with the output layer that the loss needs, ``output_for(loss)``, and one output per class or number.
    loss : what is made small; a pointwise loss is summed over the outputs.
    x : samples (n, inputs), best in the network's type.
    target : classes (n,), whole numbers from 0 on, which a pointwise loss gets one-hot; or numbers, (n, outputs) or,
        for one output, (n,).
    held_out : samples, targets and, if need be, weights that are never trained on, scored after each epoch.
    weight : how much each sample counts, (n,), finite and >= 0: the loss is sum(w l) / sum(w).
    epochs, batch_size : how often all samples are seen, and how many at a time; whole numbers >= 1.
    optimizer : ``"sgd"``, ``"momentum"``, ``"adam"``, or one that you made.
    learning_rate : length of a step, finite and > 0; None leaves it to the optimizer (0.1, for Adam 0.001).
    weight_decay : the L2 penalty of the weights, see ``Trainer``.
    schedule : ``"constant"``, ``"inverse"`` (1 / sqrt of the epochs done), ``"cosine"`` (to 0 at the last step), or
        a function of the step's number, from 1 on, that gives a factor of the rate.
    patience : stop after so many epochs without a new lowest held-out loss, and keep the parameters of the lowest.
    seed : of the order of the samples.
    checkpoint : a file to write after each epoch, whole or not at all, by one training at a time.
    resume : go on from the checkpoint, if there is one, of the same settings and data: a digest of all of it, held-out
        data included, is compared, and of a schedule that is a function its factors at steps done. The result has the
        same bits as one training in one go, unless a cosine was cut to another length.
    callback : called after each step with the history so far.

    Returns
    -------
    The history: a score of each mini-batch and of each epoch.

    Raises
    ------
    ValueError : settings out of range, or network, loss and data that do not fit together.
    BlockingIOError : another training writes to the checkpoint.
    Diverged : the loss became infinite or NaN, rose to 100 times its first value (or 100), or stays far worse than
        that of a constant prediction.
    Interrupted : Ctrl-C (it is a ``KeyboardInterrupt``), once the network has got back its best parameters so far.

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
    at_least_one(epochs=epochs, batch_size=batch_size, **({} if patience is None else {"patience": patience}))
    samples = samples_for(network, loss, x, target, weight)
    unseen = None if held_out is None else samples_for(network, loss, *held_out)
    if patience is not None and unseen is None:
        raise ValueError("patience needs held_out data, whose loss says when to stop")
    trainer = Trainer(
        network,
        loss,
        _optimizer(optimizer, learning_rate),
        batch_size=batch_size,
        weight_decay=weight_decay,
        schedule=_schedule(schedule, epochs, -(-len(samples.x) // batch_size)),
        seed=seed,
    )
    file = None if checkpoint is None else Path(checkpoint)
    named = schedule if isinstance(schedule, str) else A_FUNCTION
    plan = _Plan(trainer, samples, unseen, epochs, patience, file, named)
    with nullcontext() if file is None else alone(file):
        plan.begin(resume)
        plan.run(callback)
    return trainer.history


def _optimizer(chosen: str | Optimizer, learning_rate: float | None) -> Optimizer:
    if isinstance(chosen, Optimizer):
        if learning_rate is not None:
            raise ValueError("learning_rate belongs to the optimizer that you made; leave one of both out")
        return chosen
    if chosen not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer {chosen!r}; there are {', '.join(OPTIMIZERS)}")
    made: Optimizer = OPTIMIZERS[chosen]() if learning_rate is None else OPTIMIZERS[chosen](learning_rate)
    return made


def _schedule(chosen: str | Schedule, epochs: int, steps_per_epoch: int) -> Schedule | None:
    return named_schedule(chosen, epochs, steps_per_epoch) if isinstance(chosen, str) else chosen


@dataclass
class _Plan:
    """How long to go on, what is best so far, and where it is kept."""

    trainer: Trainer
    samples: Samples
    held_out: Samples | None
    epochs: int
    patience: int | None
    file: Path | None
    schedule: str

    def begin(self, resume: bool) -> None:
        trainer = self.trainer
        self.constant = best_constant(trainer.loss, trainer.network, self.samples)
        trainer.history.constant = None if self.constant is None else self.constant.score
        self.best = trainer.parameters.copy()
        if self.file is None:
            return
        self.data = {**fingerprint(self.samples, self.held_out, trainer.network.dtype), "schedule": self.schedule}
        if resume and self.file.exists():
            self.best = read_checkpoint(self.file, trainer, self.data)
        else:
            self.file.unlink(missing_ok=True)  # an earlier training's, which must not be taken for this one's

    def run(self, callback: Callable[[History], object] | None) -> None:
        history = self.trainer.history
        try:
            while len(history.epochs) < self.epochs and not self._is_stalled():
                end = self.trainer.epoch(self.samples, self.held_out, callback)
                refuse_standstill(history, self.constant, self.trainer.learning_rate)
                if end is history.best:
                    self.best[...] = self.trainer.parameters
                if self.file is not None:
                    write_checkpoint(self.file, self.trainer, self.best, self.data)
        except KeyboardInterrupt:
            history.stopped = "interrupted"
            self.trainer.parameters[...] = self.best
            raise Interrupted(history) from None
        if self.patience is not None:
            self.trainer.parameters[...] = self.best

    def _is_stalled(self) -> bool:
        history = self.trainer.history
        if self.patience is None or history.best is None or len(history.epochs) - history.best.epoch < self.patience:
            return False
        history.stopped = "patience"
        return True
