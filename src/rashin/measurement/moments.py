"""What is known of the losses of some rows: exact sums, from which mean, spread and interval follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import inf, isfinite, isnan, nan
from statistics import NormalDist
from typing import Any, NamedTuple

from rashin.exact import UNIT_EXPONENT
from rashin.measurement.sums import ExactSum, root_of_quotient

__all__ = ["Interval", "Moments", "interval_around", "number_from", "number_to"]

NOTHING = ExactSum()


class Interval(NamedTuple):
    """From ``low`` to ``high``."""

    low: float
    high: float


def interval_around(mean: float, standard_error: float, confidence: float) -> Interval:
    """The normal interval; everything where the standard error is not known."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: got {confidence!r}; accepted is a number between 0 and 1, such as 0.95")
    if not isfinite(standard_error):
        return Interval(-inf, inf)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * standard_error
    return Interval(mean - reach, mean + reach)


@dataclass(frozen=True, repr=False)
class Moments:
    """Exact sums over rows of loss l and weight w > 0. Two of them add up to those of all their rows.

    Attributes
    ----------
    count : how many rows.
    maximum : the largest loss; -inf where there is no row.
    losses, weights : sums of w l and of w.
    squares, weight_squares, cross, second : sums of (w l)^2, w^2, (w l) w and (w l) l.
    right : the sum of w over the rows whose prediction is right; None where nobody asked.

    Examples
    --------
    >>> import rashin
    >>> found = rashin.measure("half_squared_error", [1.0, 2.0, 4.0], [0.0, 0.0, 0.0]).total
    >>> found.count, found.sum, found.mean, found.maximum
    (3, 10.5, 3.5, 8.0)
    >>> found.spread, found.standard_error
    (3.24..., 1.87...)
    """

    count: int = 0
    maximum: float = -inf
    losses: ExactSum = NOTHING
    weights: ExactSum = NOTHING
    squares: ExactSum = NOTHING
    weight_squares: ExactSum = NOTHING
    cross: ExactSum = NOTHING
    second: ExactSum = NOTHING
    right: ExactSum | None = None

    @classmethod
    def of_plain(cls, count: int, maximum: float, sums: Sequence[ExactSum]) -> Moments:
        """From the sums of l and l^2, over rows of weight 1."""
        rows, (losses, squares) = ExactSum.whole(count), sums
        return cls(count, maximum, losses, rows, squares, rows, losses, squares)

    @classmethod
    def of_weighed(cls, count: int, maximum: float, sums: Sequence[ExactSum]) -> Moments:
        """From sums in the order of the attributes."""
        losses, weights, squares, weight_squares, cross, second = sums
        return cls(count, maximum, losses, weights, squares, weight_squares, cross, second)

    def with_right(self, right: ExactSum | None) -> Moments:
        """The same, with what the rows weigh whose prediction is right."""
        return replace(self, right=right)

    def __repr__(self) -> str:
        return f"Moments(mean={self.mean!r}, count={self.count})" if self.count else "Moments(count=0)"

    def __add__(self, other: object) -> Moments:
        if not isinstance(other, Moments):
            return NotImplemented
        if self.count == 0 or other.count == 0:
            return other if self.count == 0 else self
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SUMS}
        right = None if self.right is None or other.right is None else self.right + other.right
        return Moments(self.count + other.count, max(self.maximum, other.maximum), **sums, right=right)

    @property
    def sum(self) -> float:
        """sum(w l), rounded once."""
        return float(self.losses)

    @property
    def weight(self) -> float:
        """sum(w), rounded once."""
        return float(self.weights)

    @property
    def mean(self) -> float:
        """sum(w l) / sum(w), rounded once: the same bits as the loss itself gives for all the rows at once."""
        if self.count == 0:
            raise ValueError("mean: no row counts: there are none, or all are left out or have weight 0")
        return self.losses.over(self.weights)

    @property
    def accuracy(self) -> float | None:
        """The share of the weight whose prediction is right; None where nobody asked, or nothing counts."""
        return None if self.right is None or self.count == 0 else self.right.over(self.weights)

    @property
    def spread(self) -> float:
        """The weighted standard deviation of the losses, (sum(w l^2) / sum(w) - mean^2)^(1/2)."""
        weight, losses = self.weights.units, self.losses.units
        return self._root(self.second.units * weight - losses * losses, weight * weight)

    @property
    def standard_error(self) -> float:
        """That of the mean: (sum(w^2 (l - mean)^2))^(1/2) / sum(w); infinite for fewer than two rows."""
        if self.count < 2:
            return inf
        weight, losses = self.weights.units, self.losses.units
        residual = weight * (self.squares.units * weight - 2 * losses * self.cross.units)
        residual += losses * losses * self.weight_squares.units
        return self._root(residual << -UNIT_EXPONENT, weight**4)

    def _root(self, numerator: int, denominator: int) -> float:
        """Of two integers; no number where a loss, or a square, is infinite."""
        if self.count == 0 or any(getattr(self, name).infinite for name in _SUMS):
            return nan
        return root_of_quotient(numerator, denominator) if numerator > 0 else 0.0

    def interval(self, confidence: float = 0.95) -> Interval:
        """The interval for the mean, by the sandwich estimate of its variance and the normal distribution.

        Reference: White (1980), A heteroskedasticity-consistent covariance matrix estimator and a direct test for
        heteroskedasticity.
        """
        return interval_around(self.mean, self.standard_error, confidence)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        sums = {name: getattr(self, name).to_dict() for name in _SUMS}
        right = {} if self.right is None else {"right": self.right.to_dict()}
        return {"count": self.count, "maximum": number_to(self.maximum), **sums, **right}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Moments:
        """What ``to_dict`` described."""
        sums = {name: ExactSum.from_dict(state[name]) for name in _SUMS}
        right = ExactSum.from_dict(state["right"]) if "right" in state else None
        return cls(state["count"], number_from(state["maximum"]), **sums, right=right)


_SUMS = tuple(entry.name for entry in fields(Moments) if entry.name not in ("count", "maximum", "right"))


def number_to(number: float) -> float | str:
    """A double as strict JSON has it: what is not finite as a word."""
    return number if isfinite(number) else "nan" if isnan(number) else str(number)


def number_from(state: float | str) -> float:
    """The double that ``number_to`` wrote."""
    return float(state)
