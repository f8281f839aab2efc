"""The objective of a linear model, its derivatives, and the certificate of how far a point is from the minimum.

The objective is ``sum(w l) / sum(w) + l1 |c|_1 + l2 / 2 |c|_2^2``: the intercept has no penalty. With an intercept,
columns are centred: the unknowns are the coefficients c and the prediction a at the mean row m, z = (x - m) c + a. That
makes them nearly independent. The centred matrix is never stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.adapters.linear.blocks import Blocks
from rashin.constant import best_constant
from rashin.loss import Loss

__all__ = ["Problem", "Solution", "is_sparse"]

Array = NDArray[Any]

EPS = float(np.finfo(np.float64).eps)
SMALL_STEPS = 30  # of the intercept alone, before the certificate


def is_sparse(x: Any) -> bool:
    """Whether a matrix is one of SciPy's sparse ones, which need not be imported to answer."""
    return hasattr(x, "tocsr")


class Solution(NamedTuple):
    """Coefficients (p,) or (p, K), the prediction at the mean row, steps taken, and how the objective stands.

    ``gap`` bounds how far the objective lies above its minimum; inf if nothing bounds it. ``converged`` is False if the
    steps were used up; ``is_exact`` is True if L-BFGS did not stop for rounding before it met its tolerance.
    """

    coefficients: Array
    center: Any
    iterations: int
    objective: float = math.nan
    gap: float = math.inf
    converged: bool = True
    is_exact: bool = False


