"""The derivative of a loss by one parameter, from the loss alone, with the error that it is expected to have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOLERATED", "WIDE", "Entry", "Probe", "Seen", "noise_of", "tried"]

Array = NDArray[Any]

WIDE = 2.0**-10  # about the fifth root of a double's eps: where a third derivative is seen best
TOLERATED = 10.0  # times the expected error; the noise of some hundred entries stays below 4
_BESIDE = 0.55  # of the jump, from the middle: between the slopes, and a twentieth for what the curve bends as well
_CLOSER = 10.0  # how much shorter the second look is at what disagrees
_VISIBLE = 0.02  # of the slope: a step too short to see it better than this tells nothing
_REACH = 2.5  # of the width: a third difference goes to twice as far
_FINEST = 2.0**-40  # of the entry: shorter steps are rounded too coarsely
_FINE = 1e-8  # of the slope: no more digits are looked for
_WIDEST = 2.0**40


class Seen(NamedTuple):
    """The loss at one place: of each sample, (n,), and on which side of each kink it lies, (n, kinks)."""

    losses: Array
    sides: NDArray[np.bool_]

    @property
    def mean(self) -> float:
        """Their mean, of a sum that is rounded once."""
        try:
            return math.fsum(self.losses) / len(self.losses)
        except OverflowError:  # of a sum beyond the range of doubles
            return math.inf


@dataclass
class Probe:
    """What is needed to try an entry: the loss of the copy as it stands, and how finely it can be seen."""

    look: Callable[[], Seen]
    here: Seen
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
    line = _Line(parameter, index, probe)
    third, best = line.best_step(analytic)
    step = probe.step or best
    if probe.step:
        third = line.third_derivative(probe.wide)

    def compared(step: float) -> Entry:
        expected = step * step / 6.0 * third + probe.noise / step
        return Entry(index, analytic, line.slopes(step).central, expected, at_kink=False)

    entry = compared(step)
    if not entry.is_wrong:
        return entry
    if not line.is_clear(step):
        return entry._replace(at_kink=not compared(best).is_wrong or line.is_between(best, analytic))
    bound = TOLERATED * _CLOSER * entry.expected
    return entry._replace(at_kink=_is_kink(line.slopes(step), line.slopes(step / _CLOSER), analytic, bound))


@dataclass
class _Line:
    """The loss along one entry of a parameter array."""

    parameter: Array
    index: tuple[int, ...]
    probe: Probe

    def at(self, offset: float) -> tuple[float, Seen]:
        """By how much the entry really moved, after rounding, and the loss there."""
        kept = self.parameter[self.index]
        self.parameter[self.index] = kept + offset
        try:
            return float(self.parameter[self.index] - kept), self.probe.look()
        finally:
            self.parameter[self.index] = kept

    def slopes(self, step: float) -> _Slopes:
        (up, high), (down, low), here = self.at(step), self.at(-step), self.probe.here.mean
        return _Slopes((low.mean - here) / down, (high.mean - here) / up, (high.mean - low.mean) / (up - down))

    def is_clear(self, reach: float) -> bool:
        """Whether no kink lies within reach on either side."""
        here = self.probe.here.sides
        return all(np.array_equal(there, here) for there in self.sides(reach))

    def sides(self, reach: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return self.at(-reach)[1].sides, self.at(reach)[1].sides

    def best_step(self, analytic: float) -> tuple[float, float]:
        """The third derivative, and the step that makes the error of a quotient least, with no kink beside it.

        A kink right here bends as much to the left as to the right, and leaves a third difference as it is.
        """
        wide, noise = self.probe.wide, self.probe.noise
        finest = _FINEST * abs(float(self.parameter[self.index]))
        wide = self._between_kinks(max(wide, finest), finest, analytic)
        third = self.third_derivative(wide)
        return third, max((3.0 * noise / third) ** (1 / 3), finest / _CLOSER)

    def third_derivative(self, wide: float) -> float:
        """An upper estimate of its size; the noise in it also keeps the best step from growing beyond the wide one."""
        return (self._bend(wide) + 4.0 * self.probe.noise) / (2.0 * wide**3)

    def _between_kinks(self, wide: float, finest: float, analytic: float) -> float:
        """How far to look: short of the next kink, and where the loss is flat as far as it takes to see its slope."""
        slopes, noise = self.slopes(wide), self.probe.noise
        scale = max(abs(analytic), abs(slopes.left), abs(slopes.right))
        start, least = wide, max(noise / (_VISIBLE * scale), finest) if scale else wide
        while wide > least and not self.is_clear(_REACH * wide):
            wide /= _CLOSER
        beside = self.sides(_REACH * wide)  # as here, or a kink is right here

        def goes_on(further: float) -> bool:
            return all(map(np.array_equal, self.sides(_REACH * further), beside))

        while wide * _CLOSER <= start and goes_on(_CLOSER * wide):
            wide *= _CLOSER
        while noise / wide > _FINE * scale and wide < _WIDEST and self._bend(wide) <= 4.0 * noise:
            if not goes_on(_CLOSER * wide):
                break
            wide *= _CLOSER  # it is flat here: further away the noise is less
        return wide

    def _bend(self, wide: float) -> float:
        """What a third difference leaves of the loss."""
        low, near_low, near_high, high = (self.at(k * wide)[1].mean for k in (-2, -1, 1, 2))
        return abs(high - 2.0 * near_high + 2.0 * near_low - low)

    def _rise(self, step: float) -> Array:
        """Each sample's difference quotient to one side."""
        moved, there = self.at(step)
        rise: Array = (there.losses - self.probe.here.losses) / moved
        return rise

    def is_between(self, step: float, analytic: float) -> bool:
        """Whether the derivative lies between the slopes to both sides, taken for each sample at a kink by itself."""
        (_, high), (_, low), here = self.at(step), self.at(-step), self.probe.here
        left, right = (2.0 * self._rise(way) - self._rise(2.0 * way) for way in (-step, step))  # as at step 0
        crossed = ((high.sides != here.sides) | (low.sides != here.sides)).any(axis=1)
        middle, bound = (left + right) / 2.0, 3.0 * TOLERATED * self.probe.noise / step
        least, most = (
            math.fsum(np.where(crossed, pick(left, right), middle)) / len(left) for pick in (np.minimum, np.maximum)
        )
        return least - bound <= analytic <= most + bound


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
    scale = float(np.max(np.abs(values))) or 1.0  # its square may be infinite, as that of a Poisson loss
    jitter = scale * np.sqrt(np.mean((np.diff(values, 4) / scale) ** 2) / 70.0)  # 1 + 16 + 36 + 16 + 1
    return float(max(jitter, 2.0**-53 * abs(value), np.finfo(float).tiny))
