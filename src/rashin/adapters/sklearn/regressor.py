"""A linear model for numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin

from rashin.adapters.linear.problem import Problem, Solution
from rashin.adapters.sklearn.linear_model import LinearModel, loss_named
from rashin.logits import sigmoid
from rashin.loss import Loss

__all__ = ["LinearRegressor"]

Array = NDArray[Any]


class LinearRegressor(RegressorMixin, LinearModel):  # type: ignore[misc]
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
        loss = loss_named("half_squared_error" if self.loss is None else self.loss)
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
        target = loss_named(self.loss or "half_squared_error").target.entry()
        tags.target_tags.positive_only = target.low >= 0.0
        return tags
