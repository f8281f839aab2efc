"""What calibration says: how often the event came beside how often it was predicted, and what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.kernels.bins import BINS, HALF, bin_starts
from rashin.measurement.calibration import Calibration

__all__ = ["Reliability", "Split", "reliability", "split"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """Bins of the predicted probability, of those that hold any rows; arrays of one number each.

    Parameters
    ----------
    count : rows.
    share : of the weight of all rows.
    predicted : the mean probability, and ``against``, 1 minus it, which keeps its digits near 0.
    frequency : the share of the weight whose event came, with its interval ``low`` to ``high``.
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
    """The mean cross-entropy of the event, in nats, as ``calibration + refinement + within``.

    ``uncertainty`` is the entropy of the event's frequency over all rows, which the best constant prediction costs;
    ``resolution`` is what the bins save of it, so that ``refinement = uncertainty - resolution``. ``within`` is what
    the differences of predictions inside a bin change. ``bias`` is about what binning alone moves from refinement to
    calibration: bins / (2 rows).
    """

    cross_entropy: float
    calibration: float
    refinement: float
    within: float
    uncertainty: float
    resolution: float
    bins: int
    bias: float


def reliability(
    found: Calibration, bins: int = 16, equal: Literal["weight", "width"] = "weight", confidence: float = 0.95
) -> Reliability:
    """The reliability diagram: ``bins`` bins of equal weight, or of equal width.

    The intervals are Wilson's, with the weights' effective number of rows, sum(w)^2 / sum(w^2).

    Parameters
    ----------
    bins : how many, >= 1; a power of two, up to 256, gives edges of equal width exactly.
    confidence : of each interval, in (0, 1).

    Raises
    ------
    ValueError : there are no rows.

    Reference: Wilson (1927), Probable inference, the law of succession, and statistical inference; Kish (1965), Survey
    sampling; Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
    """
    came = found.weight.values().reshape(BINS, 2)
    weight, minor = came.sum(axis=1), found.minor.values()
    total = float(weight.sum())
    if total == 0.0:
        raise ValueError("calibration: there are no rows; measure some first")
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


def split(found: Calibration, bins: int = 16) -> Split:
    r"""Cross-entropy as calibration and refinement, by bins of equal weight.

    .. math:: \sum_b \frac{w_b}{w} \mathrm{KL}(f_b \,\|\, p_b) + \sum_b \frac{w_b}{w} H(f_b)

    with f the frequency of the event in a bin and p its mean prediction. With few rows to a bin f strays from its
    expectation: calibration comes out too large, and refinement too small, by about ``bias``.

    Raises
    ------
    ValueError : there are no rows.

    Reference: Murphy (1973), A new vector partition of the probability score; Bröcker (2009), Reliability, sufficiency,
    and the decomposition of proper scores; Kull and Flach (2015), Novel decompositions of proper scoring rules.
    """
    binned = reliability(found, bins)
    f, share = binned.frequency, binned.share
    missed = _times_log(f, binned.predicted) + _times_log(1.0 - f, binned.against)
    kept = _times_log(f, f) + _times_log(1.0 - f, 1.0 - f)
    calibration, refinement = float(np.sum(share * (kept - missed))), -float(np.sum(share * kept))
    came, weight = float(np.sum(share * f)), found.weight.total()
    uncertainty = -float(_times_log(came, came) + _times_log(1.0 - came, 1.0 - came))
    entropy = math.inf if found.impossible else found.cross_entropy.total() / weight
    bias = f.size * found.square.total() / (2.0 * weight * weight)
    within = entropy - calibration - refinement if math.isfinite(calibration) else math.nan
    return Split(
        entropy, max(calibration, 0.0), refinement, within, uncertainty, uncertainty - refinement, f.size, bias
    )


def _middles() -> Array:
    """A probability inside each bin."""
    starts = bin_starts()
    lower = np.append((starts[:-1] + starts[1:]) / 2, 0.5)
    return np.concatenate([lower, 1.0 - lower[-2::-1]])


def _times_log(share: Any, probability: Any) -> Any:
    """share log(probability), 0 where the share is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(share) > 0.0, share * np.log(probability), 0.0)


def _wilson(frequency: Array, rows: Array, confidence: float) -> tuple[Array, Array]:
    square = NormalDist().inv_cdf((1.0 + confidence) / 2.0) ** 2 / rows
    middle = (frequency + square / 2.0) / (1.0 + square)
    half = np.sqrt(square * (frequency * (1.0 - frequency) + square / 4.0)) / (1.0 + square)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
