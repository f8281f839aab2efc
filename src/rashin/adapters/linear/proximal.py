"""Smooth losses of one number with L1 or elastic net: Newton's method on the columns that may take part.

Each step minimises a quadratic model plus the L1 penalty, by coordinate descent to find the signs and a linear system
for those signs. A column takes part if its coefficient is not 0 or its slope exceeds the penalty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.adapters.linear.problem import EPS, Problem, Solution
from rashin.adapters.linear.smooth import LAST, ROUNDING, curvatures, factored, stepped

__all__ = ["lowest_quadratic", "proximal_newton"]

Array = NDArray[Any]

FIRST = 100  # columns that may join in one step, or as many as take part already
SWEEPS = 4  # of coordinate descent before each linear system
ROUNDS = 200
ROOM = 1e3  # factor of the tolerance that rounding may cost


def proximal_newton(problem: Problem, c: Array, a: float, tol: float, max_iter: int) -> Solution:
    """Steps until the duality gap is at most ``tol`` times the objective."""
    z, last = problem.predictions(c, a), 0
    for step in range(max_iter + 1):
        value, slopes, bend = problem.loss.value_gradient_and_hessian(z, problem.target, weight=problem.weight)
        by_c, by_a = problem.by_columns(slopes)
        objective = float(value) + problem.penalty(c)
        is_centered = abs(by_a) <= 1e-12 * np.abs(slopes).sum() + EPS
        if is_centered and problem.gap(c, by_c, objective) <= tol * abs(objective):
            return problem.finished(c, a, step, True)
        columns = _columns(problem, c, by_c)
        change = _change(problem, c, curvatures(problem, bend), by_c, float(by_a), columns)
        dc, da = change
        saved = problem.penalty(c) - problem.penalty(c + dc)
        decrease = saved - float(by_c @ dc) - float(by_a) * da
        last += decrease <= ROUNDING * abs(objective)
        moved = stepped(problem, (c, a, z), change, objective, decrease)
        if moved is None or last > LAST:  # what is left is rounding
            solution = problem.finished(c, a, step, True)
            return solution._replace(converged=solution.gap <= ROOM * max(tol, EPS) * abs(objective))
        c, a, z = moved
    return problem.finished(c, a, max_iter, False)


def _columns(problem: Problem, c: Array, by_c: Array) -> Array:
    """The columns of this step: those that take part and those with the largest excess slopes, in scaled units."""
    excess = np.where(c != 0.0, 0.0, np.abs(by_c) - problem.l1) / problem.scale
    joining = np.flatnonzero(excess > 0.0)
    limit = max(FIRST, int(np.count_nonzero(c)))
    if joining.size > limit:
        joining = joining[np.argpartition(-excess[joining], limit)[:limit]]
    return np.union1d(np.flatnonzero(c), joining)


def _change(problem: Problem, c: Array, bend: Array, by_c: Array, by_a: float, columns: Array) -> tuple[Array, float]:
    """The step (dc, da) to the minimum of the quadratic model on these columns."""
    matrix, border = problem.gram(bend, columns)
    corner = float(bend.sum()) if problem.has_intercept else 0.0
    linear = by_c[columns] - matrix @ c[columns]  # the loss alone: l2 c is in the matrix
    end = 0.0
    if corner > 0.0:
        end = by_a / corner
        linear = linear - border * (end - float(border @ c[columns]) / corner)
        matrix = matrix - np.outer(border, border) / corner
    matrix.flat[:: len(columns) + 1] += problem.l2
    damping = np.maximum(1e-12 * matrix.diagonal(), 1e-300)  # for columns that depend on each other
    matrix.flat[:: len(columns) + 1] += damping
    new = lowest_quadratic(matrix, linear - damping * c[columns], problem.l1, c[columns])
    dc = np.zeros_like(c)
    dc[columns] = new - c[columns]
    return dc, -end - float(border @ dc[columns]) / corner if corner > 0.0 else 0.0


def lowest_quadratic(matrix: Array, linear: Array, l1: float, start: Array) -> Array:
    """The x with the smallest x' H x / 2 + q' x + l1 |x|_1, for a positive definite H.

    >>> import numpy as np
    >>> lowest_quadratic(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([-3.0, -0.5]), 1.0, np.zeros(2))
    array([1., 0.])
    """
    x = start.copy()
    for _ in range(ROUNDS):
        x = _swept(matrix, linear, l1, x)
        x = _with_signs(matrix, linear, l1, x)
        slope = matrix @ x + linear
        wrong = np.where(x != 0.0, np.abs(slope + l1 * np.sign(x)), np.maximum(np.abs(slope) - l1, 0.0))
        if wrong.max(initial=0.0) <= 1e-14 * (l1 + np.abs(linear).max(initial=0.0)):
            break
    return x


def _swept(matrix: Array, linear: Array, l1: float, x: Array) -> Array:
    """A few sweeps of coordinate descent."""
    x = x.copy()
    slope, diagonal = matrix @ x + linear, matrix.diagonal()
    for _ in range(SWEEPS):
        for j in range(len(x)):
            aim = diagonal[j] * x[j] - slope[j]
            new = (abs(aim) - l1) / diagonal[j] * (1.0 if aim > 0.0 else -1.0) if abs(aim) > l1 else 0.0
            if new != x[j]:
                slope += matrix[j] * (new - x[j])
                x[j] = new
    return x


def _with_signs(matrix: Array, linear: Array, l1: float, x: Array) -> Array:
    """The minimum for the signs of x, or the way there up to the first change of a sign."""
    from scipy.linalg import cho_solve

    active = np.flatnonzero(x)
    if not active.size:
        return x
    signs = np.sign(x[active])
    factor = factored(matrix[np.ix_(active, active)])
    aim = cho_solve(factor, -linear[active] - l1 * signs, check_finite=False)
    crossing = aim * signs < 0.0
    share = np.where(crossing, x[active] / np.where(crossing, x[active] - aim, 1.0), 1.0)
    length = share.min()
    moved = x.copy()
    moved[active] = np.where(share == length, np.where(crossing, 0.0, aim), x[active] + length * (aim - x[active]))
    if length == 1.0:
        moved[active] = aim
    return moved
