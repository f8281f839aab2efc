"""Signs of mistaken input in nearly all rows: probabilities passed as logits, means passed as their logarithms, or
prediction and target swapped. They are counted on a sample of every batch, at almost no cost.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.domain import LOGIT, NONNEGATIVE, PROBABILITY, REAL, SIGN, Row
from rashin.exact import add, empty_limbs
from rashin.language import said
from rashin.logits import sigmoid
from rashin.loss import Loss
from rashin.measurement.sums.sums import ExactSum

__all__ = ["Signs", "mistake"]

Array = NDArray[Any]

LOOKED_AT = 4096  # rows of a batch that are examined, at most
LEAST = 100  # rows examined, below which nothing is reported
NEARLY_ALL = 0.99  # of the rows examined
_ERRORS = 4.0  # standard errors by which another reading must be better
_DECIMALS = 5e-4  # the error of a number stored with three decimals, at most


@dataclass(frozen=True)
class Signs:
    """Counts and exact sums by name over the examined rows, at most 4,096 of every batch. They can be added."""

    counts: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, ExactSum] = field(default_factory=dict)

    @classmethod
    def of(cls, loss: Loss, prediction: Array, target: Array, chosen: Array | None) -> Signs:
        """The signs of a batch of samples; ``chosen`` contains the indices of those that count, None is all."""
        z, t = _sampled(loss, prediction, target, chosen)
        if not len(z):
            return cls()
        with np.errstate(all="ignore"):
            counts, sums = _looked_at(loss, z, t)
        counted = {name: int(np.count_nonzero(rows)) for name, rows in counts.items()}
        return cls({"rows": len(z), **counted}, {name: _sum(values) for name, values in sums.items()})

    def __add__(self, other: object) -> Signs:
        if not isinstance(other, Signs):
            return NotImplemented
        sums = {name: self.sum(name) + other.sum(name) for name in {**self.sums, **other.sums}}
        return Signs(dict(Counter(self.counts) + Counter(other.counts)), sums)

    def sum(self, name: str) -> ExactSum:
        """The sum of that name."""
        return self.sums.get(name, ExactSum())

    def share(self, name: str) -> float:
        """The share of the examined rows."""
        return self.counts.get(name, 0) / max(self.counts.get("rows", 0), 1)

    def is_less(self, name: str) -> bool:
        """True if the mean of those numbers is below 0 by four standard errors."""
        rows, mean = self.counts["rows"], float(self.sum(name)) / self.counts["rows"]
        variance = float(self.sum(f"{name} squared")) / rows - mean * mean
        return mean < -_ERRORS * math.sqrt(max(variance, 0.0) / rows)


def _sampled(loss: Loss, prediction: Array, target: Array, chosen: Array | None) -> tuple[Array, Array]:
    """Some rows, evenly spaced, as doubles."""
    z, t = loss.prediction.flattened(prediction, target)
    rows = len(z) if chosen is None else len(chosen)
    places: Any = slice(None, None, max(1, -(-rows // LOOKED_AT)))
    if chosen is not None:
        places = chosen[places]
    return z[places].astype(np.float64), t[places].astype(np.float64)


def _sum(values: Array) -> ExactSum:
    limbs = empty_limbs()
    add(limbs, np.ascontiguousarray(values[np.isfinite(values)]))
    return ExactSum.of(limbs)


def _looked_at(loss: Loss, z: Array, t: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """The rows that fit a suspected mistake, and numbers whose sums confirm it."""
    sample = loss.prediction
    if sample == Row(LOGIT):
        return _of_rows(z)
    if sample in (LOGIT, PROBABILITY):
        return _of_two_classes(sample == LOGIT, z, t)
    if sample.axes:
        return {}, {}
    if loss.facts.link == "log":
        return _of_means(loss, z, t)
    if loss.facts.target == SIGN and sample == REAL:
        inside = (z >= 0.0) & (z <= 1.0)
        return {"probabilities": inside}, _compared(inside, lambda: _costs(loss, 2 * z - 1, t) - _costs(loss, z, t))
    return {}, {}


def _of_rows(z: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    off = min(0.01, _DECIMALS * z.shape[1])
    inside = (z >= 0.0).all(axis=1) & (z <= 1.0).all(axis=1)
    return {"probabilities": inside & (np.abs(z.sum(axis=1) - 1.0) <= max(off, 1e-6))}, {}


def _of_two_classes(is_logit: bool, z: Array, t: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Signs for two classes. Squared errors of probabilities decide between readings: they are proper and bounded."""
    swapped = ((z == 0.0) | (z == 1.0)) & (t > 0.0) & (t < 1.0)
    inside = (z >= 0.0) & (z <= 1.0)
    if not is_logit:
        return {"swapped": swapped}, {}
    sums = _compared(inside, lambda: (z - t) ** 2 - (sigmoid(z) - t) ** 2)
    return {"swapped": swapped, "probabilities": inside}, sums


