"""A network for numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from rashin.learn import estimators
from rashin.learn.sklearn.estimator import NetworkEstimator
from rashin.learn.sklearn.weights import weight_for_each
from rashin.logits import sigmoid
from rashin.loss import Loss

__all__ = ["NetworkRegressor"]

Array = NDArray[Any]


class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A multi-layer perceptron for numbers with a loss of your choice: ``MLPRegressor`` with any ``loss=``.

    Parameters, attributes and methods have the names, defaults and meanings of scikit-learn's ``MLPRegressor``. With
    the same ``random_state`` and loss, training is the same up to rounding. Those that differ from
    ``NetworkClassifier`` are listed here.

    Parameters
    ----------
    loss : pointwise loss: a registered name such as ``"huber"``, ``"quantile"`` or ``"poisson"``, a ``Loss``, or
        ``"module:name"``. None is ``half_squared_error``, which scikit-learn calls ``squared_error``; rashin's
        ``squared_error`` is twice as large. The loss is summed over the outputs.

    Attributes
    ----------
    out_activation_ : function that turns scores into predictions: ``"identity"``; ``"exp"`` for losses with a log link,
        whose predictions are means > 0; ``"logistic"`` for losses of probabilities.

    Examples
    --------
    The upper decile of y, not its mean:

    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import NetworkRegressor
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1.0, 1.0, (500, 1))
    >>> y = x[:, 0] + rng.exponential(size=500)
    >>> model = NetworkRegressor((20,), loss=rashin.quantile.replace(quantile=0.9), learning_rate_init=0.01,
    ...                          max_iter=500, random_state=0).fit(x, y)
    >>> 0.87 < np.mean(y <= model.predict(x)) < 0.93
    np.True_

    Reference: D. E. Rumelhart, G. E. Hinton, R. J. Williams (1986), Learning representations by back-propagating
    errors; D. P. Kingma, J. Ba (2015), Adam: a method for stochastic optimization; X. Glorot, Y. Bengio (2010),
    Understanding the difficulty of training deep feedforward neural networks.
    """

    _sets_aside_by_class = False

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Any:
        """Train one pass over these samples, continuing from the last call; the arguments are those of ``fit``."""
        return self._fit(X, y, sample_weight, once=True)

    def _prepared(self, y: Array, is_new: bool, classes: Array | None) -> tuple[Loss, Array, int]:
        loss = estimators.loss_named("half_squared_error" if self.loss is None else self.loss)
        if loss.prediction.axes:
            what = "compares rows of classes" if loss.prediction.has_classes else "takes several numbers per sample"
            raise ValueError(
                f"loss: got {loss.name}, which {what}; expected a loss of single numbers, such as "
                "half_squared_error, huber, quantile or poisson"
            )
        target = y.reshape(len(y), -1)
        return loss, target, target.shape[1]

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """The coefficient of determination R^2, weighted by ``sample_weight``, (n,) or one number for all."""
        return float(super().score(X, y, weight_for_each(sample_weight, y)))

    def predict(self, X: Any) -> Array:
        """The predictions, (n,) or (n, outputs)."""
        return self._told(self._scores(X))

    def _told(self, scores: Array) -> Array:
        told: Array = _INVERSE_LINKS[self.out_activation_](scores)
        return told[:, 0] if told.shape[1] == 1 else told

    def _judged(self, X: Any, y: Array, weight: Array | None) -> float:
        told = self._told(self._scores_of(X))
        return float(r2_score(y, told, sample_weight=weight)) if np.isfinite(told).all() else math.nan

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


_INVERSE_LINKS: dict[str, Callable[[Array], Array]] = {"identity": np.asarray, "exp": np.exp, "logistic": sigmoid}
