"""When to give up, and in which words."""

from __future__ import annotations

import math

from rashin.learn.constant import Constant
from rashin.learn.history import History

__all__ = ["RISE", "Diverged", "diverged", "refuse_rise", "refuse_standstill"]

RISE = 100.0  # times the loss of the first mini-batch: what climbs so high does not come back
_STANDSTILL = 5  # epochs without a new lowest loss, after which a loss that bad will not come down by itself
_MARGIN = 0.5  # of the constant's loss: what is worse than the constant by less may be a hard task, and noise


class Diverged(ArithmeticError):
    """The loss is not finite any more, has risen beyond all reason, or stays worse than a constant's."""


def diverged(what: str, history: History, learning_rate: float) -> Diverged:
    """The error, with its step and advice."""
    step = max(len(history.steps), 1)
    return Diverged(f"{what} at step {step}: training diverges; try a learning rate well below {learning_rate:g}")


def refuse_rise(value: float, history: History, learning_rate: float, rise: float = RISE) -> None:
    """Raise if the loss of a mini-batch is not finite, or ``rise`` times the first one's (or ``rise``)."""
    if not math.isfinite(value):
        raise diverged(f"the loss became {value}", history, learning_rate)
    if value > rise:  # so most steps need not look for the first loss
        first = history.steps[0].batch.loss
        if value > rise * max(abs(first), 1.0):
            raise diverged(f"the loss rose from {first:.4g} to {value:.4g}", history, learning_rate)


def refuse_standstill(history: History, constant: Constant | None, learning_rate: float) -> None:
    """Raise if the training loss stays far above the constant's, and does not fall.

    A network can at least learn the constant, by its last biases alone. One whose loss is half as high again (half
    a standard deviation of the constant's losses, where that is more) and finds no new minimum for 5 epochs is being
    thrown about by steps too long for it. A training that starts far above and falls, or hovers a little above
    because there is nothing to learn, goes on.
    """
    if constant is None:
        return
    losses = [epoch.training.loss for epoch in history.epochs]
    bound = constant.score.loss + _MARGIN * max(abs(constant.score.loss), constant.spread)
    earlier, late = losses[:-_STANDSTILL], losses[-_STANDSTILL:]
    if earlier and bound > constant.score.loss and min(late) > bound and min(late) >= min(earlier):
        raise diverged(
            f"the loss has not fallen below {min(earlier):.4g} for {_STANDSTILL} epochs, and a constant prediction "
            f"scores {constant.score.loss:.4g},",
            history,
            learning_rate,
        )
