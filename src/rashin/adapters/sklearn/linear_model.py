"""What linear models for numbers and for classes share: settings, the fit, and scores."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from rashin.adapters.linear.problem import Problem, Solution
from rashin.adapters.linear.solvers import SOLVERS, check_loss, minimum
from rashin.loss import Loss
from rashin.registry import get

__all__ = ["LinearModel", "loss_named"]

Array = NDArray[Any]

PENALTIES = ("l2", "l1", "elasticnet", None)


class LinearModel(BaseEstimator):  # type: ignore[misc]
    """The settings and the fit that both estimators share."""

    def __init__(
        self,
        loss: Loss | str | None = None,
        *,
        alpha: float = 1e-4,
        penalty: str | None = "l2",
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        solver: str = "auto",
        tol: float = 1e-6,
        max_iter: int = 1000,
        warm_start: bool = False,
    ) -> None:
        self.loss, self.alpha, self.penalty, self.l1_ratio = loss, alpha, penalty, l1_ratio
        self.fit_intercept, self.solver, self.tol = fit_intercept, solver, tol
        self.max_iter, self.warm_start = max_iter, warm_start

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Any:
        """Minimise the objective.

        Parameters
        ----------
        X : array, data frame or sparse array (n, features), finite. It is fitted in float64; a sparse one stays sparse.
        y : numbers or classes, (n,).
        sample_weight : weights >= 0, (n,); None weights all rows equally, and a weight of 0 removes the row.

        Returns
        -------
        The estimator itself.

        Raises
        ------
        ValueError : a parameter is out of range, the loss cannot take the targets, or no solver takes the loss.
        """
        problems = self._problems(X, y, sample_weight)
        starts = self._starts(problems)
        found = [
            minimum(problem, self.solver, start, self.tol, self.max_iter)
            for problem, start in zip(problems, starts, strict=True)
        ]
        self._keep(problems, found)
        self._warn(found)
        return self

    def _problems(self, X: Any, y: Any, sample_weight: Any) -> list[Problem]:
        """The problem to solve, or one for each class against the rest."""
        self._check()
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=np.float64, y_numeric=not is_classifier(self), order=None
        )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weight.sum() > 0.0:
            raise ValueError("sample_weight: got weights that are all 0; expected some > 0")
        if not np.all(weight):  # a row without weight is no row
            X, y, weight = X[weight > 0.0], y[weight > 0.0], weight[weight > 0.0]
        l1, l2 = self._factors()
        self.loss_, targets, outputs = self._loss_and_targets(y)
        weight = weight / weight.sum()
        return [Problem(self.loss_, X, t, weight, l1, l2, bool(self.fit_intercept), outputs) for t in targets]

    def _loss_and_targets(self, y: Array) -> tuple[Loss, list[Array], int]:
        raise NotImplementedError

    def _check(self) -> None:
        """Raise ``ValueError`` for the first parameter that is out of range."""
        choices = {"penalty": PENALTIES, "solver": SOLVERS}
        for name, accepted in choices.items():
            if getattr(self, name) not in accepted:
                words = " or ".join(map(repr, accepted))
                raise ValueError(f"{name}: got {getattr(self, name)!r}; expected {words}")
        _check_number("alpha", self.alpha, 0.0, np.inf)
        _check_number("l1_ratio", self.l1_ratio, 0.0, 1.0)
        _check_number("tol", self.tol, 0.0, 1.0)
        if not isinstance(self.max_iter, Integral) or self.max_iter < 1:
            raise ValueError(f"max_iter: got {self.max_iter!r}; expected a whole number >= 1")

    def _factors(self) -> tuple[float, float]:
        """The factors of |c|_1 and of |c|^2 / 2."""
        share = {"l1": 1.0, "l2": 0.0, "elasticnet": float(self.l1_ratio), None: 0.0}[self.penalty]
        alpha = 0.0 if self.penalty is None else float(self.alpha)
        return alpha * share, alpha * (1.0 - share)

    def _starts(self, problems: list[Problem]) -> list[Any]:
        """The last coefficients, if they are to be used and fit."""
        nothing = [None] * len(problems)
        if not self.warm_start or not hasattr(self, "coef_"):
            return nothing
        rows, ends = np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_)
        first = problems[0]
        if rows.shape != (first.outputs or len(problems), first.x.shape[1]):
            return nothing
        if first.outputs:
            return [(rows.T.copy(), ends + first.mean @ rows.T if self.fit_intercept else np.zeros(first.outputs))]
        centers = [end + one.mean @ row for one, row, end in zip(problems, rows, ends, strict=True)]
        return [(row.copy(), float(a) if self.fit_intercept else 0.0) for row, a in zip(rows, centers, strict=True)]

    def _keep(self, problems: list[Problem], found: list[Solution]) -> None:
        if problems[0].outputs:
            rows = found[0].coefficients.T.copy()
            ends = found[0].center - rows @ problems[0].mean
        else:
            rows = np.stack([one.coefficients for one in found])
            ends = np.array([f.center - p.mean @ f.coefficients for p, f in zip(problems, found, strict=True)])
        self.coef_, self.intercept_ = rows, ends
        self.n_iter_ = max(1, *(one.iterations for one in found), 1)
        self.objective_ = float(sum(one.objective for one in found))
        self.duality_gap_ = float(sum(one.gap for one in found))

    def _warn(self, found: list[Solution]) -> None:
        if not all(one.converged for one in found):
            warnings.warn(
                f"max_iter={self.max_iter}: the fit stopped with objective {self.objective_:.6g} and a duality gap of "
                f"{self.duality_gap_:.2g}; fix: more steps, a larger alpha, or scaled columns",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _scores(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not low <= float(value) <= high or not np.isfinite(float(value)):
        wanted = f"a number in [{low:g}, {high:g}]" if np.isfinite(high) else f"a finite number >= {low:g}"
        raise ValueError(f"{name}: got {value!r}; expected {wanted}")


def loss_named(given: Loss | str) -> Loss:
    """The loss, if a linear model can minimise it."""
    loss = get(given) if isinstance(given, str) else given
    if not isinstance(loss, Loss):
        raise ValueError(f"loss: got {given!r}; expected a Loss, a name that `rashin losses` lists, or 'module:name'")
    check_loss(loss)
    return loss
