"""``rashin.estimate``: the loss of a data set, from as few rows as an interval of the requested width needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from rashin import checks
from rashin.loss import Loss
from rashin.measurement.arrays import chosen
from rashin.measurement.sampling.draws import Drawn, Rows, rows_of_arrays, rows_of_reader
from rashin.measurement.sampling.sequences import Asymptotic, ConfidenceSequence, EmpiricalBernstein

__all__ = ["Estimate", "estimate"]

Method: TypeAlias = Literal["empirical-bernstein", "asymptotic"]

MINIMUM = (
    500  # rows: with fewer, intervals for lognormal losses held too rarely; docs/estimating.md has the measurements
)
_SLACK = (
    1e-9  # of the width of the bounds: stakes stay below half of what the bounds allow, so that rounding does no harm
)


@dataclass(frozen=True)
class Estimate:
    """The mean loss of a data set, estimated from some of its rows.

    Attributes
    ----------
    mean : mean of the rows drawn.
    low, high : confidence interval for the mean of all rows.
    count : number of rows drawn.
    rows : number of rows that count: those that are selected and whose weight is not 0.
    method : ``"empirical-bernstein"``, ``"asymptotic"``, or ``"exact"`` if all rows were drawn.
    reached : True if the interval became as narrow as requested before the rows ran out.
    """

    mean: float
    low: float
    high: float
    count: int
    rows: int
    method: str
    reached: bool

    @property
    def share(self) -> float:
        """The share of the rows that was drawn."""
        return self.count / self.rows


def estimate(
    loss: Loss | str,
    prediction: Any,
    target: Any = None,
    weight: Any = None,
    where: Any = None,
    *,
    rows: int | None = None,
    tolerance: float = 0.01,
    confidence: float = 0.95,
    seed: int = 0,
    batch: int = 1024,
    method: Method | None = None,
    bounds: tuple[float, float] | None = None,
    minimum: int | None = None,
) -> Estimate:
    """The mean loss of a data set to a relative tolerance, from mini-batches drawn at random without replacement.

    Batches are drawn until half the width of the interval is at most ``tolerance * abs(mean)``. The interval is valid
    for all batches together, so it may be checked after each one. If all rows had to be drawn, the mean is exact and
    equals ``loss(prediction, target, weight=weight, where=where)`` to the last bit, and the interval has width 0.

    If the losses have bounds, the method is empirical-Bernstein, which holds for every sample size. Otherwise it is
    asymptotic: it holds in the limit of many rows, and can miss losses that are rare and very large.

    Parameters
    ----------
    loss : loss, or its name.
    prediction, target : arrays (rows, ...) as the loss takes them, with the class axis last; from memory maps only the
        drawn rows are read. Or ``prediction`` is a function ``read(indices)`` that returns ``(prediction, target)`` or
        ``(prediction, target, weight)`` of those rows, and ``target`` is left out: expensive predictions are then
        computed only for the drawn rows.
    weight, where : weights and mask as the loss takes them; with a function, one for each row. Rows that do not count
        are not drawn. The mean is sum(w l) / sum(w).
    rows : number of rows that a function can read.
    tolerance : requested half-width relative to the mean, > 0.
    confidence : probability, in (0, 1), that the intervals contain the mean.
    seed : whole number >= 0; the same seed draws the same rows.
    batch : number of rows to draw at a time.
    method : ``"empirical-bernstein"`` or ``"asymptotic"``; None chooses automatically.
    bounds : bounds (low, high) of every loss, if the loss's facts give none, or the data allow closer ones.
    minimum : smallest number of rows to draw; by default 500 for the asymptotic method, otherwise 1.

    Raises
    ------
    TypeError, ValueError : as the loss does, with the row; a loss lies outside the bounds; or another argument is not
        valid.

    Examples
    --------
    >>> import numpy as np, rashin
    >>> rng = np.random.default_rng(0)
    >>> prediction, target = rng.normal(size=1_000_000), np.zeros(1_000_000)
    >>> found = rashin.estimate("absolute_error", prediction, target, tolerance=0.02)
    >>> found.mean, found.low, found.high
    (0.79..., 0.78..., 0.81...)
    >>> found.method, found.count, found.share
    ('asymptotic', 13312, 0.013312)

    Squared errors of probabilities lie between 0 and 1. Here they are computed only for the drawn rows:

    >>> probability = 1 / (1 + np.exp(-prediction))
    >>> def read(indices):
    ...     return probability[indices], target[indices]
    >>> rashin.estimate("squared_error", read, rows=1_000_000, tolerance=0.02, bounds=(0, 1)).method
    'empirical-bernstein'

    Reference: Waudby-Smith and Ramdas (2020), Confidence sequences for sampling without replacement; Waudby-Smith,
    Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory and asymptotic confidence sequences.
    """
    asked = _Asked(
        chosen(loss),
        _positive("tolerance", tolerance, math.inf),
        _positive("confidence", confidence, 1.0),
        _method(method),
        _ordered(bounds),
        None if minimum is None else _whole("minimum", minimum, 1),
    )
    data = _rows(asked.loss, prediction, target, weight, where, rows)
    batches = data.batches(asked.loss, _whole("batch", batch, 1), _whole("seed", seed, 0))
    return _drawn_until_narrow(asked, data, batches) or _exact(data, where)


def _drawn_until_narrow(asked: _Asked, data: Rows, batches: Iterator[Drawn]) -> Estimate | None:
    """The first estimate that is as close as requested; None if the rows ran out."""
    sequence: ConfidenceSequence | None = None
    limits: tuple[float, float] | None = None
    for drawn in batches:
        if sequence is None:
            limits = asked.limits(data, drawn)
            sequence = asked.sequence(data, limits)
        if limits is not None:
            _refuse_outside(limits, drawn, data)
        sequence.add(drawn.weight, drawn.weighted)
        if (asked.minimum or 1) <= sequence.count < data.count:
            mean, low, high = (float(x) for x in sequence.interval())
            if high - low <= 2.0 * asked.tolerance * abs(mean):
                return Estimate(mean, low, high, sequence.count, data.count, sequence.method, True)
    return None


class _Asked(NamedTuple):
    """The requested accuracy and method."""

    loss: Loss
    tolerance: float
    confidence: float
    method: Method | None
    bounds: tuple[float, float] | None
    minimum: int | None

    def limits(self, data: Rows, drawn: Drawn) -> tuple[float, float] | None:
        """The bounds of every loss; None if there are none, or the method does not need them."""
        if self.method == "asymptotic":
            return None
        limits, reason = self.bounds or _limits_of(self.loss, drawn.sample), ""
        if limits is None:
            reason = f"bounds of the losses of {self.loss!r}; fix: pass bounds=(low, high) if your data give some"
        elif data.total is None:
            reason = "the weights before rows are read; fix: pass weight= with one for each row"
        if reason and self.method:
            raise ValueError(f"method: got {self.method!r}; expected {reason}, or method='asymptotic'")
        return None if reason else limits

    def sequence(self, data: Rows, limits: tuple[float, float] | None) -> ConfidenceSequence:
        """The confidence sequence of the method that fits the bounds."""
        if limits is None or data.total is None or data.heaviest is None:
            return Asymptotic(data.count, self.minimum or MINIMUM, self.tolerance, self.confidence)
        return EmpiricalBernstein(data.count, data.total, data.heaviest, limits, self.tolerance, self.confidence)


def _limits_of(loss: Loss, sample: tuple[int, ...]) -> tuple[float, float] | None:
    """The bounds from the loss's facts for these parameters, if they are finite."""
    if loss.facts.bounds is None:
        return None
    low, high = loss.facts.bounds(*sample, **loss.parameters)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _rows(loss: Loss, prediction: Any, target: Any, weight: Any, where: Any, rows: int | None) -> Rows:
    if not callable(prediction) or target is not None:
        if rows is not None:
            raise TypeError(f"rows: got {rows!r} beside arrays, which have their own; expected None")
        return rows_of_arrays(loss, prediction, target, weight, where)
    if rows is None:
        raise TypeError("rows: got none; expected the number of rows that the function can read")
    return rows_of_reader(loss, prediction, _whole("rows", rows, 0), weight, where)


