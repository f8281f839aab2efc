"""Linear models for many strengths of the penalty, each fitted from the last."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

__all__ = ["Path", "linear_path"]

Array = NDArray[Any]


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