@dataclass(frozen=True, eq=False)
class Problem:
    """A linear model to fit.

    Parameters
    ----------
    loss : loss of one number per sample, or of a row with one number for each class.
    x : matrix (n, p) of float64, dense or CSR.
    target : targets as the loss takes them, (n,).
    weight : weights (n,) > 0 that sum to 1.
    l1, l2 : factors of the penalties.
    has_intercept : whether a is free; otherwise it is 0.
    outputs : number of classes of a row loss; 0 for losses of one number.
    """

    loss: Loss
    x: Any
    target: Array
    weight: Array
    l1: float
    l2: float
    has_intercept: bool
    outputs: int = 0

    @cached_property
    def mean(self) -> Array:
        """The weighted mean row (p,), or 0 without intercept."""
        return self._moments[0] if self.has_intercept else np.zeros(self.x.shape[1])

    @cached_property
    def scale(self) -> Array:
        """Standard deviation of each column about ``mean``; 1 for a column that is constant up to rounding."""
        square = self._moments[1]
        variance = square - self.mean**2
        constant = variance <= 1e-12 * square
        return np.sqrt(np.where(constant, 1.0, variance))

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        """The weighted mean of each column, and of its squares."""
        x, w = self.x, self.weight
        if is_sparse(x):
            return np.asarray(x.T @ w), np.asarray(x.multiply(x).T @ w)

        def sums(rows: slice, part: Array) -> tuple[Array, Array]:
            return w[rows] @ x[rows], np.einsum("i,ij,ij->j", w[rows], x[rows], x[rows])

        mean, square = _sums(self._blocks.each(sums))
        return mean, square

    @cached_property
    def _blocks(self) -> Blocks:
        return Blocks(self.x)

    @cached_property
    def start(self) -> Any:
        """The best constant; 0 without intercept, and where the best is infinite or unknown."""
        zero = np.zeros(self.outputs) if self.outputs else 0.0
        if not self.has_intercept:
            return zero
        try:
            found = best_constant(self.loss, self.target, self.weight, classes=self.outputs or None)
        except ValueError:  # there is none
            return zero
        return found if np.isfinite(found).all() else zero

    @cached_property
    def slope_size(self) -> float:
        """Root mean square of the loss's slopes at the start: a unit for gradients by columns of variance 1."""
        constant = np.full((len(self.target), *np.shape(self.start)), self.start)
        slopes = self.slopes_of_loss(constant)[1]
        return math.sqrt(float(np.sum(slopes.T**2 / self.weight)))

    @property
    def nothing(self) -> Array:
        """Coefficients that are all 0."""
        return np.zeros((self.x.shape[1], self.outputs) if self.outputs else self.x.shape[1])

    # ------------------------------------------------------------------------------------ values and derivatives

    def predictions(self, c: Array, a: Any) -> Array:
        """z for all rows; for changes of c and a, that of z."""
        if not c.any():
            return np.full((self.x.shape[0], *np.shape(a)), a)
        return np.asarray(self.x @ c + (a - self.mean @ c))

    def slopes_of_loss(self, z: Array) -> tuple[float, Array]:
        """The mean loss and its gradient by z."""
        value, slopes = self.loss.value_and_gradient(z, self.target, weight=self.weight)
        return float(value), np.asarray(slopes)

    def mean_loss(self, z: Array) -> float:
        """The weighted mean loss."""
        return float(self.loss(z, self.target, weight=self.weight))

    def by_columns(self, slopes: Array) -> tuple[Array, Any]:
        """The gradient by c and by a, from that by z, without the penalty."""
        return self._about_the_mean(np.asarray(self.x.T @ slopes), slopes.sum(axis=0))

    def _about_the_mean(self, by_c: Array, total: Any) -> tuple[Array, Any]:
        if not self.has_intercept:
            return by_c, np.zeros_like(total)
        return by_c - (np.outer(self.mean, total) if self.outputs else self.mean * total), total

    def value_and_gradient(self, c: Array, a: Any) -> tuple[float, Array, Any]:
        """The mean loss and its gradient by c and by a, in one pass over a dense matrix."""
        if is_sparse(self.x):
            value, slopes = self.slopes_of_loss(self.predictions(c, a))
            return value, *self.by_columns(slopes)
        shift = a - self.mean @ c

        def sums(rows: slice, part: Array) -> tuple[float, Array, Any]:
            x = self.x[rows]
            value, slopes = self.loss.value_and_gradient(
                x @ c + shift, self.target[rows], weight=self.weight[rows], reduction="sum"
            )
            return value, x.T @ slopes, slopes.sum(axis=0)

        value, by_c, total = _sums(self._blocks.each(sums))
        return float(value), *self._about_the_mean(by_c, total)

    def penalty(self, c: Array) -> float:
        """The two penalties together."""
        return self.l1 * float(np.abs(c).sum()) + 0.5 * self.l2 * float(np.vdot(c, c))

    def gram(self, d: Array, columns: Any = slice(None)) -> tuple[Array, Array]:
        """(x - m)' diag(d) (x - m) for d >= 0 and these columns, and (x - m)' d."""
        if not is_sparse(self.x):
            return self._dense_gram(d, columns)
        x, mean = self.x[:, columns], self.mean[columns]
        by_d = np.asarray(x.T @ d)
        total = d.sum()
        product = (x.T @ x.multiply(d[:, None]).tocsr()).toarray()
        product += total * np.outer(mean, mean) - np.outer(by_d, mean) - np.outer(mean, by_d)
        return product, by_d - total * mean

    def _dense_gram(self, d: Array, columns: Any) -> tuple[Array, Array]:
        mean, unit = self.mean[columns], float(d.max(initial=0.0))
        equal, all_of_them = bool((d == unit).all()), isinstance(columns, slice)
        roots = np.ones_like(d) if equal else np.sqrt(d)

        def sums(rows: slice, part: Array) -> tuple[Array, Array]:
            x = self.x[rows][:, columns]
            scaled = np.subtract(x, mean, out=part if all_of_them else x)  # else x is a copy
            if not equal:
                scaled *= roots[rows, None]
            return scaled.T @ scaled, roots[rows] @ scaled

        product, border = _sums(self._blocks.each(sums))
        return (product * unit, border * unit) if equal else (product, border)

    # ----------------------------------------------------------------------------------------- the certificate

    def finished(self, c: Array, a: Any, iterations: int, converged: bool, z: Array | None = None) -> Solution:
        """The point with the best intercept for its coefficients, its objective, and a bound of what is left."""
        z = self.predictions(c, a) if z is None else z
        if self.has_intercept:
            z, a = self._centered(z, a)
        value, slopes = self.slopes_of_loss(z)
        objective = value + self.penalty(c)
        by_c, _ = self.by_columns(slopes)
        return Solution(c, a, iterations, objective, self.gap(c, by_c, objective), converged)

    def _centered(self, z: Array, a: Any) -> tuple[Array, Any]:
        """Newton steps of the intercept alone, until its gradient is rounding."""
        slopes = self.slopes_of_loss(z)[1]
        for _ in range(SMALL_STEPS):
            total, size = slopes.sum(axis=0), np.abs(slopes).sum(axis=0)
            bend = np.asarray(self.loss.hessian(z, self.target, weight=self.weight)).sum(axis=0)
            if np.all(np.abs(total) <= EPS * size) or not np.all(bend > 0.0):
                break
            step = total / bend / (2.0 if self.outputs else 1.0)
            nearer = self.slopes_of_loss(z - step)[1]
            if np.abs(nearer.sum(axis=0)).max() >= np.abs(total).max():
                break
            z, a, slopes = z - step, a - step, nearer
        return z, a

    def gap(self, c: Array, by_c: Array, objective: float) -> float:
        """A bound of the objective's distance to its minimum, for the gradient g of a convex loss by c.

        The loss lies above its tangent. Where the intercept's slope is 0, the objective therefore falls by no more than
        ``g c + penalty(c) - min over b of (g b + penalty(b))``. With l2 the minimum is over all b. With l1 alone it is
        over the b with l1 |b| <= objective - lowest loss, as those with more are worse.
        """
        if not self.loss.facts.convex or not self.l1 + self.l2 > 0.0:
            return math.inf
        excess = np.maximum(np.abs(by_c) - self.l1, 0.0)
        bounds = [math.inf]
        if self.l2 > 0.0:
            bounds.append(float(np.vdot(excess, excess)) / (2.0 * self.l2))
        if self.l1 > 0.0:
            most, room = float(excess.max(initial=0.0)), objective - self.lowest
            bounds.append(most * room / self.l1 if most > 0.0 else 0.0)
        return max(float(np.vdot(by_c, c)) + self.penalty(c) + min(bounds), 0.0)

    @cached_property
    def lowest(self) -> float:
        """A bound below the mean loss: that of the best prediction for each row with a log link, or a stated one."""
        if self.loss.facts.link == "log":
            return self.mean_loss(np.log(np.maximum(self.target, 1e-300)))
        bounds = self.loss.facts.bounds
        if bounds is None:
            return -math.inf
        return float(bounds(*([self.outputs] if self.outputs else []), **self.loss.parameters)[0])


def _sums(blocks: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The sums of what each block has."""
    return tuple(sum(parts[1:], start=parts[0]) for parts in zip(*blocks, strict=True))
