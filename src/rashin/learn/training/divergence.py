"""When training counts as diverged, and the error that says so."""

from __future__ import annotations

import math

from rashin.learn.training.constant import Constant
from rashin.learn.training.history import History

__all__ = ["RISE", "Diverged", "diverged", "refuse_rise", "refuse_standstill"]

RISE = 100.0  # times the loss of the first mini-batch: a loss that rises so far does not recover
_STANDSTILL = 5  # epochs without a new lowest loss, after which so bad a loss will not fall any more
_MARGIN = 0.5  # of the constant's loss: a smaller excess over the constant may be a hard task, or noise


class Diverged(ArithmeticError):
    """The loss is no longer finite, has risen too far, or stays far above that of a constant prediction."""


def diverged(what: str, history: History, learning_rate: float) -> Diverged:
    """The error, with the step and advice."""
    step = max(len(history.steps), 1)
    return Diverged(
        f"training: got {what} at step {step}; expected a loss that falls; fix: a learning rate well "
        f"below {learning_rate:g}"
    )


def refuse_rise(value: float, history: History, learning_rate: float, rise: float = RISE) -> None:
    """Raise if the loss of a mini-batch is not finite, or exceeds ``rise`` times that of the first (or ``rise``)."""
    if not math.isfinite(value):
        raise diverged(f"a loss of {value}", history, learning_rate)
    if value > rise:  # checked first: most steps then need not look up the first loss
        first = history.steps[0].batch.loss
        if value > rise * max(abs(first), 1.0):
            raise diverged(f"a loss that rose from {first:.4g} to {value:.4g}", history, learning_rate)


def refuse_standstill(history: History, constant: Constant | None, learning_rate: float) -> None:
    """Raise if the training loss stays far above that of the constant, and does not fall.

    A network can always learn the constant, with its last biases alone. If its loss exceeds that of the constant by
    half (by half a standard deviation of the constant's losses, if that is more) and reaches no new minimum for 5
    epochs, its steps are too long. Training continues if the loss starts far above and falls, or stays a little above
    because there is nothing to learn.
    """
    if constant is None:
        return
    losses = [epoch.training.loss for epoch in history.epochs]
    bound = constant.score.loss + _MARGIN * max(abs(constant.score.loss), constant.spread)
    earlier, late = losses[:-_STANDSTILL], losses[-_STANDSTILL:]
    if earlier and bound > constant.score.loss and min(late) > bound and min(late) >= min(earlier):
        raise diverged(
            f"a loss that has not fallen below {min(earlier):.4g} for {_STANDSTILL} epochs, where a constant "
            f"prediction has {constant.score.loss:.4g},",
            history,
            learning_rate,
        )
