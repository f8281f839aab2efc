"""Confidence intervals for a mean that stay within the bounds of the loss, and the quantiles that they need."""

from __future__ import annotations

from math import cos, expm1, inf, isfinite, pi, sin, sqrt
from statistics import NormalDist
from typing import NamedTuple

__all__ = ["UNBOUNDED", "Interval", "check_confidence", "interval_around", "normal_quantile", "student_quantile"]

UNBOUNDED = (-inf, inf)

_NORMAL = NormalDist()


class Interval(NamedTuple):
    """An interval from ``low`` to ``high``."""

    low: float
    high: float


def check_confidence(confidence: float) -> None:
    """Raise unless the confidence is a probability between 0 and 1."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: got {confidence!r}; expected a number between 0 and 1, such as 0.95")


def normal_quantile(confidence: float) -> float:
    """The number of standard errors to each side in an interval of that confidence."""
    check_confidence(confidence)
    return _NORMAL.inv_cdf(0.5 + confidence / 2)


def interval_around(
    mean: float, standard_error: float, reach: float, bounds: tuple[float, float] = UNBOUNDED
) -> Interval:
    """The interval that reaches ``reach`` standard errors from the mean, on a scale without bounds.

    Without bounds, the scale is the mean itself: mean +- reach se. With a lower bound it is log(mean - low), with two
    bounds log((mean - low) / (high - mean)); the slope of the scale converts the standard error (the delta method). If
    the standard error is unknown, the interval contains everything between the bounds.

    Examples
    --------
    >>> interval_around(0.02, 0.02, 1.96)
    Interval(low=-0.0192, high=0.0592)
    >>> interval_around(0.02, 0.02, 1.96, bounds=(0.0, float("inf")))
    Interval(low=0.0028..., high=0.1419...)

    Reference: Oehlert (1992), A note on the delta method; Newcombe (2001), Logit confidence intervals and the inverse
    sinh transformation.
    """
    low, high = bounds
    if not isfinite(standard_error):
        return Interval(low, high)
    half = reach * standard_error
    if half == 0.0 or not low < mean < high:
        return Interval(mean, mean)
    ends = tuple(mean + _moved(mean, step, low, high) for step in (-half, half))
    return Interval(max(ends[0], low), min(ends[1], high))


def _moved(mean: float, step: float, low: float, high: float) -> float:
    """The mean after a step on the scale without bounds."""
    below, above = mean - low, high - mean
    if below == above == inf:
        return step
    if above == inf:
        return below * _expm1(step / below)
    if below == inf:
        return -above * _expm1(-step / above)
    odds = step * (high - low) / below / above
    grown = _expm1(odds)
    return above if grown == inf else below * above * grown / (high - low + below * grown)


def _expm1(x: float) -> float:
    """exp(x) - 1, without an error if it is infinite."""
    return expm1(x) if x < 709.0 else inf


def student_quantile(tails: float, freedom: int) -> float:
    """The t that Student's distribution exceeds in absolute value with probability ``tails``, to 6 digits.

    Examples
    --------
    >>> round(student_quantile(0.05, 2), 4), round(student_quantile(0.05, 1000), 4)
    (4.3027, 1.9623)

    Reference: Hill (1970), Algorithm 396: Student's t-quantiles.
    """
    if freedom == 1:
        return cos(tails * pi / 2) / sin(tails * pi / 2)
    if freedom == 2:
        return sqrt(2.0 / (tails * (2.0 - tails)) - 2.0)
    a = 1.0 / (freedom - 0.5)
    b = 48.0 / (a * a)
    c = ((20700.0 * a / b - 98.0) * a - 16.0) * a + 96.36
    d = ((94.5 / (b + c) - 3.0) / b + 1.0) * sqrt(a * pi / 2) * freedom
    y = (d * tails) ** (2.0 / freedom)
    if y <= 0.05 + a:
        return sqrt(freedom * _of_far_tail(y, d, freedom))
    x = _NORMAL.inv_cdf(tails / 2)
    if freedom < 5:
        c += 0.3 * (freedom - 4.5) * (x + 0.6)
    c += (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b
    y = x * x
    y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x
    return sqrt(freedom * expm1(a * y * y))


def _of_far_tail(y: float, d: float, freedom: int) -> float:
    near = 1.0 / (((freedom + 6.0) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2.0) * 3.0) + 0.5 / (freedom + 4.0)
    return (near * y - 1.0) * (freedom + 1.0) / (freedom + 2.0) + 1.0 / y
