"""Schedules of the learning rate: functions of the step number, from 1, that return a factor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["SCHEDULES", "Schedule", "cosine", "inverse_scaling", "named_schedule"]

Schedule: TypeAlias = Callable[[int], float]

SCHEDULES = ("constant", "inverse", "cosine")


def inverse_scaling(power: float = 0.5, period: float = 1.0) -> Schedule:
    """A rate that falls as (1 + (step - 1) / period) ** -power: fast at first, and never to 0.

    Parameters
    ----------
    power : exponent, a finite number >= 0.
    period : number of steps after which a power of 1 has halved the rate, > 0.

    Examples
    --------
    >>> [inverse_scaling(power=1.0, period=10.0)(step) for step in (1, 11, 31)]
    [1.0, 0.5, 0.25]
    """
    if not (math.isfinite(power) and power >= 0.0 and math.isfinite(period) and period > 0.0):
        raise ValueError(f"power, period: got {power}, {period}; expected finite numbers, power >= 0 and period > 0")
    return lambda step: float((1.0 + (step - 1) / period) ** -power)


def cosine(steps: int) -> Schedule:
    """A rate that falls along half a cosine wave, from its full value at the first step to nearly 0 at the last.

    Examples
    --------
    >>> [round(cosine(4)(step), 3) for step in (1, 2, 3, 4)]
    [1.0, 0.854, 0.5, 0.146]

    Reference: I. Loshchilov, F. Hutter (2017), SGDR: stochastic gradient descent with warm restarts, ICLR.
    """
    if steps < 1:
        raise ValueError(f"steps: got {steps}; expected a whole number >= 1")
    return lambda step: 0.5 + 0.5 * math.cos(math.pi * min(step - 1, steps) / steps)


def named_schedule(name: str, epochs: int, steps_per_epoch: int) -> Schedule | None:
    """The schedule of that name for a training run of that length; None if the rate is constant.

    ``"inverse"`` is ``inverse_scaling`` with an epoch as its period.

    Raises
    ------
    ValueError : the name is unknown.
    """
    if name not in SCHEDULES:
        raise ValueError(f"schedule: got {name!r}; expected {', '.join(map(repr, SCHEDULES))}")
    if name == "inverse":
        return inverse_scaling(period=steps_per_epoch)
    return cosine(epochs * steps_per_epoch) if name == "cosine" else None
