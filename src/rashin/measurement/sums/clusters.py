"""Clusters: rows that belong together, such as those of one patient, with losses that are not independent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf, nan
from typing import Any, NamedTuple

from rashin.measurement.sums.sums import ExactSum, root_of_quotient

__all__ = [
    "NO_CLUSTERS",
    "Cluster",
    "Clusters",
    "Key",
    "added",
    "from_pairs",
    "in_order",
    "standard_error",
    "to_pairs",
    "together",
]

Key = int | str  # of a group or a cluster

_NOTHING = ExactSum()


class Cluster(NamedTuple):
    """The sums of w l and of w over the rows of one cluster, and of w over its rows with an infinite loss."""

    losses: ExactSum
    weights: ExactSum
    infinite: ExactSum = _NOTHING

    def __add__(self, other: object) -> Cluster:
        if not isinstance(other, Cluster):
            return NotImplemented
        pairs = zip(self, other, strict=True)
        return Cluster(*(mine + theirs for mine, theirs in pairs))

    def __reduce__(self) -> tuple[type[Cluster], tuple[ExactSum, ...]]:
        """Pickled without the sum that is almost always 0, as there may be millions of clusters."""
        return Cluster, tuple(self) if self.infinite.units else (self.losses, self.weights)

    @property
    def finite(self) -> Cluster:
        """The sums over the rows with a finite loss."""
        return Cluster(ExactSum(self.losses.units), self.weights - self.infinite)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        kept = {"losses": self.losses.to_dict(), "weights": self.weights.to_dict()}
        return {**kept, "infinite": self.infinite.to_dict()} if self.infinite.units else kept

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Cluster:
        """The cluster from the result of ``to_dict``."""
        return cls(*(ExactSum.from_dict(state[name]) for name in cls._fields if name in state))


Clusters = Mapping[Key, Cluster]

NO_CLUSTERS: Clusters = {}  # one for all groups without clusters, of which there may be millions


def standard_error(clusters: Clusters, losses: ExactSum, weights: ExactSum) -> float:
    """The standard error of the mean over G clusters: (G / (G - 1) sum_c (sum_c w (l - mean))^2)^(1/2) / sum(w).

    It is infinite for fewer than two clusters, as their variation is then unknown.

    Reference: Liang and Zeger (1986), Longitudinal data analysis using generalized linear models.
    """
    if len(clusters) < 2:
        return inf
    if losses.infinite or weights.infinite:
        return nan
    total, weight = losses.units, weights.units
    residuals = (cluster.losses.units * weight - total * cluster.weights.units for cluster in clusters.values())
    squares = len(clusters) * sum(residual * residual for residual in residuals)
    return root_of_quotient(squares, (len(clusters) - 1) * weight**4) if squares else 0.0


def added(mine: Mapping[Key, Any], others: Mapping[Key, Any]) -> dict[Key, Any]:
    """The union of both; values with the same key are added."""
    return together((mine, others))


def together(parts: Iterable[Mapping[Key, Any]]) -> dict[Key, Any]:
    """The union of all; values with the same key are added."""
    found: dict[Key, Any] = {}
    for part in parts:
        for key, entry in part.items():
            found[key] = found[key] + entry if key in found else entry
    return in_order(found)


def in_order(by_key: Mapping[Key, Any]) -> dict[Key, Any]:
    """Sorted by key, numbers before words."""
    numbers = sorted(key for key in by_key if not isinstance(key, str))
    words = sorted(key for key in by_key if isinstance(key, str))
    return {key: by_key[key] for keys in (numbers, words) for key in keys}


def to_pairs(by_key: Mapping[Key, Any]) -> list[list[Any]]:
    """Pairs for JSON, which allows only text as keys."""
    return [[key, entry.to_dict()] for key, entry in by_key.items()]


def from_pairs(pairs: list[list[Any]], kind: Any) -> dict[Key, Any]:
    """The mapping from the result of ``to_pairs``."""
    return {key: kind.from_dict(state) for key, state in pairs}
