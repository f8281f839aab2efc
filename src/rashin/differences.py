"""The derivative of a loss with respect to one parameter, computed from the loss alone, with its expected error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOLERATED", "WIDE", "Entry", "Probe", "Seen", "noise_of", "tried"]

Array = NDArray[Any]

WIDE = 2.0**-10  # about the fifth root of a double's eps, the best step for a third derivative
TOLERATED = 10.0  # in units of the expected error; the noise of some hundred entries stays below 4
_BESIDE = 0.55  # of the jump, from its middle: the range between both slopes, and a twentieth more for the curvature
_CLOSER = 10.0  # factor by which the second step is shorter, for entries that disagree
_VISIBLE = 0.02  # of the slope: a step that resolves the slope no better than this is too short
_REACH = 2.5  # of the width: a third difference reaches twice as far as its step
_FINEST = 2.0**-40  # of the entry: shorter steps are rounded too coarsely
_FINE = 1e-8  # of the slope: more digits are not needed
_WIDEST = 2.0**40


class Seen(NamedTuple):
    """The loss at one point: the loss of each sample, (n,), and the side of each kink it lies on, (n, kinks)."""

    losses: Array
    sides: NDArray[np.bool_]

    @property
    def mean(self) -> float:
        """The mean loss, from a sum that is rounded once."""
        try:
            return math.fsum(self.losses) / len(self.losses)
        except OverflowError:  # the sum is beyond the range of doubles
            return math.inf


@dataclass
class Probe:
    """The inputs for checking an entry: the loss of the copied network, and its resolution."""

    look: Callable[[], Seen]
    here: Seen
    step: float | None  # None: the best step
    noise: float = 0.0
    wide: float = WIDE


class _Slopes(NamedTuple):
    """Difference quotients to the left, to the right and across."""

    left: float
    right: float
    central: float

    @property
    def bend(self) -> float:
        return self.right - self.left


class Entry(NamedTuple):
    """One entry of a parameter array: both derivatives, and the expected error of the numerical one."""

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
    """Compare the analytic and the numerical derivative of one entry; the parameter is restored at the end."""
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
        """The actual move of the entry, after rounding, and the loss there."""
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
        """True if no kink lies within reach on either side."""
        here = self.probe.here.sides
        return all(np.array_equal(there, here) for there in self.sides(reach))

    def sides(self, reach: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return self.at(-reach)[1].sides, self.at(reach)[1].sides

    def best_step(self, analytic: float) -> tuple[float, float]:
        """The third derivative, and the step with the smallest error of the quotient that stays clear of kinks.

        A kink exactly at this point bends equally to the left and to the right; it does not change a third difference.
        """
        wide, noise = self.probe.wide, self.probe.noise
        finest = _FINEST * abs(float(self.parameter[self.index]))
        wide = self._between_kinks(max(wide, finest), finest, analytic)
        third = self.third_derivative(wide)
        return third, max((3.0 * noise / third) ** (1 / 3), finest / _CLOSER)

    def third_derivative(self, wide: float) -> float:
        """An upper estimate of its size; the noise in it also keeps the best step from exceeding the wide step."""
        return (self._bend(wide) + 4.0 * self.probe.noise) / (2.0 * wide**3)

    def _between_kinks(self, wide: float, finest: float, analytic: float) -> float:
        """The width to use: short of the next kink; if the loss is flat, wide enough to resolve its slope."""
        slopes, noise = self.slopes(wide), self.probe.noise
        scale = max(abs(analytic), abs(slopes.left), abs(slopes.right))
        start, least = wide, max(noise / (_VISIBLE * scale), finest) if scale else wide
        while wide > least and not self.is_clear(_REACH * wide):
            wide /= _CLOSER
        beside = self.sides(_REACH * wide)  # the same sides as here, or a kink is exactly here

        def goes_on(further: float) -> bool:
            return all(map(np.array_equal, self.sides(_REACH * further), beside))

        while wide * _CLOSER <= start and goes_on(_CLOSER * wide):
            wide *= _CLOSER
        while noise / wide > _FINE * scale and wide < _WIDEST and self._bend(wide) <= 4.0 * noise:
            if not goes_on(_CLOSER * wide):
                break
            wide *= _CLOSER  # the loss is flat here: a wider step has less noise
        return wide

    def _bend(self, wide: float) -> float:
        """The third difference of the loss."""
        low, near_low, near_high, high = (self.at(k * wide)[1].mean for k in (-2, -1, 1, 2))
        return abs(high - 2.0 * near_high + 2.0 * near_low - low)

    def _rise(self, step: float) -> Array:
        """The difference quotient of each sample to one side."""
        moved, there = self.at(step)
        rise: Array = (there.losses - self.probe.here.losses) / moved
        return rise

    def is_between(self, step: float, analytic: float) -> bool:
        """True if the derivative lies between the slopes to both sides, which are taken separately for each sample."""
        (_, high), (_, low), here = self.at(step), self.at(-step), self.probe.here
        left, right = (2.0 * self._rise(way) - self._rise(2.0 * way) for way in (-step, step))  # extrapolated to step 0
        crossed = ((high.sides != here.sides) | (low.sides != here.sides)).any(axis=1)
        middle, bound = (left + right) / 2.0, 3.0 * TOLERATED * self.probe.noise / step
        least, most = (
            math.fsum(np.where(crossed, pick(left, right), middle)) / len(left) for pick in (np.minimum, np.maximum)
        )
        return least - bound <= analytic <= most + bound


def _is_kink(far: _Slopes, near: _Slopes, analytic: float, bound: float) -> bool:
    """True if the curve has a kink here that explains a disagreement.

    Where the curve is smooth, the bend shrinks with the step; a bend that remains when extrapolated to step 0 is a jump
    of the slope. A kink within the longer step also shows: the quotient across changes more than it may.
    """
    jump = (_CLOSER * near.bend - far.bend) / (_CLOSER - 1.0)
    is_bent = max(abs(jump), abs(near.central - far.central)) > bound
    reach = _BESIDE * max(abs(jump), abs(near.bend)) + bound
    return is_bent and abs(near.central - analytic) <= reach


def noise_of(loss: Callable[[], float], parameters: list[Array], value: float) -> float:
    """The rounding noise of the loss, from its fourth differences over a range too short for curvature to matter."""
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
