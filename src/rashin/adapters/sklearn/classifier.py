"""A linear model for classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from rashin.adapters.sklearn.linear_model import LinearModel, loss_named
from rashin.domain import LOGIT, Domain
from rashin.logits import log_softmax, softmax
from rashin.loss import Loss

__all__ = ["LinearClassifier"]

Array = NDArray[Any]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _gives_probabilities(model: Any) -> bool:
    loss = getattr(model, "loss_", None) or (None if model.loss is None else loss_named(model.loss))
    if loss is None or loss.prediction.entry() == LOGIT or loss.facts.link in ("logit", "softmax"):
        return True
    raise AttributeError(
        f"loss: got {loss.name}, which gives scores; expected a loss of logits, such as sigmoid_cross_entropy; fix: "
        "decision_function gives the scores"
    )


_where_it_gives_probabilities: Callable[[_Method], _Method] = available_if(_gives_probabilities)


class LinearClassifier(ClassifierMixin, LinearModel):  # type: ignore[misc]
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
        loss = loss_named(given)
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
