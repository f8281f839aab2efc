"""The group with the worst loss for its size: neither just the largest one, nor a few rows that happen to be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rashin.measurement.intervals import check_confidence
from rashin.measurement.sums.clusters import Key
from rashin.measurement.sums.moments import Moments

__all__ = ["Standout", "worst_for_size"]

LEAST = 10  # rows, or clusters: three that happen to be alike give a standard error that is far too small


class Standout(NamedTuple):
    """The key of a group or class, the lower bound ``low`` of its mean loss, and its mean relative to that of all rows.

    ``times`` is meaningless if the mean of all rows is not positive.
    """

    key: Key
    low: float
    times: float


def worst_for_size(total: Moments, parts: Mapping[Key, Moments], confidence: float) -> Standout | None:
    """The part with the highest lower bound of its mean, if that exceeds the mean of the whole.

    The bounds hold for all parts together: each may fail with probability (1 - confidence) / parts. Parts of fewer than
    10 rows, or clusters, are left out.

    Reference: Bonferroni (1936), Teoria statistica delle classi e calcolo delle probabilità.
    """
    check_confidence(confidence)
    whole = total.finite
    some = {key: part.finite for key, part in parts.items() if part.count < total.count}
    some = {key: part for key, part in some.items() if (len(part.clusters) or part.count) >= LEAST}
    if not some:
        return None
    tail = (1.0 - confidence) / len(some)
    lows = {key: part.at_least(tail) for key, part in some.items()}
    worst = max(lows, key=lambda key: lows[key])
    if not lows[worst] > whole.mean:
        return None
    return Standout(worst, lows[worst], some[worst].mean / whole.mean if whole.mean else float("nan"))
