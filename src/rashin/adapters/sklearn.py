"""For scikit-learn: a loss as a scorer, and linear models that minimise any convex loss.

This file needs scikit-learn and SciPy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from rashin.adapters.linear.problem import Problem, Solution
from rashin.adapters.linear.solvers import SOLVERS, check_loss, minimum
from rashin.adapters.sklearn_scorer import scorer
from rashin.domain import LOGIT, Domain
from rashin.logits import log_softmax, sigmoid, softmax
from rashin.loss import Loss
from rashin.registry import get

__all__ = ["LinearClassifier", "LinearRegressor", "Path", "linear_path", "scorer"]

Array = NDArray[Any]

_Method = TypeVar("_Method", bound=Callable[..., Any])

PENALTIES = ("l2", "l1", "elasticnet", None)


class _LinearModel(BaseEstimator):  # type: ignore[misc]
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


def _loss_named(given: Loss | str) -> Loss:
    loss = get(given) if isinstance(given, str) else given
    if not isinstance(loss, Loss):
        raise ValueError(f"loss: got {given!r}; expected a Loss, a name that `rashin losses` lists, or 'module:name'")
    check_loss(loss)
    return loss


class LinearRegressor(RegressorMixin, _LinearModel):  # type: ignore[misc]
    r"""A linear model for numbers with a loss of your choice.

    It minimises the weighted mean loss plus a penalty:

    .. math:: \frac{\sum_i w_i \ell(x_i c + b, y_i)}{\sum_i w_i}
        + \alpha \left(\rho |c|_1 + \frac{1 - \rho}{2} |c|_2^2\right)

    Parameters
    ----------
    loss : convex loss of one number, its registered name, or ``"module:name"``; None is ``half_squared_error``. A loss
        that is not convex is minimised from the best constant to a point of slope 0.
    alpha : factor >= 0 of the penalty. As losses are averaged, it does not depend on the number of rows.
    penalty : ``"l2"`` (rho = 0), ``"l1"`` (rho = 1), ``"elasticnet"`` (rho = ``l1_ratio``), or None.
    l1_ratio : share rho in [0, 1] of the L1 penalty in the elastic net.
    fit_intercept : switch for b, which has no penalty; False keeps it at 0.
    solver : ``"auto"``; for smooth losses with L2 ``"lbfgs"`` or ``"newton"``, with L1 ``"proximal-newton"`` or
        ``"lbfgs"``; for piecewise linear losses ``"interior-point"``.
    tol : relative tolerance. With L2, gradients fall below it, in units of the loss's slopes and the columns' standard
        deviations; with L1, and for piecewise linear losses, the duality gap falls below ``tol**2`` of the objective
        or to rounding. With L1 and ``"lbfgs"``, which ``"auto"`` takes for several classes and for more than 2,000
        columns, the gap is larger: near ``tol``.
    max_iter : largest number of steps; a ``ConvergenceWarning`` is issued if they do not suffice.
    warm_start : switch that begins at the last fit. The interior point method does not use it.

    Attributes
    ----------
    coef_, intercept_ : c, (features,), and b.
    objective_ : objective at the minimum.
    duality_gap_ : bound of how far ``objective_`` lies above its minimum, up to rounding; inf without a penalty (but
        for piecewise linear losses), and for losses that are not convex.
    n_iter_ : number of steps.
    loss_ : loss that was minimised.
    n_features_in_, feature_names_in_ : number and names of the columns of X; names only if X has them.

    Examples
    --------
    >>> import rashin
    >>> from rashin.adapters.sklearn import LinearRegressor
    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> model = LinearRegressor(rashin.quantile.replace(quantile=0.9), alpha=0.001, penalty="l1").fit(x, y)
    >>> float((y <= model.predict(x)).mean().round(2)), bool(model.duality_gap_ < 1e-12 * model.objective_)
    (0.9, True)
    """

    def _loss_and_targets(self, y: Array) -> tuple[Loss, list[Array], int]:
        loss = _loss_named("half_squared_error" if self.loss is None else self.loss)
        if loss.prediction.has_classes:
            raise ValueError(
                f"loss: got {loss.name}, a loss of classes; expected one of numbers; fix: LinearClassifier"
            )
        return loss, [np.asarray(y, np.float64)], 0

    def _keep(self, problems: list[Problem], found: list[Solution]) -> None:
        super()._keep(problems, found)
        self.coef_, self.intercept_ = self.coef_[0], float(self.intercept_[0])

    def predict(self, X: Any) -> Array:
        """Predictions (n,): means for losses with a log or logit link, such as ``poisson``."""
        z = self._scores(X)
        link = self.loss_.facts.link
        return np.exp(z) if link == "log" else np.asarray(sigmoid(z)) if link == "logit" else z

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        target = _loss_named(self.loss or "half_squared_error").target.entry()
        tags.target_tags.positive_only = target.low >= 0.0
        return tags


def _gives_probabilities(model: Any) -> bool:
    loss = getattr(model, "loss_", None) or (None if model.loss is None else _loss_named(model.loss))
    if loss is None or loss.prediction.entry() == LOGIT or loss.facts.link in ("logit", "softmax"):
        return True
    raise AttributeError(
        f"loss: got {loss.name}, which gives scores; expected a loss of logits, such as sigmoid_cross_entropy; fix: "
        "decision_function gives the scores"
    )


_where_it_gives_probabilities: Callable[[_Method], _Method] = available_if(_gives_probabilities)


class LinearClassifier(ClassifierMixin, _LinearModel):  # type: ignore[misc]
    """A linear model for classes with a loss of your choice; its objective is that of :class:`LinearRegressor`.

    Parameters
    ----------
    loss : convex loss, its registered name, or ``"module:name"``. None is the cross-entropy: ``sigmoid_cross_entropy``
        for two classes, ``softmax_cross_entropy`` for more. A loss of one number, such as ``hinge``, is fitted for each
        of several classes against the rest; its targets are 0 and 1, or -1 and +1.
    alpha, penalty, l1_ratio, fit_intercept, solver, tol, max_iter, warm_start : as there.

    Attributes
    ----------
    classes_ : classes, sorted.
    coef_, intercept_ : coefficients (1, features) for two classes and a loss of one number, otherwise
        (classes, features), and intercepts (1,) or (classes,).
    objective_, duality_gap_, n_iter_, loss_, n_features_in_, feature_names_in_ : as there; objectives and gaps of
        several classes against the rest are added up.

    Examples
    --------
    >>> from rashin.adapters.sklearn import LinearClassifier
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> model = LinearClassifier("squared_hinge", alpha=0.01).fit(x, y)
    >>> model.coef_.shape, model.score(x, y) > 0.9
    ((3, 4), True)
    """

    classes_: Array

    def _loss_and_targets(self, y: Array) -> tuple[Loss, list[Array], int]:
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        count = len(self.classes_)
        if count < 2:
            raise ValueError(f"y: got one class, {self.classes_[0]!r}; expected samples of two classes or more")
        given = (
            self.loss if self.loss is not None else "sigmoid_cross_entropy" if count == 2 else "softmax_cross_entropy"
        )
        loss = _loss_named(given)
        if loss.prediction.has_classes:
            return loss, [codes.astype(np.int64)], count
        no = _code_of_others(loss)
        positive = [1] if count == 2 else range(count)
        return loss, [np.where(codes == k, 1.0, no) for k in positive], 0

    def decision_function(self, X: Any) -> Array:
        """The scores: (n, classes); for two classes (n,), positive for the second."""
        scores = self._scores(X)
        if len(self.classes_) > 2:
            return scores
        return scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]

    def predict(self, X: Any) -> Array:
        """The class with the largest score for each sample, (n,)."""
        scores = self.decision_function(X)
        winners = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0.0).astype(np.intp)
        return np.asarray(self.classes_[winners])

    @_where_it_gives_probabilities
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (n, classes); if each was fitted against the rest, scaled to sum to 1."""
        return np.asarray(softmax(self._logits(X)))

    @_where_it_gives_probabilities
    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of ``predict_proba``, without underflow."""
        return np.asarray(log_softmax(self._logits(X)))

    def _logits(self, X: Any) -> Array:
        """Logits whose softmax gives the probabilities of the classes."""
        scores = self._scores(X)
        if self.loss_.prediction.has_classes:
            cap = self.loss_.parameters.get("softcap")
            return scores if cap is None else cap * np.tanh(scores / cap)
        if scores.shape[1] == 1:
            return np.hstack([np.zeros_like(scores), scores])
        return np.minimum(scores, 0.0) - np.log1p(np.exp(-np.abs(scores)))


def _code_of_others(loss: Loss) -> float:
    """The target of the classes that a loss of one number is fitted against."""
    domain: Domain = loss.target.entry()
    if domain.is_choice:
        return float(domain.low)
    if domain.contains(-1.0):
        return -1.0
    raise ValueError(
        f"loss: got {loss.name}, whose target is {domain.description}; expected one that takes 0 and 1 or -1 and +1"
    )


class Path(NamedTuple):
    """Models for several alphas, one along the first axis of each array; ``model`` is the last one, fitted.

    ``coefs`` and ``intercepts`` are shaped as the model's attributes; ``duality_gaps`` and ``n_iters`` are (alphas,).
    """

    alphas: Array
    coefs: Array
    intercepts: Array
    duality_gaps: Array
    n_iters: Array
    model: Any


def linear_path(
    model: Any,
    X: Any,
    y: Any,
    alphas: ArrayLike | None = None,
    *,
    n_alphas: int = 100,
    eps: float = 1e-3,
    sample_weight: ArrayLike | None = None,
) -> Path:
    """A model for each of many alphas, from the largest to the smallest; each fit begins where the last one ended.

    Parameters
    ----------
    model : ``LinearRegressor`` or ``LinearClassifier``, which is not changed; its alpha is not used.
    X, y, sample_weight : as in ``fit``.
    alphas : alphas >= 0. None is ``n_alphas`` of equal ratios, from the smallest with which L1 keeps all coefficients
        at 0, to ``eps`` times that.

    Raises
    ------
    ValueError : as ``fit``; or alphas are not given, and the model has no L1 penalty.

    Examples
    --------
    >>> from rashin.adapters.sklearn import LinearRegressor, linear_path
    >>> from sklearn.datasets import load_diabetes
    >>> path = linear_path(LinearRegressor("huber", penalty="l1"), *load_diabetes(return_X_y=True), n_alphas=4)
    >>> (path.coefs != 0).sum(axis=1).tolist()
    [0, 6, 8, 10]
    """
    model = clone(model).set_params(warm_start=True)
    if alphas is None:
        largest = _largest_alpha(model, X, y, sample_weight)
        alphas = largest * np.geomspace(1.0, eps, n_alphas)
    ordered = np.sort(np.asarray(alphas, np.float64).ravel())[::-1]
    fits = [_noted(model.set_params(alpha=float(alpha)).fit(X, y, sample_weight)) for alpha in ordered]
    coefs, intercepts, gaps, counts = map(np.array, zip(*fits, strict=True))
    return Path(ordered, coefs, intercepts, gaps, counts, model)


def _noted(model: Any) -> tuple[Any, ...]:
    return model.coef_, model.intercept_, model.duality_gap_, model.n_iter_


def _largest_alpha(model: Any, X: Any, y: Any, sample_weight: Any) -> float:
    """The alpha from which on all coefficients are 0: the largest slope of the best constant."""
    problems = clone(model).set_params(alpha=1.0)._problems(X, y, sample_weight)
    if not problems[0].l1 > 0.0:
        raise ValueError("alphas: got None for a model without an L1 penalty; expected numbers >= 0")
    slopes = []
    for problem in problems:
        slope = problem.slopes_of_loss(problem.predictions(problem.nothing, problem.start))[1]
        slopes.append(np.abs(problem.by_columns(slope)[0]).max(initial=0.0) / problem.l1)
    return float(max(slopes))
