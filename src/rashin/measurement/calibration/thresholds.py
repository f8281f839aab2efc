"""Decisions by a threshold: accuracy, the cost of mistakes, and their relation to the cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rashin.kernels.bins import BINS, bin_starts
from rashin.measurement.calibration.calibration import Calibration, check_rows

__all__ = ["Thresholds", "thresholds"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """The results of calling a row positive if its probability reaches a threshold; one number per threshold.

    For thresholds from 1/2 the probability has to exceed the threshold; 1/2 occurs twice, once in each sense.

    Parameters
    ----------
    threshold : thresholds in [0, 1], increasing; ``logit`` is log(threshold / (1 - threshold)).
    missed : share of all rows, by weight, that are positive and not called positive.
    alarms : share of all rows that are negative and called positive.
    positive : share of positive rows.
    """

    threshold: Array
    logit: Array
    missed: Array
    alarms: Array
    positive: float

    @property
    def accuracy(self) -> Array:
        """The share of correct decisions."""
        return 1.0 - self.missed - self.alarms

    @property
    def true_positive_rate(self) -> Array:
        """The share of the positive rows that are called positive; NaN without positive rows."""
        return 1.0 - self.missed / (self.positive or np.nan)

    @property
    def false_positive_rate(self) -> Array:
        """The share of the negative rows that are called positive; NaN without negative rows."""
        return self.alarms / ((1.0 - self.positive) or np.nan)

    def cost(self, alarm: Array | float) -> Array:
        """The mean cost of decisions if a false alarm costs ``alarm``, in [0, 1], and a miss ``1 - alarm``."""
        return alarm * self.alarms + (1.0 - alarm) * self.missed

    @property
    def fair_cost(self) -> Array:
        r"""The cost if each threshold equals the cost of a false alarm, for which it is the best threshold.

        Over the logit of the threshold the area under this curve is the cross-entropy:

        .. math:: \int_0^1 \frac{c\,A(c) + (1 - c)\,M(c)}{c (1 - c)} dc = -\overline{\log p}

        Reference: Schervish (1989), A general method for comparing probability assessors; Ehm, Gneiting, Jordan and
        Krüger (2016), Of quantiles and expectiles: consistent scoring functions, Choquet representations and forecast
        rankings.
        """
        return self.cost(self.threshold)


def thresholds(found: Calibration) -> Thresholds:
    """Decisions at every edge of the bins, which are 1/256 apart between 1/32 and 31/32, and closer outside.

    Raises
    ------
    ValueError : the events are not binary targets, or there are no rows.
    """
    if found.kind != "binary":
        raise ValueError(
            f"calibration: got one of kind {found.kind!r}; expected 'binary', as thresholds need two classes"
        )
    negative, positive = found.weight.values().reshape(BINS, 2).T
    total = float(negative.sum() + positive.sum())
    check_rows(total)
    starts = bin_starts()
    with np.errstate(divide="ignore"):
        logit = np.log(starts) - np.log1p(-starts)
    missed = np.concatenate([[0.0], np.cumsum(positive)]) / total
    alarms = np.concatenate([np.cumsum(negative[::-1])[::-1], [0.0]]) / total
    threshold = np.concatenate([starts, 1.0 - starts[::-1]])
    return Thresholds(threshold, np.concatenate([logit, -logit[::-1]]), missed, alarms, float(positive.sum()) / total)
