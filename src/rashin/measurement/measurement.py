"""The loss of a data set as a measurement; measurements of parts add exactly, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rashin import checks
from rashin.measurement.baseline import Baseline, baseline_of
from rashin.measurement.exports import By, as_arrow, as_pandas, columns_of
from rashin.measurement.intervals import Interval
from rashin.measurement.remarks import infinite_remark, loss_of
from rashin.measurement.schema import check_measurement
from rashin.measurement.shown import as_html, as_text
from rashin.measurement.signs import Signs, mistake
from rashin.measurement.standouts import Standout, worst_for_size
from rashin.measurement.sums.clusters import Clusters, Key, added, from_pairs, to_pairs
from rashin.measurement.sums.moments import Moments, number_from, number_to

if TYPE_CHECKING:
    from rashin.measurement.details import Details

__all__ = ["Measurement", "Row", "worst_of"]

_VERSION = 2


class Row(NamedTuple):
    """A row of a data set: its loss, its file ("" for an array), and its number there, from 0."""

    loss: float
    source: str
    row: int


def worst_of(rows: list[Row], most: int) -> list[Row]:
    """The rows with the largest losses, largest first; ties in the order of the rows."""
    return sorted(rows, key=lambda row: (-row.loss, row.source, row.row))[:most]


@dataclass(frozen=True, repr=False)
class Measurement:
    """The loss over the rows of a data set, or of a part of it; ``a + b`` is the measurement of both parts.

    Addition is exact, associative and commutative: however the rows are split or ordered, and on however many machines
    they are measured, every number is the same to the last bit. Measurements pickle, and ``to_dict`` gives JSON.

    Attributes
    ----------
    loss : text of the loss, such as ``focal(gamma=3.0)``.
    total : count, weight, sum, mean, spread, interval, maximum and accuracy over all rows; the measurement has them as
        attributes too.
    groups : moments by group; empty if no groups were given. With clusters all intervals are cluster-robust.
    classes : moments by class of the target; empty if not requested.
    worst : rows with the largest losses, largest first; a sum keeps the smallest number requested for its parts.
    details : further data for reports; None if not requested.
    skipped : number of rows that were left out, by reason.

    Examples
    --------
    >>> import rashin
    >>> monday = rashin.measure("absolute_error", [1.0, 2.0], [0.0, 0.0], worst=1)
    >>> tuesday = rashin.measure("absolute_error", [6.0], [0.0], worst=1)
    >>> (monday + tuesday).mean, (monday + tuesday).worst
    (3.0, [Row(loss=6.0, source='', row=0)])
    >>> rashin.Measurement.from_dict(monday.to_dict()) == monday
    True
    """

    loss: str
    total: Moments
    groups: Mapping[Key, Moments] = field(default_factory=dict)
    classes: Mapping[Key, Moments] = field(default_factory=dict)
    worst: list[Row] = field(default_factory=list)
    most_worst: int = 0  # number of worst rows to keep
    targets: Moments | None = None  # moments of the targets, computed like those of losses; for the baseline
    details: Details | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    signs: Signs = field(
        default_factory=Signs, compare=False
    )  # from a sample of each batch: they depend on the batches

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def __add__(self, other: object) -> Measurement:
        if not isinstance(other, Measurement):
            return NotImplemented
        if self.loss != other.loss:
            raise ValueError(f"+: got measurements of {self.loss} and of {other.loss}; expected those of one loss")
        _check_alike("cluster", self, other, self.clusters, other.clusters)
        most = min(part.most_worst for part in _with_rows(self, other))
        return Measurement(
            self.loss,
            self.total + other.total,
            _all_or_none("group", self, other, self.groups, other.groups),
            added(self.classes, other.classes) if all(part.classes for part in _with_rows(self, other)) else {},
            worst_of([*self.worst, *other.worst], most),
            most,
            _both(self, other, "targets"),
            _both(self, other, "details"),
            dict(sorted((Counter(self.skipped) + Counter(other.skipped)).items())),
            self.signs + other.signs,
        )

    @property
    def count(self) -> int:
        """The number of rows that count: those that are selected and whose weight is not 0."""
        return self.total.count

    @property
    def weight(self) -> float:
        """sum(w)."""
        return self.total.weight

    @property
    def sum(self) -> float:
        """sum(w l)."""
        return self.total.sum

    @property
    def mean(self) -> float:
        """sum(w l) / sum(w): the loss of the data set, equal to the loss of all rows at once to the last bit."""
        return self.total.mean

    @property
    def maximum(self) -> float:
        """The largest loss of a row."""
        return self.total.maximum

    @property
    def spread(self) -> float:
        """The weighted standard deviation of the losses of the rows."""
        return self.total.spread

    @property
    def accuracy(self) -> float | None:
        """The share of the weight with a correct prediction; None if not requested."""
        return self.total.accuracy

    @property
    def clusters(self) -> Clusters:
        """The sums of each cluster; empty without clusters."""
        return self.total.clusters

    @property
    def standard_error(self) -> float:
        """The standard error of the mean, cluster-robust if there are clusters."""
        return self.total.standard_error

    def interval(self, confidence: float = 0.95) -> Interval:
        """The confidence interval for the mean over the population from which the rows, or the clusters, are a sample.

        It stays between the bounds of the loss. For few rows, or for losses with a heavy tail, it is too narrow.
        """
        return self.total.interval(confidence)

    def standout(self, by: Literal["group", "class"] = "group", confidence: float = 0.95) -> Standout | None:
        """The group or class with the worst loss for its size; None if chance can explain all differences.

        For each group, the mean loss of further rows is at least ``low``; with probability ``confidence`` this holds
        for all groups together. The group with the highest ``low`` is returned, if that exceeds the mean over all rows.
        A large group, or three rows that happened to be wrong, are therefore not enough. Groups of fewer than 10 rows,
        or clusters, are left out, and so are rows with an infinite loss.

        Examples
        --------
        >>> import numpy as np, rashin
        >>> loss, site = np.arange(100.0) % 5, np.repeat(["a", "b"], [80, 20])
        >>> loss[site == "b"] += 9.0
        >>> rashin.measure("absolute_error", loss, np.zeros(100), group=site).standout()
        Standout(key='b', low=10.3..., times=2.8...)
        """
        checks.choice("by", by, ("group", "class"))
        return worst_for_size(self.total, self.groups if by == "group" else self.classes, confidence)

    @property
    def remarks(self) -> list[str]:
        """Problems that make the mean useless, with the fix, one line each; the command line and reports show them.

        Examples
        --------
        >>> import rashin
        >>> rashin.measure("negative_log_likelihood", [[-float("inf"), 0.0], [-float("inf"), 0.0]], [0, 1]).remarks
        ['1 of 2 rows gave probability 0 to what happened; the other costs 0']
        """
        loss = loss_of(self.loss)
        mistaken = None if loss is None else mistake(loss, self.signs)
        return [remark for remark in (mistaken, infinite_remark(loss, self.total)) if remark is not None]

    @property
    def baseline(self) -> Baseline | None:
        """The best constant prediction and its mean loss; None if it is unknown."""
        return baseline_of(self.loss, self.classes, self.targets)

    def to_pandas(self, by: By | None = None, confidence: float = 0.95) -> Any:
        """The groups, or classes, as a ``pandas.DataFrame`` with a row for each, in the order of their keys.

        Columns are ``group`` or ``class``, ``rows``, ``weight``, ``mean``, ``low`` and ``high`` (the interval),
        ``sum``, ``maximum``, ``infinite`` (rows with an infinite loss) and, if requested, ``accuracy``.

        Parameters
        ----------
        by : ``"group"`` or ``"class"``; None takes the groups if there are any, otherwise the classes.
        confidence : level of the confidence intervals, in (0, 1).

        Raises
        ------
        ImportError : pandas is not installed.
        ValueError : the measurement has no groups, or no classes.

        Examples
        --------
        >>> import rashin
        >>> found = rashin.measure("absolute_error", [1.0, 2.0, 4.0], [0.0] * 3, group=["a", "b", "a"])
        >>> found.to_pandas()[["group", "rows", "mean"]].to_dict("list")
        {'group': ['a', 'b'], 'rows': [2, 1], 'mean': [2.5, 2.0]}
        """
        return as_pandas(columns_of(self, by, confidence))

    def to_arrow(self, by: By | None = None, confidence: float = 0.95) -> Any:
        """The groups, or classes, as a ``pyarrow.Table``; see ``to_pandas``.

        Examples
        --------
        >>> import rashin
        >>> found = rashin.measure("absolute_error", [1.0, 2.0, 4.0], [0.0] * 3, group=["a", "b", "a"])
        >>> found.to_arrow().column("mean").to_pylist()
        [2.5, 2.0]
        """
        return as_arrow(columns_of(self, by, confidence))

    def to_dict(self) -> dict[str, Any]:
        """A dict for JSON; ``from_dict`` restores the measurement exactly, but without the signs of mistaken input."""
        state = {
            "measurement": _VERSION,
            "loss": self.loss,
            "total": self.total.to_dict(),
            "groups": to_pairs(self.groups),
            "classes": to_pairs(self.classes),
            "worst": [[number_to(row.loss), row.source, row.row] for row in self.worst],
            "most_worst": self.most_worst,
            "skipped": dict(self.skipped),
        }
        kept = {"targets": self.targets, "details": self.details}
        return state | {name: part.to_dict() for name, part in kept.items() if part is not None}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Measurement:
        """The measurement from the result of ``to_dict``.

        Raises
        ------
        ValueError : the state is not one from ``to_dict``, or is of another version; the message names the place.
        """
        check_measurement(state, _VERSION)
        details = None
        if "details" in state:
            from rashin.measurement.details import Details

            details = Details.from_dict(state["details"])
        return cls(
            state["loss"],
            Moments.from_dict(state["total"]),
            from_pairs(state["groups"], Moments),
            from_pairs(state["classes"], Moments),
            [Row(number_from(loss), source, row) for loss, source, row in state["worst"]],
            state["most_worst"],
            Moments.from_dict(state["targets"]) if "targets" in state else None,
            details,
            dict(state["skipped"]),
        )


def _with_rows(*parts: Measurement) -> list[Measurement]:
    """The parts that have rows; all parts if none has."""
    return [part for part in parts if part.count] or list(parts)


def _all_or_none(
    name: str, mine: Measurement, other: Measurement, by_key: Mapping[Key, Any], others: Mapping[Key, Any]
) -> dict[Key, Any]:
    """Both, added by key. Parts with and without keys are refused, as rows without a key would be missing."""
    _check_alike(name, mine, other, by_key, others)
    return added(by_key, others)


def _check_alike(
    name: str, mine: Measurement, other: Measurement, by_key: Mapping[Key, Any], others: Mapping[Key, Any]
) -> None:
    if mine.count and other.count and bool(by_key) != bool(others):
        raise ValueError(f"+: got one measurement with {name}=, and one without; expected both with or both without")


def _both(mine: Measurement, other: Measurement, name: str) -> Any:
    """The sum of an attribute of both; None if one of them has rows but not this attribute."""
    kept = [getattr(each, name) for each in (mine, other)]
    if None not in kept:
        return kept[0] + kept[1]
    empty = next((each for each in (mine, other) if each.count == 0 and getattr(each, name) is None), None)
    return None if empty is None else kept[empty is mine]