def _refuse_outside(limits: tuple[float, float], drawn: Drawn, data: Rows) -> None:
    """Raise if a loss lies outside the bounds, as the interval would then be invalid."""
    low, high = limits
    slack = _SLACK * (high - low)
    wrong = ~((drawn.losses >= low - slack) & (drawn.losses <= high + slack))
    if wrong.any():
        place = np.flatnonzero(wrong)[0]
        raise ValueError(
            f"bounds: got {limits}, and then a loss of {drawn.losses[place]} in row {drawn.rows[place]}; expected "
            f"bounds of every loss"
        )
    if data.total is None:
        raise TypeError("read: got weights, or rows of many samples, after rows of one sample; expected all rows alike")


def _exact(data: Rows, where: Any) -> Estimate:
    """The exact result, if all rows were drawn."""
    found = data.sums()
    if found is None:
        checks.refuse_mean(data.size, where is not None and not np.any(where), data.size > 0)
    mean = found.losses.over(found.weights)
    return Estimate(mean, mean, mean, data.count, data.count, "exact", False)


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: got {value!r}; expected a whole number >= {least}")
    return int(value)


def _positive(name: str, value: Any, limit: float) -> float:
    number: float = checks.parameter("estimate", name, value, (name,), None, False)
    if not 0.0 < number < limit:
        below = f" and < {limit:g}" if limit < math.inf else ""
        raise ValueError(f"{name}: got {value!r}; expected a number > 0{below}")
    return number


def _method(value: Any) -> Method | None:
    if value is not None:
        checks.choice("method", value, ("empirical-bernstein", "asymptotic"))
    return value  # type: ignore[no-any-return]


def _ordered(bounds: Any) -> tuple[float, float] | None:
    if bounds is None:
        return None
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"bounds: got {bounds!r}; expected two finite numbers (low, high), low < high")
    return low, high
