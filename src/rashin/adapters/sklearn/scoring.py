"""A loss as a scorer of scikit-learn: it takes from an estimator what the loss needs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from rashin.domain import LOG_PROBABILITY, LOGIT, PROBABILITY, SIGN
from rashin.logits import log_softmax, sigmoid, softmax
from rashin.loss import Loss
from rashin.registry import get

__all__ = ["Scorer", "scorer"]

Array = NDArray[Any]

SAME = 1e-6  # how far probabilities may lie from those of the scores for the scores to be their logits


def scorer(loss: Loss | str, **parameters: Any) -> Scorer:
    """Minus the mean loss of an estimator's predictions, so that greater is better, for ``scoring=``.

    The loss gets what it is a function of:

    ==========================  ===============================================================================
    losses of                   predictions
    ==========================  ===============================================================================
    probabilities               ``predict_proba``; that of the second class for losses of two classes
    logits, log-probabilities   ``decision_function`` if these are the logits of ``predict_proba``, or all there
                                is; otherwise logarithms of ``predict_proba``
    margins, such as ``hinge``  ``decision_function``
    numbers                     ``predict``; its logarithm for losses with a log link, such as ``poisson``
    ==========================  ===============================================================================

    Nothing is clipped: a prediction that is certain and wrong scores -inf. ``set_score_request(sample_weight=True)``
    requests weights by scikit-learn's metadata routing.

    Parameters
    ----------
    loss : loss, or its name.
    **parameters : parameters of the loss, such as ``quantile``.

    Raises
    ------
    ValueError : when scoring, if y holds a class that the estimator was not trained on, the estimator lacks the method,
        or a prediction lies outside the domain of the loss.

    Examples
    --------
    >>> from rashin.adapters.sklearn import scorer
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import cross_val_score
    >>> x, y = load_diabetes(return_X_y=True)
    >>> cross_val_score(Ridge(), x, y, scoring=scorer("huber", delta=10.0), cv=3).round(1)
    array([-440.5, -479.1, -425.6])
    """
    found = get(loss) if isinstance(loss, str) else loss
    return Scorer(found.replace(**parameters) if parameters else found)


class Scorer(BaseEstimator):  # type: ignore[misc]
    """What ``scorer`` returns: a function of an estimator, its data and their weights."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Minus the weighted mean loss."""
        return self.score(estimator, X, y, sample_weight)

    def score(self, estimator: Any, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """As a call; scikit-learn's metadata routing looks for this name."""
        prediction, target = _prediction_and_target(self.loss, estimator, X, np.asarray(y))
        return -float(self.loss(prediction, target, weight=sample_weight))


def _prediction_and_target(loss: Loss, estimator: Any, X: Any, y: Array) -> tuple[Array, Array]:
    if loss.prediction.has_classes:
        return _of_every_class(loss, estimator, X), _codes(estimator, y)
    if not hasattr(estimator, "classes_") or not loss.target.entry().is_choice:
        return _of_number(loss, np.asarray(estimator.predict(X))), y
    code = _codes(estimator, y)
    if len(estimator.classes_) != 2:
        raise ValueError(
            f"loss: got {loss.name} for {len(estimator.classes_)} classes; expected a loss of several classes; fix: "
            "softmax_cross_entropy or another of its kind"
        )
    is_sign = loss.target.entry() == SIGN
    return _of_second_class(loss, estimator, X), np.where(code == 1, 1, -1 if is_sign else 0)


def _codes(estimator: Any, y: Array) -> Array:
    """The place of each class among those of the estimator, which are sorted."""
    classes = np.asarray(_method(estimator, "classes_", "classes"))
    code = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unknown = np.flatnonzero(classes[code] != y)
    if unknown.size:
        raise ValueError(
            f"y: got {y[unknown[0]]!r} at index {unknown[0]}; expected a class that the estimator was trained on, one "
            f"of {', '.join(map(repr, classes.tolist()))}"
        )
    return code


def _of_number(loss: Loss, predicted: Array) -> Array:
    """Predictions on the scale of the loss: ``predict`` gives means, and losses with a link take its value."""
    inverse_domain = {"log": (0.0, np.inf), "logit": (0.0, 1.0)}.get(loss.facts.link)
    if inverse_domain is None:
        return predicted
    low, high = inverse_domain
    outside = np.flatnonzero(~((predicted >= low) & (predicted <= high)))
    if outside.size:
        raise ValueError(
            f"estimator: got the prediction {predicted.flat[outside[0]]} at index {outside[0]}; expected a number in "
            f"[{low:g}, {high:g}] for {loss.name}, which takes its {loss.facts.link}"
        )
    with np.errstate(divide="ignore"):
        return np.log(predicted) - (np.log1p(-predicted) if high == 1.0 else 0.0)


def _of_second_class(loss: Loss, estimator: Any, X: Any) -> Array:
    entry = loss.prediction.entry()
    if entry == PROBABILITY:
        return np.asarray(_method(estimator, "predict_proba")(X))[:, 1]
    if entry != LOGIT or not hasattr(estimator, "predict_proba"):
        return np.asarray(_method(estimator, "decision_function")(X))
    chances = np.asarray(estimator.predict_proba(X))
    if hasattr(estimator, "decision_function"):
        score = np.asarray(estimator.decision_function(X), np.float64)
        if np.abs(sigmoid(score) - chances[:, 1]).max(initial=0.0) < SAME:
            return score
    logarithms = _logarithms(estimator, X, chances)
    return np.asarray(logarithms[:, 1] - logarithms[:, 0])


def _of_every_class(loss: Loss, estimator: Any, X: Any) -> Array:
    entry = loss.prediction.entry()
    if entry == PROBABILITY:
        return np.asarray(_method(estimator, "predict_proba")(X))
    if entry not in (LOGIT, LOG_PROBABILITY) or not hasattr(estimator, "predict_proba"):
        return _columns(_method(estimator, "decision_function")(X))
    chances = np.asarray(estimator.predict_proba(X))
    if hasattr(estimator, "decision_function"):
        scores = _columns(estimator.decision_function(X))
        if scores.shape == chances.shape and np.abs(softmax(scores) - chances).max(initial=0.0) < SAME:
            return np.asarray(log_softmax(scores)) if entry == LOG_PROBABILITY else scores
    return _logarithms(estimator, X, chances)


def _columns(scores: Any) -> Array:
    """Scores with a column for each class: for two classes, the one score is the difference of theirs."""
    score = np.asarray(scores, np.float64)
    return score if score.ndim == 2 else np.stack([np.zeros_like(score), score], axis=1)


def _logarithms(estimator: Any, X: Any, chances: Array) -> Array:
    """The estimator's own logarithms, which may lie where probabilities underflow, or those of its probabilities."""
    with np.errstate(divide="ignore"):
        own = hasattr(estimator, "predict_log_proba")
        return np.asarray(estimator.predict_log_proba(X)) if own else np.log(chances)


def _method(estimator: Any, name: str, meaning: str = "") -> Any:
    if not hasattr(estimator, name):
        raise ValueError(
            f"estimator: got {type(estimator).__name__}, which has no {name}; expected an estimator with "
            f"{meaning or name} for this loss"
        )
    return getattr(estimator, name)
