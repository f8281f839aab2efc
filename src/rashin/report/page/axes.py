"""Axes with round numbers at their ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from rashin.report.page.drawing import Axis
from rashin.report.page.numbers import number

__all__ = ["linear", "logarithmic", "named", "shares"]

_LARGEST, _SMALLEST = 1e307, 1e-290  # what lies beyond is drawn at the border
_MOST = 6  # ticks: as many as a phone has room for


def linear(
    values: ArrayLike, title: str = "", *, zero: bool = False, margin: float = 0.04, whole: bool = False
) -> Axis:
    """An axis that holds the finite values, with a margin; with ``zero`` it begins there where it can."""
    low, high = _range(values, zero, margin)
    step = _step(high - low)
    step = max(1.0, step) if whole else step
    ticks = step * np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return Axis(low, high, [(float(tick), _text(float(tick), step)) for tick in ticks], title)


def shares(values: ArrayLike, title: str = "", *, zero: bool = False, margin: float = 0.04) -> Axis:
    """The same for shares of a whole, labelled in percent."""
    low, high = _range(values, zero, margin)
    hundred = linear([100.0 * low, 100.0 * high], margin=0.0)
    return Axis(low, high, [(tick / 100.0, f"{text} %") for tick, text in hundred.ticks], title)


def logarithmic(values: ArrayLike, title: str = "", margin: float = 0.02) -> Axis:
    """A logarithmic axis that holds the positive finite values."""
    found = np.asarray(values, np.float64).reshape(-1)
    found = found[np.isfinite(found) & (found > 0.0)]
    low, high = (float(found.min()), float(found.max())) if found.size else (1.0, 10.0)
    reach = margin * math.log(high / low) if high > low else math.log(2.0)
    low, high = max(low * math.exp(-reach), 5e-324), min(high * math.exp(reach), 1.7e308)
    return Axis(low, high, [(tick, number(tick)) for tick in _round_numbers(low, high)], title, is_log=True)


def named(names: Sequence[str]) -> Axis:
    """Names from above to below, at n - 1, ..., 1, 0."""
    return Axis(-0.6, len(names) - 0.4, [(len(names) - 1 - place, name) for place, name in enumerate(names)])


def _range(values: ArrayLike, zero: bool, margin: float) -> tuple[float, float]:
    found = np.asarray(values, np.float64).reshape(-1)
    found = found[np.isfinite(found)]
    low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    low, high = max(low, -_LARGEST), min(high, _LARGEST)
    low, high = (min(low, 0.0), max(high, 0.0)) if zero else (low, high)
    if high - low <= max(_SMALLEST, 1e-12 * max(abs(low), abs(high))):  # no room for different labels
        reach = 0.5 * abs(low) if abs(low) > _SMALLEST else 0.5
        return (0.0, 2.0 * reach) if zero else (low - reach, high + reach)
    room = margin * (high - low)
    return (low if zero and low == 0.0 else low - room), (high if zero and high == 0.0 else high + room)


def _step(width: float) -> float:
    """1, 2 or 5 times a power of ten that goes into the width at most so often."""
    rough = width / _MOST
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * times for times in (1.0, 2.0, 5.0, 10.0) if power * times >= rough * (1 - 1e-9))


def _text(tick: float, step: float) -> str:
    if abs(tick) < step / 2:
        return "0"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > 4 or abs(tick) >= 1e7:
        return number(tick, max(3, math.ceil(math.log10(abs(tick) / step)) + 1))
    return f"{tick:,.{decimals}f}".replace("-", "−")


def _round_numbers(low: float, high: float) -> list[float]:
    """Powers of ten, or of few of them also 2 and 5 times those, thinned to what there is room for."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 2, 5), tuple(range(1, 10))):
        found = [float(f"{digit}e{exponent}") for exponent in exponents for digit in digits]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) >= 3:
            return found[:: math.ceil(len(found) / _MOST)]
    return found or [low, high]
