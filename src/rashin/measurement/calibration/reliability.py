"""Reliability of predicted probabilities: observed and predicted frequencies, and the cost of their difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.kernels.bins import BINS, HALF, bin_starts
from rashin.measurement.calibration.calibration import Calibration, check_rows

__all__ = ["Reliability", "Split", "reliability", "split"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """Bins of the predicted probability that contain rows; arrays with one number per bin.

    Parameters
    ----------
    count : number of rows.
    share : share of the weight of all rows.
    predicted : mean probability; ``against`` is 1 minus it, with full precision near 0.
    frequency : share of the weight with the event, with the confidence interval ``low`` to ``high``.
    """

    count: NDArray[np.int64]
    share: Array
    predicted: Array
    against: Array
    frequency: Array
    low: Array
    high: Array

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of ``frequency`` from ``predicted``."""
        return float(np.sum(self.share * np.abs(self.frequency - self.predicted)))


class Split(NamedTuple):
    """The mean cross-entropy of the event, in nats: exactly ``calibration + refinement``.

    ``refinement`` is the cross-entropy after each prediction is replaced by the isotonic frequency of the event, the
    best that any increasing map of the predictions can achieve. ``calibration`` is the cross-entropy saved by that; it
    is infinite if an outcome had probability 0. ``uncertainty`` is the entropy of the event's frequency over all rows,
    which is the cost of the best constant prediction; ``resolution = uncertainty - refinement``. ``levels`` is the
    number of distinct recalibrated probabilities. The map is fitted to the same rows on which it is evaluated, which
    moves 1 to 1.6 times ``bias`` = levels / (2 rows) from refinement to calibration.
    """

    cross_entropy: float
    calibration: float
    refinement: float
    uncertainty: float
    resolution: float
    levels: int
    bias: float


def reliability(
    found: Calibration, bins: int = 16, equal: Literal["weight", "width"] = "weight", confidence: float = 0.95
) -> Reliability:
    """The reliability diagram: ``bins`` bins of equal weight, or of equal width.

    The intervals are Wilson's, with the effective number of rows, sum(w)^2 / sum(w^2).

    Parameters
    ----------
    bins : number of bins, >= 1; a power of two, up to 256, gives bins of exactly equal width.
    confidence : level of each confidence interval, in (0, 1).

    Raises
    ------
    ValueError : there are no rows.

    Reference: Wilson (1927), Probable inference, the law of succession, and statistical inference; Kish (1965), Survey
    sampling; Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
    """
    came = found.weight.values().reshape(BINS, 2)
    weight, minor = came.sum(axis=1), found.minor.values()
    total = float(weight.sum())
    check_rows(total)
    reach = (np.cumsum(weight) - weight / 2) / total if equal == "weight" else _middles()
    chosen = np.flatnonzero(weight)
    place = np.minimum((reach[chosen] * bins).astype(np.int64), bins - 1)
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    upper = np.arange(BINS) > HALF
    major = np.maximum(weight - minor, 0.0)
    columns = (weight, np.where(upper, major, minor), np.where(upper, minor, major), came[:, 1], found.square.values())
    w, p, against, events, squares = (np.add.reduceat(column[chosen], starts) for column in columns)
    count = np.add.reduceat(found.counts.sum(axis=1)[chosen], starts)
    low, high = _wilson(events / w, w * w / squares, confidence)
    return Reliability(count, w / total, p / w, against / w, events / w, low, high)


def split(found: Calibration) -> Split:
    r"""Cross-entropy as the exact sum of calibration and refinement.

    .. math:: S(p) = [S(p) - S(\hat f)] + S(\hat f)

    where S is the mean cross-entropy over all rows, and f the isotonic regression of the event on the prediction, over
    the bins of ``found``: 1/256 wide, narrower near 0 and 1. Because f is constant within such a bin, calibration can
    be slightly below 0 for predictions that are already calibrated.

    Raises
    ------
    ValueError : there are no rows.

    Reference: Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for probabilistic classifiers;
    Murphy (1973), A new vector partition of the probability score; Meyer and Woodroofe (2000), On the degrees of
    freedom in shape-restricted regression.
    """
    against, events = found.weight.values().reshape(BINS, 2).T
    total = found.weight.total()
    check_rows(total)
    levels = _isotonic(against, events)
    refinement = float(np.sum(_entropies(*levels))) / total
    uncertainty = float(_entropies(against.sum(), events.sum())) / total
    entropy = math.inf if found.impossible else found.cross_entropy.total() / total
    bias = levels.shape[1] * found.square.total() / (2.0 * total * total)
    return Split(
        entropy, entropy - refinement, refinement, uncertainty, uncertainty - refinement, levels.shape[1], bias
    )


def _isotonic(against: Array, events: Array) -> Array:
    """Weights without and with the event, (2, levels), of neighbouring bins pooled until the frequency increases.

    Reference: Ayer, Brunk, Ewing, Reid and Silverman (1955), An empirical distribution function for sampling with
    incomplete information.
    """
    levels: list[tuple[float, float]] = []
    for a, e in zip(against.tolist(), events.tolist(), strict=True):
        if a + e == 0.0:
            continue
        while levels and levels[-1][1] * a >= e * levels[-1][0]:
            last = levels.pop()
            a, e = a + last[0], e + last[1]
        levels.append((a, e))
    return np.array(levels).T


def _entropies(against: Any, events: Any) -> Any:
    """The weight times the entropy of the event's frequency."""
    weight = against + events
    return -(_times_log(events, events / weight) + _times_log(against, against / weight))


def _middles() -> Array:
    """A probability inside each bin."""
    starts = bin_starts()
    lower = np.append((starts[:-1] + starts[1:]) / 2, 0.5)
    return np.concatenate([lower, 1.0 - lower[-2::-1]])


def _times_log(share: Any, probability: Any) -> Any:
    """share log(probability), or 0 if the share is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(share) > 0.0, share * np.log(probability), 0.0)


def _wilson(frequency: Array, rows: Array, confidence: float) -> tuple[Array, Array]:
    square = NormalDist().inv_cdf((1.0 + confidence) / 2.0) ** 2 / rows
    middle = (frequency + square / 2.0) / (1.0 + square)
    half = np.sqrt(square * (frequency * (1.0 - frequency) + square / 4.0)) / (1.0 + square)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
