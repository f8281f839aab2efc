"""Moments of losses: exact sums that give mean, spread and interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isnan, nan
from typing import Any, NamedTuple

from rashin.exact import UNIT_EXPONENT
from rashin.measurement.intervals import UNBOUNDED, Interval, interval_around, normal_quantile, student_quantile
from rashin.measurement.sums import clusters as by_cluster
from rashin.measurement.sums.clusters import NO_CLUSTERS, Cluster, Clusters, added, from_pairs, to_pairs
from rashin.measurement.sums.sums import ExactSum, root_of_quotient

__all__ = ["Infinite", "Interval", "Moments", "number_from", "number_to"]

NOTHING = ExactSum()


class Infinite(NamedTuple):
    """The rows whose loss, or weight times loss, is infinite: their number, and their sums of w and of w^2."""

    rows: int = 0
    weights: ExactSum = NOTHING
    weight_squares: ExactSum = NOTHING

    def __add__(self, other: object) -> Infinite:
        if not isinstance(other, Infinite):
            return NotImplemented
        weights, squares = self.weights + other.weights, self.weight_squares + other.weight_squares
        return Infinite(self.rows + other.rows, weights, squares)

    @property
    def weight(self) -> float:
        """sum(w) over these rows."""
        return float(self.weights)


NO_INFINITE = Infinite()


@dataclass(frozen=True, repr=False, slots=True)
class Moments:
    """Exact sums over rows with loss l and weight w > 0. The sum of two is that of all their rows.

    Attributes
    ----------
    count : number of rows.
    maximum : largest loss; -inf without rows.
    losses, weights : sums of w l and of w.
    squares, weight_squares, cross, second : sums of (w l)^2, w^2, (w l) w and (w l) l.
    right : sum of w over the rows with a correct prediction; None if not requested.
    infinite : number and weight of the rows with an infinite loss; ``finite`` has the sums of all others.
    clusters : sums of each cluster; with them ``standard_error`` and ``interval`` are cluster-robust.
    bounds : bounds of every loss, and so of the interval.

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
    infinite: Infinite = NO_INFINITE
    clusters: Clusters = field(default_factory=lambda: NO_CLUSTERS)
    bounds: tuple[float, float] = UNBOUNDED

    @classmethod
    def of_plain(cls, count: int, maximum: float, sums: Sequence[ExactSum]) -> Moments:
        """The moments from the sums of l and l^2, over rows of weight 1."""
        rows, (losses, squares) = ExactSum.whole(count), sums
        return cls(count, maximum, losses, rows, squares, rows, losses, squares)

    @classmethod
    def of_weighed(cls, count: int, maximum: float, sums: Sequence[ExactSum]) -> Moments:
        """The moments from sums in the order of the attributes."""
        losses, weights, squares, weight_squares, cross, second = sums
        return cls(count, maximum, losses, weights, squares, weight_squares, cross, second)

    def __repr__(self) -> str:
        return f"Moments(mean={self.mean!r}, count={self.count})" if self.count else "Moments(count=0)"

    def __add__(self, other: object) -> Moments:
        if not isinstance(other, Moments):
            return NotImplemented
        if self.count == 0 or other.count == 0:
            return other if self.count == 0 else self
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SUMS}
        right = None if self.right is None or other.right is None else self.right + other.right
        return Moments(
            self.count + other.count,
            max(self.maximum, other.maximum),
            **sums,
            right=right,
            infinite=self.infinite + other.infinite,
            clusters=added(self.clusters, other.clusters),
            bounds=(min(self.bounds[0], other.bounds[0]), max(self.bounds[1], other.bounds[1])),
        )

    @property
    def finite(self) -> Moments:
        """The sums over the rows with a finite loss.

        If some rows have an infinite loss, the maximum and the accuracy of the others are unknown: NaN and None.
        """
        found = self.infinite
        if not found.rows:
            return self
        sums: dict[str, Any] = {name: _without(getattr(self, name), found.rows) for name in _PRODUCTS}
        rest = {name: cluster.finite for name, cluster in self.clusters.items()}
        return Moments(
            self.count - found.rows,
            nan,
            **sums,
            weights=self.weights - found.weights,
            weight_squares=self.weight_squares - found.weight_squares,
            clusters={name: cluster for name, cluster in rest.items() if cluster.weights.units},
            bounds=self.bounds,
        )

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
        """sum(w l) / sum(w), rounded once: equal to the loss of all rows at once to the last bit."""
        if self.count == 0:
            raise ValueError(
                "mean: got no row that counts; expected at least one that is not left out, with a weight > 0"
            )
        return self.losses.over(self.weights)

    @property
    def accuracy(self) -> float | None:
        """The share of the weight with a correct prediction; None if not requested, or if the weight is 0."""
        return None if self.right is None or self.count == 0 else self.right.over(self.weights)

    @property
    def spread(self) -> float:
        """The weighted standard deviation of the losses, (sum(w l^2) / sum(w) - mean^2)^(1/2)."""
        weight, losses = self.weights.units, self.losses.units
        return self._root(self.second.units * weight - losses * losses, weight * weight)

    @property
    def standard_error(self) -> float:
        """The standard error of the mean: (sum(w^2 (l - mean)^2))^(1/2) / sum(w); cluster-robust with clusters.

        It is infinite for fewer than two rows or clusters, and NaN if a loss is infinite.

        Reference: White (1980), A heteroskedasticity-consistent covariance matrix estimator and a direct test for
        heteroskedasticity; Liang and Zeger (1986), Longitudinal data analysis using generalized linear models.
        """
        if self.clusters:
            return by_cluster.standard_error(self.clusters, self.losses, self.weights)
        if self.count < 2:
            return inf
        weight, losses = self.weights.units, self.losses.units
        residual = weight * (self.squares.units * weight - 2 * losses * self.cross.units)
        residual += losses * losses * self.weight_squares.units
        return self._root(residual << -UNIT_EXPONENT, weight**4)

    def _root(self, numerator: int, denominator: int) -> float:
        """The square root of a quotient of two integers; NaN if a loss, or a square, is infinite."""
        if self.count == 0 or any(getattr(self, name).infinite for name in _SUMS):
            return nan
        return root_of_quotient(numerator, denominator) if numerator > 0 else 0.0

    def interval(self, confidence: float = 0.95) -> Interval:
        """The confidence interval for the mean over the population from which the rows, or the clusters, are a sample.

        It is normal on a scale without bounds: for a loss that cannot be negative, on that of log(mean). For few rows,
        or for losses with a heavy tail, it is too narrow.

        Reference: Oehlert (1992), A note on the delta method.
        """
        reach = normal_quantile(confidence)
        return interval_around(self.mean, self.standard_error, reach, self.bounds)

    def at_least(self, tail: float) -> float:
        """The lower bound that the mean of the population exceeds with probability 1 - ``tail``, also for few rows.

        It is the lower end of the interval, with the quantile of Student's distribution for the number of rows, or
        clusters, minus one: three rows that are all wrong give little evidence about a fourth.
        """
        freedom = (len(self.clusters) if self.clusters else self.count) - 1
        if freedom < 1:
            return self.bounds[0]
        return interval_around(self.mean, self.standard_error, student_quantile(2.0 * tail, freedom), self.bounds).low

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        sums = {name: getattr(self, name).to_dict() for name in _SUMS}
        kept: dict[str, Any] = {} if self.right is None else {"right": self.right.to_dict()}
        if self.infinite.rows:
            count, *weights = self.infinite
            kept["infinite"] = [count, *(each.to_dict() for each in weights)]
        if self.clusters:
            kept["clusters"] = to_pairs(self.clusters)
        if self.bounds != UNBOUNDED:
            kept["bounds"] = [number_to(bound) for bound in self.bounds]
        return {"count": self.count, "maximum": number_to(self.maximum), **sums, **kept}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Moments:
        """The moments from the result of ``to_dict``."""
        sums = {name: ExactSum.from_dict(state[name]) for name in _SUMS}
        count, *weights = state.get("infinite", (0,))
        low, high = state.get("bounds", UNBOUNDED)
        return cls(
            state["count"],
            number_from(state["maximum"]),
            **sums,
            right=ExactSum.from_dict(state["right"]) if "right" in state else None,
            infinite=Infinite(count, *map(ExactSum.from_dict, weights)),
            clusters=from_pairs(state.get("clusters", []), Cluster),
            bounds=(number_from(low), number_from(high)),
        )


_SUMS = ("losses", "weights", "squares", "weight_squares", "cross", "second")
_PRODUCTS = ("losses", "squares", "cross", "second")  # sums of terms that are infinite if the loss is


def _without(total: ExactSum, infinite: int) -> ExactSum:
    """A sum without its infinite terms, of which ``infinite`` come from infinite losses."""
    return ExactSum(total.units, total.plus + total.minus - infinite)


def number_to(number: float) -> float | str:
    """A double for strict JSON: text if it is not finite."""
    return number if isfinite(number) else "nan" if isnan(number) else str(number)


def number_from(state: float | str) -> float:
    """The double that ``number_to`` wrote."""
    return float(state)
