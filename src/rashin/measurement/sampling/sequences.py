"""Confidence sequences: intervals for a mean that hold at all times together, so that one may stop at any of them.

Rows are drawn without replacement from a data set in which ``rows`` rows count; the mean is sum(w l) / sum(w) over all
of these. Rows are added as their weights w and weighted losses w l, in the order in which they were drawn, along the
last axis; the axes before it are independent samples, each with a separate interval.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Asymptotic", "ConfidenceSequence", "EmpiricalBernstein"]

Array = NDArray[np.float64]


class ConfidenceSequence(Protocol):
    """The interface of all confidence sequences."""

    method: str
    count: int

    def add(self, weight: Array, weighted: Array) -> None:
        """Add the next rows: w and w l, (..., n)."""

    def interval(self) -> tuple[Array, Array, Array]:
        """The mean of the rows so far, and the interval, low and high, for the mean of all rows."""


class EmpiricalBernstein:
    r"""A confidence sequence for bounded losses that holds for every sample size, without asymptotics.

    Before row i is drawn, the rows so far give c, their mean, and v, the mean of w^2 (l - c)^2. If m were the mean of
    all N rows, and W the sum of their weights, then y = w (l - c) would have the expectation

    .. math:: e_i(m) = \frac{(m - c) W - \sum_{j<i} w_j (l_j - c)}{N - i + 1}, \quad
        \exp\Big(\pm\sum_i \lambda_i (y_i - e_i(m)) - \sum_i \psi(\lambda_i) y_i^2\Big), \
        \psi(x) = -\log(1 - x) - x,

    are supermartingales, and the probability that one of them ever exceeds 2 / (1 - confidence) is at most
    (1 - confidence) / 2 for each (Ville's inequality). The m for which neither has exceeded it form an interval, which
    is cut to the range that the remaining rows allow.

    The stakes lambda_i may depend on earlier rows. The stakes h W / (N - i + 1) / v reach the requested half-width
    h = tolerance c after the fewest rows; they are kept below half of what the bounds allow.

    Parameters
    ----------
    rows : number N of rows that count.
    total, heaviest : sum of their weights, and the largest weight.
    bounds : smallest and largest possible loss.
    tolerance : half-width to aim at, relative to the mean.
    confidence : probability that the mean lies in all intervals.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).random(1000)
    >>> sequence = EmpiricalBernstein(10000, 10000.0, 1.0, (0.0, 1.0), tolerance=0.1, confidence=0.95)
    >>> sequence.add(np.ones(1000), rows)
    >>> [round(float(x), 3) for x in sequence.interval()]
    [0.517, 0.48, 0.553]

    Reference: Waudby-Smith and Ramdas (2020), Confidence sequences for sampling without replacement; and (2024),
    Estimating means of bounded random variables by betting.
    """

    method = "empirical-bernstein"

    def __init__(
        self,
        rows: int,
        total: float,
        heaviest: float,
        bounds: tuple[float, float],
        tolerance: float,
        confidence: float,
    ) -> None:
        self.rows, self.total, self.heaviest, self.bounds = rows, total, heaviest, bounds
        self.tolerance, self.threshold = tolerance, math.log(2.0 / (1.0 - confidence))
        self.scale = heaviest * (bounds[1] - bounds[0])
        self.count = 0
        self.weight: Any = 0.0
        self.sum: Any = 0.0
        self.squares: Any = 0.0
        # The exponents of the two supermartingales are +-(gain - m slope) - cost.
        self.gain: Any = 0.0
        self.slope: Any = 0.0
        self.cost: Any = 0.0

    def add(self, weight: Array, weighted: Array) -> None:
        seen = self.count + np.arange(weighted.shape[-1])
        left = self.rows - seen
        weights, sums = _running(self.weight, weight), _running(self.sum, weighted)
        # The estimates start from one imagined row in the middle of the bounds, with the largest deviation they allow.
        imagined = 0.5 * self.heaviest * sum(self.bounds)
        c = (imagined + sums[..., :-1]) / (self.heaviest + weights[..., :-1])
        y = weighted - c * weight
        squares = _running(self.squares, y * y)
        v = (0.25 * self.scale**2 + squares[..., :-1]) / (1.0 + seen)
        stake = np.minimum(self.tolerance * np.abs(c) * (self.total / left) / v, 0.5 / self.scale)
        known = y + (c * self.total + sums[..., :-1] - c * weights[..., :-1]) / left
        self.gain = self.gain + np.sum(stake * known, axis=-1)
        self.slope = self.slope + np.sum(stake * (self.total / left), axis=-1)
        x = stake * self.scale
        self.cost = self.cost + np.sum((-np.log1p(-x) - x) * np.square(y / self.scale), axis=-1)
        self.weight, self.sum, self.squares = weights[..., -1], sums[..., -1], squares[..., -1]
        self.count += weighted.shape[-1]

    def interval(self) -> tuple[Array, Array, Array]:
        low, high = ((self.sum + (self.total - self.weight) * bound) / self.total for bound in self.bounds)
        with np.errstate(divide="ignore", invalid="ignore"):
            margin = self.threshold + self.cost
            least, most = (self.gain - margin) / self.slope, (self.gain + margin) / self.slope
            mean = self.sum / self.weight
        least, most = np.clip(least, low, high), np.clip(most, low, high)
        return np.clip(mean, least, most), least, most


class Asymptotic:
    r"""A confidence sequence for losses without bounds; it holds in the limit of many rows, from ``minimum`` rows on.

    For n rows out of N, the error of the weighted mean m is the mean of r = w (l - m) / mean(w), to first order. Let s
    be the standard deviation of r. In the limit, the sum of the errors is a Brownian bridge from 0 to N (Rosén), which
    in the time tau = n N / (N - n) is a Brownian motion. Its exponential martingales, mixed over a normal distribution
    with variance rho^2, are again a martingale, and Ville's inequality gives

    .. math:: |m - m_{\text{all}}| \le \frac{s z}{\sqrt\tau}, \quad
        z^2 = \Big(1 + \frac{1}{\tau \rho^2}\Big) \Big(\log(1 + \tau \rho^2) - 2 \log(1 - \text{confidence})\Big)

    at all times together. As n approaches N, the width of the interval approaches 0. rho is set once, at the first
    interval, so that the interval is narrowest for its time when it reaches the requested width.

    For skewed losses, the mean and the deviation of a sample tend to be too small together. In the direction of the
    skewness g of r, the interval is therefore wider by s g (2 z^2 + 1) / (6 tau) (Johnson), which vanishes faster than
    the rest of it.

    Only the limit is guaranteed: a sample without any of the rare large losses contains no information about them. If
    all losses so far are equal, their spread is unknown, and there is not yet an interval.

    Parameters
    ----------
    rows : number N of rows that count.
    minimum : smallest sample that has an interval.
    tolerance : half-width to aim at, relative to the mean.
    confidence : probability, in the limit, that the mean lies in all intervals.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(5.0, 1.0, 1000)
    >>> sequence = Asymptotic(10000, minimum=500, tolerance=0.02, confidence=0.95)
    >>> sequence.add(np.ones(1000), rows)
    >>> [round(float(x), 3) for x in sequence.interval()]
    [4.952, 4.863, 5.041]

    Reference: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory and
    asymptotic confidence sequences; Rosén (1964), Limit theorems for sampling from finite populations; Johnson (1978),
    Modified t tests and confidence intervals for asymmetrical populations.
    """

    method = "asymptotic"

    def __init__(self, rows: int, minimum: int, tolerance: float, confidence: float) -> None:
        self.rows, self.minimum, self.tolerance = rows, minimum, tolerance
        self.threshold = -2.0 * math.log(1.0 - confidence)
        self.best = self.threshold  # tau rho^2 at which the interval is narrowest: x = log(1 + x) + threshold
        for _ in range(100):
            self.best = math.log1p(self.best) + self.threshold
        self.count = 0
        self.centre: Any = None  # near the mean, so that powers of large losses do not cancel
        self.sums: list[list[Any]] = [[0.0] * (k + 1) for k in range(4)]  # [k][j] is of w^(k - j) (w (l - centre))^j
        self.squared_rho: Any = np.nan

    def add(self, weight: Array, weighted: Array) -> None:
        with np.errstate(invalid="ignore", over="ignore"):  # infinite losses have no interval
            if self.centre is None:
                self.centre = np.sum(weighted, axis=-1) / np.maximum(np.sum(weight, axis=-1), np.finfo(float).tiny)
            v = weighted - weight * self.centre[..., np.newaxis]
            for k in (1, 2, 3):
                for j in range(k + 1):
                    self.sums[k][j] = self.sums[k][j] + np.sum(weight ** (k - j) * v**j, axis=-1)
            self.count += weighted.shape[-1]
            if self.count >= self.minimum:
                self._tune()

    def interval(self) -> tuple[Array, Array, Array]:
        mean, spread, asymmetry = self._moments()
        if self.count == self.rows:
            return mean, mean, mean
        time = self._time()
        x = time * self.squared_rho
        square = (1.0 + 1.0 / x) * (np.log1p(x) + self.threshold)
        margin = np.where(np.isnan(x), np.inf, spread * np.sqrt(square / time))
        shift = np.where(np.isnan(x), 0.0, asymmetry * (2.0 * square + 1.0) / (6.0 * time))
        return mean, mean - margin + np.minimum(shift, 0.0), mean + margin + np.maximum(shift, 0.0)

    def _tune(self) -> None:
        """Set rho as soon as the rows show how many will be needed."""
        if self.count == self.rows or not np.any(np.isnan(self.squared_rho)):
            return
        mean, spread, _ = self._moments()
        with np.errstate(divide="ignore", invalid="ignore"):
            aim = (self.tolerance * mean / spread) ** 2 / (
                1.0 + self.best
            )  # 1 / the time at which the interval is so narrow
        squared_rho = self.best * np.minimum(aim, 1.0 / self._time())
        known = np.isnan(self.squared_rho) & (aim > 0.0) & (aim < np.inf)
        self.squared_rho = np.where(known, squared_rho, self.squared_rho)

    def _time(self) -> float:
        return self.count * self.rows / (self.rows - self.count)

    def _moments(self) -> tuple[Array, Array, Array]:
        """The weighted mean; the standard deviation s of r; and s times its skewness."""
        with np.errstate(divide="ignore", invalid="ignore"):
            weight, moment = self.sums[1]
            d = moment / weight
            squares, cubes = (
                sum(math.comb(k, j) * (-d) ** (k - j) * self.sums[k][j] for j in range(k + 1)) for k in (2, 3)
            )
            unit = self.count / weight
            spread = unit * np.sqrt(np.maximum(squares, 0.0) / max(self.count - 1, 1))
            return self.centre + d, spread, unit * cubes / squares


def _running(start: Any, x: Array) -> Array:
    """``start``, and the cumulative sums along the last axis."""
    first = np.broadcast_to(np.asarray(start)[..., np.newaxis], (*x.shape[:-1], 1))
    return np.cumsum(np.concatenate([first, x], axis=-1), axis=-1)