def _compared(fits: Array, difference: Any) -> dict[str, Array]:
    """The saving of another reading; it is needed only for rows that fit."""
    if np.count_nonzero(fits) < NEARLY_ALL * fits.size:
        return {}
    values = difference()
    return {"gain": values, "gain squared": values * values}


def _of_means(loss: Loss, z: Array, t: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    positive = z > 0.0
    swapped = (z == np.floor(z)) & (z >= 0.0) & (t != np.floor(t)) & (loss.facts.target == NONNEGATIVE)
    counts = {"means": positive, "swapped": swapped, "several": swapped & (z != z[0])}
    if np.count_nonzero(positive) < NEARLY_ALL * z.size:
        return counts, {}
    z, t = z[positive], t[positive]
    as_means = _costs(loss, np.log(z), t)
    return counts, {"given": _costs(loss, z, t), "as means": as_means, "targets": t, "predictions": z}


def _costs(loss: Loss, z: Array, t: Array) -> Array:
    costs: Array = loss.per_sample(z, t)
    return costs


# ------------------------------------------------------------------------------------------------- in words


def mistake(loss: Loss, signs: Signs) -> str | None:
    """The mistake that nearly all rows show, with the fix, in one line; None if they show none.

    Examples
    --------
    >>> import numpy as np, rashin
    >>> p = np.full((100, 2), 0.5)
    >>> mistake(rashin.focal, Signs.of(rashin.focal, p, np.zeros(100), None))
    'prediction: got rows between 0 and 1 that sum to 1 (100% of 100 rows looked at); focal takes logits; fix: pass logits, such as the logarithms of these probabilities'
    """  # noqa: E501
    if signs.counts.get("rows", 0) < LEAST:
        return None
    if signs.share("swapped") >= NEARLY_ALL and (loss.facts.link != "log" or signs.share("several") > 0.05):
        return said(
            "prediction: got {whole} {seen} with targets in between, as if both were swapped; fix: name the "
            "prediction as prediction and the target as target; scikit-learn has the other order",
            whole=said("whole numbers") if loss.facts.link == "log" else said("0 or 1"),
            seen=_seen(signs, "swapped"),
        )
    if loss.facts.link == "log":
        return _mistaken_means(loss, signs)
    if signs.share("probabilities") >= NEARLY_ALL:
        return _mistaken_probabilities(loss, signs)
    return None


def _seen(signs: Signs, name: str) -> str:
    share = f"{signs.share(name):.4%}".replace(".0000%", "%")
    return said("({share} of {rows:,} rows looked at)", share=share, rows=signs.counts["rows"])


_TAKES_PROBABILITIES = {
    "softmax_cross_entropy": "categorical_cross_entropy",
    "sigmoid_cross_entropy": "binary_cross_entropy",
}


def _mistaken_probabilities(loss: Loss, signs: Signs) -> str | None:
    seen = _seen(signs, "probabilities")
    if loss.prediction.has_classes:
        told, takes = said("rows between 0 and 1 that sum to 1 {seen}", seen=seen), said("logits")
        fix = said("pass logits, such as the logarithms of these probabilities")
    elif not signs.is_less("gain"):
        return None
    elif loss.facts.target == SIGN:
        told, takes = said("numbers between 0 and 1 {seen}", seen=seen), said("scores, whose sign decides")
        fix = said("pass scores, such as 2 p - 1 of probabilities p")
    else:
        told = said("numbers between 0 and 1 {seen} that fit as probabilities", seen=seen)
        takes, fix = said("logits"), said("pass logits")
    other = _TAKES_PROBABILITIES.get(loss.name)
    fix = said("--loss {other}, or {fix}", other=other, fix=fix) if other else fix
    return said(
        "prediction: got {told}; {loss} takes {takes}; fix: {fix}", told=told, loss=loss.name, takes=takes, fix=fix
    )


def _mistaken_means(loss: Loss, signs: Signs) -> str | None:
    if signs.share("means") < NEARLY_ALL or "given" not in signs.sums:
        return None
    rows = ExactSum.whole(signs.counts["means"])
    given, as_means, target, prediction = (
        signs.sum(name).over(rows) for name in ("given", "as means", "targets", "predictions")
    )
    if not target > 0.0:
        return None
    constant = float(_costs(loss, np.log([target]), np.array([target]))[0])
    excess = given - constant
    fits = as_means < constant or (as_means - constant < 0.05 * excess and abs(prediction / target - 1.0) < 0.1)
    if not (excess > 0.01 * abs(constant) and fits):
        return None
    return said(
        "prediction: got numbers that fit as means: so read they cost {as_means:.4g}, as given {given:.4g}, the best "
        "constant {constant:.4g}; {loss} takes the logarithm of the mean; fix: pass log(prediction)",
        as_means=as_means,
        given=given,
        constant=constant,
        loss=loss.name,
    )
