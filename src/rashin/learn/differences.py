"""The derivative of a loss by one parameter, from the loss alone, with the error that it is expected to have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOLERATED", "WIDE", "Entry", "Probe", "noise_of", "tried"]

Array = NDArray[Any]

WIDE = 2.0**-10  # about the fifth root of a double's eps: where a third derivative is seen best
TOLERATED = 10.0  # times the expected error; the noise of some hundred entries stays below 4
_BESIDE = 0.55  # of the jump, from the middle: between the slopes, and a twentieth for what the curve bends as well
_CLOSER = 10.0  # how much shorter the second look is at what disagrees


@dataclass
class Probe:
    """What is needed to try an entry: the loss of the copy as it stands, and how finely it can be seen."""

    loss: Callable[[], float]
    value: float
    step: float | None  # None: the best one
    noise: float = 0.0
    wide: float = WIDE


class _Slopes(NamedTuple):
    """Difference quotients to the left, to the right, and across."""

    left: float
    right: float
    central: float

    @property
    def bend(self) -> float:
        return self.right - self.left


class Entry(NamedTuple):
    """One entry of a parameter array: both derivatives, and the error expected of the numerical one."""

    place: tuple[int, ...]
    analytic: float
    numerical: float
    expected: float
    at_kink: bool

    @property
    def excess(self) -> float:
        """The disagreement in units of the expected error."""
        distance = abs(self.analytic - self.numerical)
        return distance / self.expected if np.isfinite(distance) else np.inf

    @property
    def is_wrong(self) -> bool:
        return self.excess > TOLERATED and not self.at_kink


def tried(parameter: Array, index: tuple[int, ...], analytic: float, probe: Probe) -> Entry:
    """Compare the analytic derivative by one entry with a numerical one; the parameter is as before at the end."""

    def moved(offset: float) -> tuple[float, float]:
        """By how much the entry really moved, after rounding, and the loss there."""
        kept = parameter[index]
        parameter[index] = kept + offset
        try:
            return float(parameter[index] - kept), probe.loss()
        finally:
            parameter[index] = kept

    def slopes(step: float) -> _Slopes:
        (up, high), (down, low) = moved(step), moved(-step)
        return _Slopes((low - probe.value) / down, (high - probe.value) / up, (high - low) / (up - down))

    third = _third_derivative([moved(k * probe.wide)[1] for k in (-2, -1, 1, 2)], probe)
    step = probe.step or (3.0 * probe.noise / third) ** (1 / 3)
    found, expected = slopes(step), step * step / 6.0 * third + probe.noise / step
    entry = Entry(index, analytic, found.central, expected, at_kink=False)
    if not entry.is_wrong:
        return entry
    return entry._replace(at_kink=_is_kink(found, slopes(step / _CLOSER), analytic, TOLERATED * _CLOSER * expected))


def _third_derivative(around: list[float], probe: Probe) -> float:
    """An upper estimate of its size; the noise in it also keeps the best step from growing beyond the wide one."""
    low, near_low, near_high, high = around
    cube = 2.0 * probe.wide**3
    return abs(high - 2.0 * near_high + 2.0 * near_low - low) / cube + 4.0 * probe.noise / cube


def _is_kink(far: _Slopes, near: _Slopes, analytic: float, bound: float) -> bool:
    """Whether the curve has a corner here that excuses a disagreement.

    Where it is smooth the bend shrinks with the step; what is left of it when extrapolated to step 0 is a jump of
    the slope. Or the quotient across changes more than it may, because a corner lies within the longer step.
    """
    jump = (_CLOSER * near.bend - far.bend) / (_CLOSER - 1.0)
    is_bent = max(abs(jump), abs(near.central - far.central)) > bound
    reach = _BESIDE * max(abs(jump), abs(near.bend)) + bound
    return is_bent and abs(near.central - analytic) <= reach


def noise_of(loss: Callable[[], float], parameters: list[Array], value: float) -> float:
    """How much the loss jitters by rounding: what fourth differences leave of it on a way far too short to bend."""
    rng = np.random.default_rng(0)
    kept, ways = [p.copy() for p in parameters], [2.0**-40 * p * rng.uniform(-1, 1, p.shape) for p in parameters]
    values = []
    for step in range(16):
        for parameter, start, way in zip(parameters, kept, ways, strict=True):
            parameter[...] = start + step * way
        values.append(loss())
    for parameter, start in zip(parameters, kept, strict=True):
        parameter[...] = start
    jitter = np.sqrt(np.mean(np.diff(values, 4) ** 2) / 70.0)  # 1 + 16 + 36 + 16 + 1
    return float(max(jitter, 2.0**-53 * abs(value), np.finfo(float).tiny))
