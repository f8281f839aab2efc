"""Smooth losses: L-BFGS, also with an L1 penalty, and Newton's method with a Cholesky factor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.adapters.linear.problem import EPS, Problem, Solution

__all__ = ["LAST", "ROUNDING", "Bordered", "curvatures", "factored", "lbfgs", "newton", "stepped"]

Array = NDArray[Any]

SUFFICIENT = 1e-4  # share of the predicted decrease that a step must reach
SHORTEST = 2.0**-40
FLOOR = 1e-10  # least curvature of a row, relative to the mean
ROUNDING = 4.0 * EPS  # relative decrease that the objective no longer shows
LAST = 3  # full steps that are taken all the same: slopes have twice the digits of the objective


def lbfgs(problem: Problem, c: Array, a: Any, tol: float, max_iter: int) -> Solution:
    """SciPy's L-BFGS-B on columns of variance 1. With L1, c is the difference of two vectors >= 0."""
    from scipy.optimize import minimize

    unknowns, limit = _Unknowns(problem), tol * problem.slope_size
    found = minimize(
        unknowns.value_and_gradient,
        unknowns.packed(c, a),
        jac=True,
        method="L-BFGS-B",
        bounds=unknowns.bounds,
        options={"maxiter": max_iter, "maxfun": 2 * max_iter + 20, "gtol": limit, "ftol": EPS},
    )
    solution = problem.finished(*unknowns.unpacked(found.x), int(found.nit), found.status != 1)
    return solution._replace(is_exact=bool(np.abs(found.jac).max() <= limit))


class _Unknowns:
    """One vector for L-BFGS: coefficients times the scales of their columns, and the centre."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.shape = problem, problem.nothing.shape
        self.scale = problem.scale[:, None] if problem.outputs else problem.scale
        self.signs = 2 if problem.l1 > 0.0 else 1
        self.size = problem.nothing.size

    @property
    def bounds(self) -> Any:
        if self.signs == 1:
            return None
        free = (-np.inf, np.inf)
        return [(0.0, np.inf)] * (2 * self.size) + [free] * max(self.problem.outputs, 1)

    def packed(self, c: Array, a: Any) -> Array:
        scaled = (c * self.scale).ravel()
        parts = [scaled] if self.signs == 1 else [np.maximum(scaled, 0.0), np.maximum(-scaled, 0.0)]
        return np.concatenate([*parts, np.atleast_1d(a)])

    def unpacked(self, v: Array) -> tuple[Array, Any]:
        size = self.size
        scaled = v[:size] if self.signs == 1 else v[:size] - v[size : 2 * size]
        a = v[self.signs * size :]
        return scaled.reshape(self.shape) / self.scale, a if self.problem.outputs else a[0]

    def value_and_gradient(self, v: Array) -> tuple[float, Array]:
        problem = self.problem
        c, a = self.unpacked(v)
        value, by_c, by_a = problem.value_and_gradient(c, a)
        value += 0.5 * problem.l2 * float(np.vdot(c, c))
        gradient = ((by_c + problem.l2 * c) / self.scale).ravel()
        if self.signs == 1:
            return value, np.concatenate([gradient, np.atleast_1d(by_a)])
        cost = np.broadcast_to(problem.l1 / self.scale, self.shape).ravel()
        value += float(cost @ (v[: self.size] + v[self.size : 2 * self.size]))
        return value, np.concatenate([cost + gradient, cost - gradient, np.atleast_1d(by_a)])


def newton(problem: Problem, c: Array, a: float, tol: float, max_iter: int) -> Solution:
    """Newton's method for a loss of one number per sample: a few steps, each with a p x p matrix."""
    limit = tol * problem.slope_size
    z, last = problem.predictions(c, a), 0
    for step in range(max_iter + 1):
        value, slopes, bend = problem.loss.value_gradient_and_hessian(z, problem.target, weight=problem.weight)
        bend = curvatures(problem, bend)
        by_c, by_a = problem.by_columns(slopes)
        by_c = by_c + problem.l2 * c
        if max(np.abs(by_c / problem.scale).max(initial=0.0), abs(by_a)) <= limit:
            return problem.finished(c, a, step, True, z)
        matrix, border = problem.gram(bend)
        matrix.flat[:: len(c) + 1] += problem.l2
        corner = float(bend.sum()) if problem.has_intercept else 0.0
        dc, da = Bordered(matrix, border, corner).solve(-by_c, -float(by_a))
        decrease = -float(by_c @ dc) - float(by_a) * da
        objective = float(value) + problem.penalty(c)
        last += decrease <= ROUNDING * abs(objective)
        moved = stepped(problem, (c, a, z), (dc, da), objective, decrease)
        if moved is None or last > LAST:  # what is left is rounding
            return problem.finished(c, a, step, True, z)
        c, a, z = moved
    return problem.finished(c, a, max_iter, False, z)


def curvatures(problem: Problem, bend: Array) -> Array:
    """Second derivatives of the rows, with a floor where they vanish, as those of ``huber`` do far from the target."""
    total = float(np.maximum(bend, 0.0).sum()) or 1.0
    return np.maximum(bend, FLOOR * total * problem.weight)


class Bordered:
    """A positive semi-definite matrix with one more row and column, factored; ``corner`` is 0 without an intercept.

    A tiny diagonal is added while the matrix is singular.
    """

    def __init__(self, matrix: Array, border: Array, corner: float) -> None:
        self.border, self.corner = border, corner
        self._factor = factored(matrix - np.outer(border, border) / corner if corner > 0.0 else matrix)

    def solve(self, right: Array, end: float) -> tuple[Array, float]:
        """The solution for one right side."""
        from scipy.linalg import cho_solve

        if not self.corner > 0.0:
            return cho_solve(self._factor, right, check_finite=False), 0.0
        d = cho_solve(self._factor, right - self.border * (end / self.corner), check_finite=False)
        return d, (end - float(self.border @ d)) / self.corner


def factored(matrix: Array) -> Any:
    """The Cholesky factor, for SciPy's ``cho_solve``."""
    from scipy.linalg import LinAlgError, cho_factor

    if not np.isfinite(matrix).all():
        raise LinAlgError("matrix: got numbers that are not finite; expected finite ones")
    diagonal = matrix.diagonal()
    diagonal = np.where(diagonal > 0.0, diagonal, max(float(diagonal.max(initial=0.0)), 1e-300))
    extra = 0.0
    while True:
        try:
            factor = cho_factor(matrix + np.diag(extra * diagonal), check_finite=False)
            if (factor[0].diagonal() ** 2 / diagonal).min(initial=1.0) > 4.0 * EPS:
                return factor
        except LinAlgError:
            pass
        extra = max(100.0 * extra, 1e-12)


def stepped(
    problem: Problem, at: tuple[Array, float, Array], by: tuple[Array, float], value: float, decrease: float
) -> tuple[Array, float, Array] | None:
    """The point after a step of the right length; None if there is none that makes the objective fall."""
    (c, a, z), (dc, da) = at, by
    dz = problem.predictions(dc, da)
    length = 1.0
    if decrease <= ROUNDING * abs(value):
        return c + dc, a + da, z + dz
    while length > SHORTEST:
        there = c + length * dc
        with np.errstate(over="ignore"):
            new = problem.mean_loss(z + length * dz) + problem.penalty(there)
        if new <= value - SUFFICIENT * length * decrease + 2.0 * EPS * abs(value):
            return there, a + length * da, z + length * dz
        length *= 0.5
    return None
