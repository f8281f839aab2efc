"""The loss of groups over a data set as a measurement; measurements of parts add exactly, in any order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from rashin import checks
from rashin.backends import numpy as backend
from rashin.backends.found import stacked
from rashin.exact import UNIT_EXPONENT
from rashin.group_loss import GroupLoss
from rashin.measurement.intervals import UNBOUNDED, Interval, interval_around, normal_quantile
from rashin.measurement.sums.clusters import Cluster, Key, in_order, standard_error
from rashin.measurement.sums.codes import Missing, keys_of
from rashin.measurement.sums.sums import ExactSum
from rashin.registry import parsed_group_loss

__all__ = ["SetMeasurement", "SetRow", "measure_sets"]

_VERSION = 1
_ALL = "(all)"  # the key where there are no groups


class SetRow(NamedTuple):
    """A set: its loss and its key."""

    loss: float
    key: Key


@dataclass(frozen=True, repr=False)
class SetMeasurement:
    """The loss over the sets of a data set, or of a part of it; ``a + b`` is the measurement of both parts.

    Losses of sums, such as ``tversky`` and ``correlation``, keep the exact sums of each set, so that the parts of a set
    may be measured apart, such as the tiles of a picture: every number is the same to the last bit, however the members
    are split or ordered. Of other losses each set must be whole, and adding two parts of one raises.

    Attributes
    ----------
    loss : text of the loss, such as ``tversky(alpha=0.5, beta=0.5, smooth=0.0, gamma=1.0)``.
    sums : the exact sums of each set by key; empty if the loss is not one of sums.
    whole : the loss of each set and what it counts, by key, of other losses.

    Examples
    --------
    >>> import rashin
    >>> left = rashin.measure("tversky", [1.0, 0.25], [1, 0], group=["a", "b"])
    >>> right = rashin.measure("tversky", [1.0, 0.5], [0, 1], group=["a", "b"])
    >>> (left + right).losses, (left + right).mean
    ({'a': 0.3333333333333333, 'b': 0.42857142857142855}, 0.38095238095238093)
    """

    loss: str
    sums: Mapping[Key, tuple[ExactSum, ...]]
    whole: Mapping[Key, tuple[float, float]]

    def __add__(self, other: object) -> SetMeasurement:
        if not isinstance(other, SetMeasurement):
            return NotImplemented
        if self.loss != other.loss:
            raise ValueError(f"+: got measurements of {self.loss} and of {other.loss}; expected those of one loss")
        both = set(self.whole) & set(other.whole)
        if both:
            raise ValueError(
                f"+: got parts of the set {min(both, key=str)!r}; expected whole sets, as the loss of a set cannot be "
                f"had from those of its parts; fix: measure the members of a set in one call"
            )
        sums = {**self.sums}
        for key, more in other.sums.items():
            mine = sums.get(key)
            sums[key] = more if mine is None else tuple(a + b for a, b in zip(mine, more, strict=True))
        return SetMeasurement(self.loss, in_order(sums), in_order({**self.whole, **other.whole}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SetMeasurement) and (self.loss, self.sums, self.whole) == (
            other.loss, other.sums, other.whole,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"SetMeasurement({self.loss}, mean={self.mean!r}, count={self.count})"

    @cached_property
    def _sets(self) -> dict[Key, tuple[float, float]]:
        """The loss of each set and what it counts."""
        if not self.sums:
            return dict(self.whole)
        program = parsed_group_loss(self.loss).program
        found = backend.losses_of_sums(program, [tuple(one.units for one in each) for each in self.sums.values()])
        return dict(zip(self.sums, zip(*(array.tolist() for array in found), strict=True), strict=True))

    @property
    def losses(self) -> dict[Key, float]:
        """The loss of each set that counts, by key."""
        return {key: loss for key, (loss, mass) in self._sets.items() if mass}

    @property
    def count(self) -> int:
        """The number of sets that count."""
        return len(self.losses)

    @property
    def sum(self) -> float:
        """The sum of the losses of the sets, rounded once."""
        return float(self._total.losses)

    @property
    def weight(self) -> float:
        """What the sets count together: their number, or that of their pairs or events, as the loss says."""
        return float(self._total.weights)

    @property
    def mean(self) -> float:
        """The sum divided by the weight, rounded once: equal to the loss of all at once; 0 if nothing counts."""
        total = self._total
        return total.losses.over(total.weights) if total.weights.units else 0.0

    @cached_property
    def _clusters(self) -> dict[Key, Cluster]:
        return {key: Cluster(_exact(loss), _exact(mass)) for key, (loss, mass) in self._sets.items() if mass}

    @cached_property
    def _total(self) -> Cluster:
        return sum(self._clusters.values(), Cluster(ExactSum(), ExactSum()))

    @property
    def standard_error(self) -> float:
        """The standard error of the mean over sets like these; infinite for fewer than two."""
        return standard_error(self._clusters, self._total.losses, self._total.weights)

    def interval(self, confidence: float = 0.95) -> Interval:
        """The confidence interval for the mean over the population from which the sets are a sample."""
        loss = parsed_group_loss(self.loss)
        bounds = UNBOUNDED if loss.facts.bounds is None else loss.facts.bounds(**loss.parameters)
        return interval_around(self.mean, self.standard_error, normal_quantile(confidence), bounds)

    def worst(self, most: int) -> list[SetRow]:
        """The sets with the largest losses, largest first."""
        rows = [SetRow(loss, key) for key, loss in self.losses.items()]
        return sorted(rows, key=lambda row: -row.loss)[:most]

    def to_dict(self) -> dict[str, Any]:
        """A dict for JSON; ``from_dict`` restores the measurement exactly."""
        sums = [[key, [one.to_dict() for one in each]] for key, each in self.sums.items()]
        return {"sets": _VERSION, "loss": self.loss, "sums": sums, "whole": [[k, *v] for k, v in self.whole.items()]}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> SetMeasurement:
        """The measurement from the result of ``to_dict``.

        Raises
        ------
        ValueError : the state is not one from ``to_dict``, or is of another version.
        """
        try:
            if state["sets"] != _VERSION:
                raise ValueError(state["sets"])
            sums = {key: tuple(map(ExactSum.from_dict, each)) for key, each in state["sums"]}
            whole = {key: (float(loss), float(mass)) for key, loss, mass in state["whole"]}
            return cls(repr(parsed_group_loss(state["loss"])), sums, whole)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"state: got {type(state).__name__}; expected what SetMeasurement.to_dict() gives, version {_VERSION} "
                f"({error})"
            ) from None


def _exact(x: float) -> ExactSum:
    if np.isinf(x):
        return ExactSum(0, int(x > 0), int(x < 0))
    top, bottom = x.as_integer_ratio()
    return ExactSum((top << -UNIT_EXPONENT) // bottom)


def measure_sets(
    loss: GroupLoss, prediction: Any, target: Any, weight: Any, where: Any, group: Any, missing: Missing
) -> SetMeasurement:
    """The loss of each set of a data set."""
    z = checks.array("prediction", prediction, where)
    samples = z.shape
    where = None if where is None else checks.selection(where, samples)
    if group is None:
        keys, codes = [_ALL], None
    else:
        found = keys_of("group", group, samples, where, missing)
        keys, codes = found.keys, found.codes.reshape(samples) - found.low  # type: ignore[assignment]
    if type(target) is tuple and loss.target.columns:
        target = stacked(target, "target")
    sets = backend.measured(loss.program, z, target, codes, weight, where)
    places = np.zeros(len(sets.places), int) if codes is None else codes.reshape(-1)[sets.places]
    names = [keys[place] for place in places]
    if sets.sums is None:
        whole = zip(names, zip(sets.values.tolist(), sets.masses.tolist(), strict=True), strict=True)
        return SetMeasurement(repr(loss), {}, in_order(dict(whole)))
    sums: dict[Key, Any] = {name: tuple(map(ExactSum.of, rows)) for name, rows in zip(names, sets.sums, strict=True)}
    return SetMeasurement(repr(loss), in_order(sums), {})
