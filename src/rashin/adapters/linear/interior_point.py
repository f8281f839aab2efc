"""Piecewise linear losses with L1, L2 or no penalty: a primal-dual interior point method.

A loss with kinks k_1 <= k_2 <= ... is a sum of terms ``left (k - z)+ + right (z - k)+``, one for each kink; an L1
penalty is a sum of such terms of the coefficients, with kinks at 0. The method follows Mehrotra's predictor and
corrector. Each step takes one p x p matrix, and the duality gap falls to rounding in 10 to 30 steps.

Reference: Mehrotra (1992), On the implementation of a primal-dual interior point method; Portnoy and Koenker (1997),
The Gaussian hare and the Laplacian tortoise.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.adapters.linear.problem import EPS, Problem, Solution
from rashin.adapters.linear.smooth import LAST, Bordered
from rashin.loss import Loss

__all__ = ["interior_point", "is_piecewise_linear", "slopes_and_kinks"]

Array = NDArray[Any]

BACK = 0.9995  # share of the way to the boundary
ROOM = 1e3  # factor of the tolerance that rounding may cost


def slopes_and_kinks(loss: Loss, target: Array) -> tuple[Array, Array]:
    """The kinks (m, n) of each row, in order, and the slopes (m + 1, n) between them."""
    found = loss.facts.kinks(target, **loss.parameters) if loss.facts.kinks else ()
    kinks = np.sort(np.array([np.broadcast_to(np.asarray(k, np.float64), target.shape) for k in found]), axis=0)
    return kinks, np.stack([loss.gradient(z, target, reduction="none") for z in _between(kinks)])


def _between(kinks: Array) -> list[Array]:
    """A prediction in each interval."""
    far = 1.0 + 2.0 * np.abs(kinks).max(axis=0)
    middles = [0.5 * (low + high) for low, high in pairwise(kinks)]
    return [kinks[0] - far, *middles, kinks[-1] + far]


def is_piecewise_linear(loss: Loss, target: Array) -> bool:
    """Whether the loss is linear between its kinks, by its values and its Hessian at these targets.

    >>> import numpy as np, rashin
    >>> [is_piecewise_linear(loss, np.array([2.0])) for loss in (rashin.quantile, rashin.huber, rashin.poisson)]
    [True, False, False]
    """
    if loss.facts.kinks is None or not loss.facts.convex:
        return False
    if not loss.facts.kinks(target, **loss.parameters):
        return False
    kinks, _ = slopes_and_kinks(loss, target)
    return all(not np.any(loss.hessian(z, target, reduction="none")) for z in _between(kinks))


class _Terms:
    """The terms of rows, (m, n), and after them those of the coefficients, (p,), all in one vector."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        kinks, slopes = slopes_and_kinks(problem.loss, problem.target)
        self.m, self.n = kinks.shape
        up, down = np.maximum(slopes, 0.0), np.maximum(-slopes, 0.0)
        has_l1 = problem.l1 > 0.0
        p = problem.x.shape[1] if has_l1 else 0
        ends = np.full(p, problem.l1)
        self.kinks = np.concatenate([kinks.ravel(), np.zeros(p)])
        self.right = np.concatenate([(problem.weight * np.diff(up, axis=0)).ravel(), ends])
        self.left = np.concatenate([(-problem.weight * np.diff(down, axis=0)).ravel(), ends])
        self.has_l1 = has_l1
        self.kept = self.left + self.right > 0.0  # a kink may be flat for some targets
        self.count = int(self.kept.sum())

    def of(self, c: Array, a: float) -> Array:
        """Arguments of all terms."""
        rows = np.tile(self.problem.predictions(c, a), self.m)
        every: Array = np.concatenate([rows, c]) if self.has_l1 else rows
        kept: Array = every[self.kept]
        return kept

    def spread(self, values: Array) -> Array:
        """Numbers of the kept terms among zeros for the others."""
        full: Array = np.zeros(self.kept.size)
        full[self.kept] = values
        return full

    def back(self, values: Array) -> tuple[Array, float]:
        """The transpose of ``of``."""
        full = self.spread(values)
        by_c, by_a = self.problem.by_columns(self.rows(full))
        return (by_c + full[self.m * self.n :] if self.has_l1 else by_c), float(by_a)

    def rows(self, full: Array) -> Array:
        """The sums over the terms of each row."""
        sums: Array = full[: self.m * self.n].reshape(self.m, self.n).sum(axis=0)
        return sums


def interior_point(problem: Problem, tol: float, max_iter: int) -> Solution:
    """Steps until the duality gap is at most ``tol`` times the objective."""
    state = _State(problem)
    best, idle = state.solution(0), 0
    unit = EPS * best.objective  # for a loss that falls to 0
    for step in range(1, max_iter + 1):
        is_close = best.gap <= ROOM * tol * (abs(best.objective) + unit)
        if best.gap <= tol * (abs(best.objective) + unit) or (is_close and idle >= LAST) or not state.advance():
            break
        now = state.solution(step)
        best, idle = (now, 0) if now.gap < best.gap else (best, idle + 1)
    return best._replace(converged=best.gap <= ROOM * max(tol, EPS) * (abs(best.objective) + unit))


