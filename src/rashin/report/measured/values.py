"""Values that the report of a measurement shows: the parts of the loss, and the histogram of losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.language import said
from rashin.measurement import Interval, Measurement, Moments
from rashin.measurement.distribution import Distribution, lower_edge
from rashin.measurement.intervals import interval_around, normal_quantile
from rashin.measurement.sums.codes import MISSING
from rashin.printable import shown

__all__ = ["Bars", "Part", "are_shares", "bars_of", "parts_of"]

Array = NDArray[Any]

_TAIL = 0.005
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Part:
    """A class or a group: its size, its mean loss, and its share of the loss of all rows.

    All numbers except ``count`` and ``accuracy`` are over the rows with a finite loss; ``infinite`` counts the others.
    """

    key: int | str
    name: str
    count: int
    infinite: int
    weight: float  # share of the weight
    mean: float
    mean_interval: Interval
    share: float  # of the loss
    share_interval: Interval
    accuracy: float | None


def are_shares(measured: Measurement, parts: Mapping[int | str, Moments]) -> bool:
    """True if the loss of each part is a share of the whole: not if a loss is negative, or all finite ones are 0."""
    total = measured.total.finite
    return math.isfinite(total.sum) and total.sum > 0.0 and all(part.finite.sum >= 0.0 for part in parts.values())


def parts_of(measured: Measurement, parts: Mapping[int | str, Moments], confidence: float) -> list[Part]:
    """The parts with rows, worst first: those without a finite loss, then by share of the loss, or else by mean.

    The variance of a share s = S_g / S is sum_i (y_i - s x_i)^2 / S^2, the linearisation of the ratio, over rows or
    clusters i, where y_i is the loss in the part and x_i that of all. The interval stays within 0 and 1.

    Reference: Särndal, Swensson and Wretman (1992), Model assisted survey sampling, section 5.6.
    """
    shares, total = are_shares(measured, parts), measured.total.finite
    found = [_part(key, part, total, shares, confidence) for key, part in parts.items() if part.count]
    return sorted(found, key=lambda part: (part.mean == math.inf, part.share if shares else part.mean), reverse=True)


def _part(key: int | str, part: Moments, total: Moments, shares: bool, confidence: float) -> Part:
    finite, share, share_interval = part.finite, math.nan, Interval(-math.inf, math.inf)
    if shares:
        share = finite.losses.over(total.losses)
        error = _share_error(share, finite, total)
        share_interval = interval_around(share, error, normal_quantile(confidence), (0.0, 1.0))
    weight = finite.weights.over(total.weights) if total.count else math.nan
    mean = finite.mean if finite.count else math.inf
    interval = finite.interval(confidence) if finite.count else Interval(-math.inf, math.inf)
    name = said("(missing)") if key == MISSING else shown(key)
    return Part(key, name, part.count, part.infinite.rows, weight, mean, interval, share, share_interval, part.accuracy)


def _share_error(share: float, part: Moments, total: Moments) -> float:
    """The standard error of a share of the loss."""
    whole = float(total.losses)
    if total.clusters:
        own = [float(part.clusters[key].losses) if key in part.clusters else 0.0 for key in total.clusters]
        every = [float(cluster.losses) for cluster in total.clusters.values()]
        squares = math.fsum(((y - share * x) / whole) ** 2 for y, x in zip(own, every, strict=True))
        return math.sqrt(len(own) / (len(own) - 1) * squares) if len(own) > 1 else math.inf
    within, all_rows = (math.sqrt(float(moments.squares)) / whole for moments in (part, total))
    return math.sqrt(max((1.0 - share) ** 2 * within**2 + share**2 * (all_rows**2 - within**2), 0.0))


@dataclass(frozen=True)
class Bars:
    """A histogram of losses: the edges of the bars, the rows in each, and their approximate total loss.

    The first bar also contains the losses below it, at most 0.5 % of the rows; on a linear scale, the last bar also
    contains those above it.
    """

    low: Array
    high: Array
    count: Array
    cost: Array
    is_log: bool


def bars_of(found: Distribution, most: int = 48) -> Bars | None:
    """At most about ``most`` bars for the finite losses; on a logarithmic scale, without the zeros, if all are >= 0.
    None if no losses are left.
    """
    low, high = found.edges
    chosen = np.isfinite(low) & (found.bins != 0) if found.bins.size else np.zeros(0, bool)
    if not chosen.any():
        return None
    if found.bins.min() < 0:
        return _even_bars(found, np.isfinite(low), most)
    bins, counts = found.bins[chosen], found.counts[chosen]
    least = bins[np.searchsorted(np.cumsum(counts), _TAIL * counts.sum())]
    bins = np.maximum(bins, least)
    starts = _starts(int(bins[0]), int(bins[-1]), most)
    place = np.searchsorted(starts, bins, side="right") - 1
    costs = counts * ((low + high)[chosen] / 2)
    count, cost = (np.bincount(place, heights, minlength=starts.size - 1) for heights in (counts, costs))
    edges = np.minimum(lower_edge(starts), _LARGEST)
    return Bars(edges[:-1], edges[1:], count, cost, True)


def _starts(first: int, last: int, most: int) -> NDArray[np.int64]:
    """The bins at which bars begin, about equally wide on a logarithmic scale, and the bin after the last bar.

    An octave has 32 bins of equal width; its parts end at the bins nearest to the powers of 2 in between.
    """
    octaves = np.arange(first // 32, last // 32 + 2)
    parts = next((parts for parts in (8, 4, 2) if octaves.size * parts <= most), 1)
    within = np.round(32 * (2.0 ** (np.arange(parts) / parts) - 1)).astype(np.int64)
    starts = (octaves[:, None] * 32 + within).reshape(-1)[:: max(1, math.ceil(octaves.size / most))]
    starts = np.append(starts, 2 * starts[-1] - starts[-2])
    chosen = slice(np.searchsorted(starts, first, side="right") - 1, np.searchsorted(starts, last, side="right") + 1)
    return starts[chosen]


def _even_bars(found: Distribution, chosen: NDArray[np.bool_], most: int) -> Bars:
    """Bars of equal width; the rows of a bin belong to the bar that contains its middle."""
    low, high = (np.clip(edge[chosen], -_LARGEST / 4, _LARGEST / 4) for edge in found.edges)
    counts, middle = found.counts[chosen], (low + high) / 2
    reached = np.cumsum(counts) / counts.sum()
    first, last = np.searchsorted(reached, _TAIL), np.searchsorted(reached, 1.0 - _TAIL)
    edges = np.linspace(low[first], high[last], most + 1)
    place = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, most - 1)
    count, cost = (np.bincount(place, heights, minlength=most) for heights in (counts, counts * middle))
    return Bars(edges[:-1], edges[1:], count, cost, False)
