"""Which method minimises which objective, and which losses a linear model can have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.adapters.linear.interior_point import interior_point, is_piecewise_linear
from rashin.adapters.linear.problem import Problem, Solution
from rashin.adapters.linear.proximal import proximal_newton
from rashin.adapters.linear.smooth import lbfgs, newton
from rashin.domain import Domain, Row
from rashin.loss import Loss

__all__ = ["SOLVERS", "check_loss", "minimum"]

Array = NDArray[Any]

SOLVERS = ("auto", "lbfgs", "newton", "proximal-newton", "interior-point")
FEW = 2000  # columns up to which Newton's method finishes what L-BFGS began
WORK = 5e10  # operations up to which it does so for more columns: with few rows these depend on each other
MOST = 20_000  # columns of the matrices that fit in memory: 3 GiB


def minimum(problem: Problem, solver: str, start: tuple[Array, Any] | None, tol: float, max_iter: int) -> Solution:
    """The minimum of the objective, from a start that is the best constant if None.

    Raises
    ------
    ValueError : the solver does not take this loss or penalty, or there are too many columns for it.
    """
    able = _able(problem)
    if solver != "auto" and solver not in able:
        raise ValueError(
            f"solver: got {solver!r} with {problem.loss.name}, l1={problem.l1:g} and {_outputs(problem)}; expected "
            f"{' or '.join(map(repr, ('auto', *able)))}"
        )
    chosen = able[0] if solver == "auto" else solver
    if chosen in ("newton", "interior-point") and problem.x.shape[1] > MOST:
        raise ValueError(
            f"X: got {problem.x.shape[1]} columns with solver={chosen!r}; expected at most {MOST}, whose products fit "
            "in memory; fix: select columns, or use a smooth loss"
        )
    c, a = (problem.nothing, problem.start) if start is None else start
    if chosen == "interior-point":
        return interior_point(problem, tol * tol, max_iter)
    if chosen == "proximal-newton":
        return proximal_newton(problem, c, a, tol * tol, max_iter)
    if chosen == "newton":
        return newton(problem, c, a, tol, max_iter)
    found = lbfgs(problem, c, a, 1e-2 * tol if problem.l1 > 0.0 else tol, max_iter)
    if solver == "auto" and "newton" in able and not found.is_exact and _has_few(problem):  # for ill-conditioned X
        finish = newton(problem, found.coefficients, found.center, tol, max_iter)
        return finish._replace(iterations=found.iterations + finish.iterations)
    return found


def _outputs(problem: Problem) -> str:
    return f"{problem.outputs} outputs" if problem.outputs else "one output"


def _has_few(problem: Problem) -> bool:
    """Whether a step of Newton's method costs little."""
    n, p = problem.x.shape
    return bool(p <= FEW or p * p * (n + p) <= WORK)


def _able(problem: Problem) -> tuple[str, ...]:
    """The solvers for a problem, the best one first."""
    loss = problem.loss
    if not problem.outputs and is_piecewise_linear(loss, problem.target[:1]):
        return ("interior-point",)
    if problem.outputs or not loss.facts.convex:
        return ("lbfgs",)
    has_few = _has_few(problem)
    if problem.l1 > 0.0:
        return ("proximal-newton", "lbfgs") if has_few else ("lbfgs", "proximal-newton")
    is_quadratic = loss.facts.target_degree == 2
    return ("newton", "lbfgs") if is_quadratic and has_few else ("lbfgs", "newton")


def check_loss(loss: Loss) -> None:
    """Raise ``ValueError`` for a loss that a linear prediction does not fit, or that no solver can minimise."""
    sample, entry = loss.prediction, loss.prediction.entry()
    if not isinstance(sample, Domain | Row) or "temperature" in loss.options:
        _refuse(loss, f"whose prediction is {sample.name}", "a loss of one number, or of labels and a row of logits")
    if np.isfinite(entry.low) or np.isfinite(entry.high) or entry.shape != "interval":
        _refuse(loss, f"whose predictions are {entry.description}", "a loss of any real number, such as one of logits")
    if sample.has_classes and not np.any(loss.hessian(np.array([[0.5, 0.1, 0.3]]), [0])):
        _refuse(loss, "which has kinks between classes", "a smooth loss of several classes, or hinge")
    if not sample.has_classes and _has_jumps(loss):
        _refuse(loss, "whose slope jumps between curved parts", "a smooth or a piecewise linear loss")


def _refuse(loss: Loss, what: str, expected: str) -> None:
    raise ValueError(f"loss: got {loss.name}, {what}; expected {expected}")


def _has_jumps(loss: Loss) -> bool:
    """Whether the slope jumps at a kink of a loss that is not piecewise linear."""
    target = np.array([loss.target.entry().samples[0]])
    if loss.facts.kinks is None or is_piecewise_linear(loss, target):
        return False
    for kink in loss.facts.kinks(target, **loss.parameters):
        step = 1e-9 * (1.0 + np.abs(kink))
        below, above = (loss.gradient(kink + sign * step, target) for sign in (-1.0, 1.0))
        if np.isfinite(kink).all() and np.abs(above - below).max() > 1e-6:
            return True
    return False