class _State:
    """Coefficients, the parts u of a term's argument below its kink and v above it, and the dual y of each term.

    ``of(c, a) - kinks = v - u``; the slopes y lie between -left and right; u (left + y) = v (right - y) = mu.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.terms = problem, _Terms(problem)
        kept = self.terms.kept
        self.kinks, self.left, self.right = self.terms.kinks[kept], self.terms.left[kept], self.terms.right[kept]
        self.c, self.a = problem.nothing, problem.start
        apart = self.terms.of(self.c, self.a) - self.kinks
        spread = 0.1 * (float(np.abs(apart).mean()) if apart.size else 1.0) or 1.0
        self.u, self.v = np.maximum(-apart, 0.0) + spread, np.maximum(apart, 0.0) + spread
        self.y = 0.5 * (self.right - self.left)

    def solution(self, step: int) -> Solution:
        """The point and its gap: the primal value less the dual one, whose slopes are made feasible first."""
        problem = self.problem
        objective = problem.mean_loss(problem.predictions(self.c, self.a)) + problem.penalty(self.c)
        return Solution(self.c, self.a, step, objective, self._gap())

    def _gap(self) -> float:
        """Fenchel's gap of c and the slopes y; what y lacks to be feasible counts in full."""
        by_c, by_a = self.terms.back(self.y)
        apart = self.terms.of(self.c, self.a) - self.kinks
        terms = np.where(apart > 0.0, (self.right - self.y) * apart, -(self.left + self.y) * apart)
        gap = float(terms.sum()) + abs(by_a * self.a)
        rest = by_c + self.problem.l2 * self.c
        if self.problem.l2 > 0.0:
            return float(gap + rest @ rest / (2.0 * self.problem.l2))
        return float(gap + np.abs(rest) @ np.abs(self.c))

    def advance(self) -> bool:
        """One predictor and one corrector; False if the matrix is no longer finite."""
        with np.errstate(all="ignore"):
            s1, s2 = self.left + self.y, self.right - self.y
            mu = float(self.u @ s1 + self.v @ s2) / (2 * self.terms.count)
            solve = self._system(s1, s2)
            if solve is None:
                return False
            trial = solve(-self.u * s1, -self.v * s2)
            primal, dual = self._lengths(trial, s1, s2)
            _, _, dy, du, dv = trial
            after = (self.u + primal * du) @ (s1 + dual * dy) + (self.v + primal * dv) @ (s2 - dual * dy)
            aim = mu * (float(after) / (2 * self.terms.count) / mu) ** 3
            step = solve(aim - self.u * s1 - du * dy, aim - self.v * s2 + dv * dy)
            primal, dual = self._lengths(step, s1, s2)
        if not all(np.all(np.isfinite(part)) for part in step):
            return False
        self.c, self.a = self.c + primal * step[0], self.a + primal * step[1]
        self.y, self.u, self.v = self.y + dual * step[2], self.u + primal * step[3], self.v + primal * step[4]
        return True

    def _lengths(self, step: Any, s1: Array, s2: Array) -> tuple[float, float]:
        _, _, dy, du, dv = step
        primal, dual = min(_room(self.u, du), _room(self.v, dv)), min(_room(s1, dy), _room(s2, -dy))
        return (min(primal, dual),) * 2 if self.problem.l2 > 0.0 else (primal, dual)

    def _system(self, s1: Array, s2: Array) -> Any:
        """A function that solves the linearised conditions for two right sides of the products."""
        from scipy.linalg import LinAlgError

        problem, terms = self.problem, self.terms
        d = 1.0 / (self.v / s2 + self.u / s1)
        full = terms.spread(d)
        rows = terms.rows(full)
        matrix, border = problem.gram(rows)
        extra = full[terms.m * terms.n :] if terms.has_l1 else 0.0
        matrix.flat[:: len(matrix) + 1] += problem.l2 + extra
        corner = float(rows.sum()) if problem.has_intercept else 0.0
        by_c, by_a = terms.back(self.y)
        lacks = self.kinks - terms.of(self.c, self.a) + self.v - self.u
        try:
            factor = Bordered(matrix, border, corner)
        except LinAlgError:
            return None

        def solve(r1: Array, r2: Array) -> Any:
            q = lacks + r2 / s2 - r1 / s1
            of_c, of_a = terms.back(d * q)
            dc, da = factor.solve(of_c - problem.l2 * self.c - by_c, of_a - by_a)
            dy = d * (terms.of(dc, da) - q)
            return dc, da, dy, (r1 - self.u * dy) / s1, (r2 + self.v * dy) / s2

        return solve


def _room(x: Array, dx: Array) -> float:
    """How far x may go along dx and stay above 0, at most 1."""
    falls = dx < 0.0
    return min(1.0, BACK * float(np.min(-x[falls] / dx[falls]))) if falls.any() else 1.0
