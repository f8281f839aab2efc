"""Training from the first epoch to the last, with a held-out set and a checkpoint to resume from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from rashin.learn.samples.fingerprint import fingerprint
from rashin.learn.samples.samples import Samples, samples_for
from rashin.learn.training.checkpoint import A_FUNCTION, read_checkpoint, write_checkpoint
from rashin.learn.training.constant import best_constant
from rashin.learn.training.divergence import refuse_standstill
from rashin.learn.training.history import History
from rashin.learn.training.optimizers import OPTIMIZERS, Optimizer
from rashin.learn.training.schedules import Schedule, named_schedule
from rashin.learn.training.trainer import Trainer, at_least_one
from rashin.storage import alone

if TYPE_CHECKING:
    from rashin.learn.network.network import Network
    from rashin.loss import Loss

__all__ = ["Interrupted", "train"]

Array = NDArray[Any]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with the history so far; the network has the best parameters so far."""

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
    network : network with the output layer that the loss needs, ``output_for(loss)``, and one output per class or
        number.
    loss : loss to minimise; a pointwise loss is summed over the outputs.
    x : samples (n, inputs), best in the dtype of the network.
    target : classes (n,), whole numbers from 0, which a pointwise loss gets one-hot; or numbers, (n, outputs) or, for
        one output, (n,).
    held_out : samples, targets and, optionally, weights that are never trained on, scored after each epoch.
    weight : weight of each sample, (n,), finite and >= 0: the loss is sum(w l) / sum(w).
    epochs, batch_size : number of passes over all samples, and samples per step; whole numbers >= 1.
    optimizer : ``"sgd"``, ``"momentum"``, ``"adam"``, or an ``Optimizer``.
    learning_rate : learning rate, finite and > 0; None takes that of the optimizer (0.1, for Adam 0.001).
    weight_decay : factor of the L2 penalty on the weights, see ``Trainer``.
    schedule : ``"constant"``, ``"inverse"`` (1 / sqrt of the epochs done), ``"cosine"`` (to 0 at the last step), or
        a function of the step number, from 1, that returns a factor of the rate.
    patience : number of epochs without a new lowest held-out loss after which training stops; the parameters of the
        lowest are kept.
    seed : seed for the order of the samples.
    checkpoint : file that is written after each epoch, completely or not at all, by one training run at a time.
    resume : switch; True continues from the checkpoint if there is one. Settings and data must be the same: digests of
        all data, including the held-out set, are compared, and the factors of a schedule that is a function at steps
        already done. The result is the same to the last bit as without the interruption, unless a cosine was given
        another length.
    callback : function that is called after each step with the history so far.

    Returns
    -------
    The history: a score of each mini-batch and of each epoch.

    Raises
    ------
    ValueError : settings are out of range, or network, loss and data do not fit together.
    BlockingIOError : another training run writes to the checkpoint.
    Diverged : the loss became infinite or NaN, rose to 100 times its first value (or 100), or stays far above that of a
        constant prediction.
    Interrupted : Ctrl-C was pressed (it is a ``KeyboardInterrupt``); the network has its best parameters so far.

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
        raise ValueError("held_out: got None with patience; expected data to stop by; fix: pass held_out=(x, target)")
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
            raise ValueError(
                f"learning_rate: got {learning_rate} and an Optimizer; expected one of them; fix: set the rate in it"
            )
        return chosen
    if chosen not in OPTIMIZERS:
        raise ValueError(f"optimizer: got {chosen!r}; expected {', '.join(map(repr, OPTIMIZERS))}")
    made: Optimizer = OPTIMIZERS[chosen]() if learning_rate is None else OPTIMIZERS[chosen](learning_rate)
    return made


def _schedule(chosen: str | Schedule, epochs: int, steps_per_epoch: int) -> Schedule | None:
    return named_schedule(chosen, epochs, steps_per_epoch) if isinstance(chosen, str) else chosen


@dataclass
class _Plan:
    """When to stop, the best parameters so far, and the file that keeps them."""

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
            self.file.unlink(missing_ok=True)  # it is from an earlier run, and must not be taken for this one's

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
