"""The loss of a data set, in a form in which parts add up to the whole: exactly, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rashin import checks
from rashin.measurement.baseline import Baseline, baseline_of
from rashin.measurement.clusters import Clusters, Key, added, from_pairs, to_pairs
from rashin.measurement.frames import By, as_arrow, as_pandas, columns_of
from rashin.measurement.intervals import Interval
from rashin.measurement.moments import Moments, number_from, number_to
from rashin.measurement.remarks import infinite_remark, loss_of
from rashin.measurement.schema import check_measurement
from rashin.measurement.shown import as_html, as_text
from rashin.measurement.signs import Signs, mistake
from rashin.measurement.standouts import Standout, worst_for_size

if TYPE_CHECKING:
    from rashin.measurement.details import Details

__all__ = ["Measurement", "Row", "worst_of"]

_VERSION = 2


class Row(NamedTuple):
    """A row of a data set: its loss, the file it stands in ("" for an array), and its number there, from 0."""

    loss: float
    source: str
    row: int


def worst_of(rows: list[Row], most: int) -> list[Row]:
    """The rows of the largest losses, largest first; of equals those that stand first."""
    return sorted(rows, key=lambda row: (-row.loss, row.source, row.row))[:most]


@dataclass(frozen=True, repr=False)
class Measurement:
    """The loss over the rows of a data set, or of a part of one; ``a + b`` is that over both parts.

    Adding is exact, associative and commutative: however the rows were split, in whatever order and on however many
    machines they were measured, every number has the same bits. It pickles, and ``to_dict`` gives JSON.

    Attributes
    ----------
    loss : what was measured, such as ``focal(gamma=3.0)``.
    total : count, weight, sum, mean, spread, interval, maximum and accuracy over all rows; the measurement has them
        too.
    groups : the same by group; empty if none was given. With clusters all intervals are cluster-robust.
    classes : the same by the target's class; empty if not asked for.
    worst : the rows of the largest losses, largest first; of a sum as many as each part was asked for.
    details : what a report shows beside all this; None if not asked for.
    skipped : how many rows were left out, by reason.

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
    most_worst: int = 0  # how many of the worst rows are kept
    targets: Moments | None = None  # of the targets, as if they were losses; for the baseline
    details: Details | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    signs: Signs = field(default_factory=Signs, compare=False)  # of a sample of each batch: it depends on the batches

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
        """How many rows count: those that are selected and whose weight is not 0."""
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
        """sum(w l) / sum(w): the loss of the data set, with the bits of the loss of all rows at once."""
        return self.total.mean

    @property
    def maximum(self) -> float:
        """The largest loss of a row."""
        return self.total.maximum

    @property
    def spread(self) -> float:
        """The weighted standard deviation of the rows' losses."""
        return self.total.spread

    @property
    def accuracy(self) -> float | None:
        """The share of the weight whose prediction is right; None if not asked for."""
        return self.total.accuracy

    @property
    def clusters(self) -> Clusters:
        """The sums of each cluster; none if there are no clusters."""
        return self.total.clusters

    @property
    def standard_error(self) -> float:
        """That of the mean: cluster-robust where there are clusters."""
        return self.total.standard_error

    def interval(self, confidence: float = 0.95) -> Interval:
        """The interval for the mean over the population that the rows, or the clusters, are a sample of.

        It stays between the bounds of the loss. For few rows, or for losses with a heavy tail, it is too narrow.
        """
        return self.total.interval(confidence)

    def standout(self, by: Literal["group", "class"] = "group", confidence: float = 0.95) -> Standout | None:
        """The group, or class, whose loss is the worst for its size; None if none is worse than chance explains.

        Of each the mean loss of further rows is at least ``low``, for all of them together with the probability
        ``confidence``. The one with the highest ``low`` is named, if that exceeds the mean over all rows: so neither
        the largest group as such, nor three rows that happened to go wrong. Groups of fewer than 10 rows, or clusters,
        are left out, and so are rows of an infinite loss.

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
        """What makes the mean useless, and the remedy, one line each; the command line and reports show them.

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
        """The best constant prediction and its mean loss; None where the loss does not tell it."""
        return baseline_of(self.loss, self.classes, self.targets)

    def to_pandas(self, by: By | None = None, confidence: float = 0.95) -> Any:
        """The groups, or classes, as a ``pandas.DataFrame``: a row for each, in the order of their keys.

        Columns are ``group`` or ``class``, ``rows``, ``weight``, ``mean``, ``low`` and ``high`` (the interval),
        ``sum``, ``maximum``, ``infinite`` (rows of infinite loss) and, if it was asked for, ``accuracy``.

        Parameters
        ----------
        by : ``"group"`` or ``"class"``; None is the groups if there are some, else the classes.
        confidence : of the intervals, in (0, 1).

        Raises
        ------
        ImportError : pandas is not installed.
        ValueError : there are no such parts.

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
        """For JSON: exact, so that ``from_dict`` gives the same measurement; without the signs of a mistaken input."""
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
        """The measurement that ``to_dict`` described.

        Raises
        ------
        ValueError : it is no such description, or one of another version; the message names the place.
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
    """Those that say something; all, if none does."""
    return [part for part in parts if part.count] or list(parts)


def _all_or_none(
    name: str, mine: Measurement, other: Measurement, by_key: Mapping[Key, Any], others: Mapping[Key, Any]
) -> dict[Key, Any]:
    """Both, added by key; rows without a key beside rows with one would be missing."""
    _check_alike(name, mine, other, by_key, others)
    return added(by_key, others)


def _check_alike(
    name: str, mine: Measurement, other: Measurement, by_key: Mapping[Key, Any], others: Mapping[Key, Any]
) -> None:
    if mine.count and other.count and bool(by_key) != bool(others):
        raise ValueError(f"+: got one measurement with {name}=, and one without; expected both with or both without")


def _both(mine: Measurement, other: Measurement, name: str) -> Any:
    """The sum of what both keep by a name; None if one was not asked for it. No row at all is no answer."""
    kept = [getattr(each, name) for each in (mine, other)]
    if None not in kept:
        return kept[0] + kept[1]
    empty = next((each for each in (mine, other) if each.count == 0 and getattr(each, name) is None), None)
    return None if empty is None else kept[empty is mine]
