"""Estimators of scikit-learn that train trees of XGBoost, LightGBM or CatBoost with any loss.

They are ``Regressor`` and ``Classifier`` of ``rashin.adapters.xgboost``, ``.lightgbm`` and ``.catboost``. A callable
cannot make the libraries' own estimators right: these then predict logits and logarithms, or stop early on a metric of
raw scores.

Parameters
----------
loss : loss of real numbers or logits, or its name; None is half the squared error, or the cross-entropy.
hessian, floor : as in ``objective`` of the library's module.
n_estimators : number of rounds.
early_stopping_rounds : rounds without a better loss of the last evaluation set after which training stops.
**settings : parameters of the library, such as ``max_depth``. They can be searched like the others.

Attributes
----------
booster_ : trained model of the library. It contains start and link, and needs nothing of rashin.
start_ : constant from which it was trained.
evals_result_ : mean losses of the evaluation sets after each round, by set.
best_iteration_ : number of rounds that predict, if training stopped early; otherwise None.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from rashin import losses
from rashin.adapters.boosting import FLOOR, boosted, link_of, linked, start
from rashin.loss import Loss

__all__ = [
    "CatBoostClassifier",
    "CatBoostRegressor",
    "LightGBMClassifier",
    "LightGBMRegressor",
    "XGBoostClassifier",
    "XGBoostRegressor",
]

Array = NDArray[Any]


class _Trees(BaseEstimator):  # type: ignore[misc]
    """Parameters, training and raw predictions: see the module."""

    library: ClassVar[str]

    def __init__(
        self,
        loss: Loss | str | None = None,
        *,
        hessian: str | None = None,
        floor: float = FLOOR,
        n_estimators: int = 100,
        early_stopping_rounds: int | None = None,
        **settings: Any,
    ) -> None:
        self.loss, self.hessian, self.floor = loss, hessian, floor
        self.n_estimators, self.early_stopping_rounds = n_estimators, early_stopping_rounds
        self.settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters, with those of the library."""
        return {**super().get_params(deep), **self.settings}

    def set_params(self, **params: Any) -> Any:
        """Set parameters; those that are not named above are the library's."""
        own = set(self._get_param_names())
        self.settings = {**self.settings, **{name: value for name, value in params.items() if name not in own}}
        return super().set_params(**{name: value for name, value in params.items() if name in own})

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        eval_set: Sequence[tuple[Any, Any]] = (),
        eval_weight: Sequence[Any] | None = None,
    ) -> Any:
        """Train from the best constant.

        Parameters
        ----------
        X : table of features (n, features), of any kind that the library takes.
        y : targets (n,); for XGBoost and CatBoost also (n, k), with a loss of single numbers.
        sample_weight : weights >= 0, (n,).
        eval_set : pairs of features and targets to be measured after each round.
        eval_weight : their weights.

        Raises
        ------
        ValueError : the loss cannot take the targets, or a parameter is invalid.
        """
        if self.early_stopping_rounds and not eval_set:
            raise ValueError("eval_set: got none; expected one, as early_stopping_rounds stops by the loss of the last")
        self.loss_ = boosted(self._chosen_loss(y))
        weights = eval_weight or [None] * len(eval_set)
        samples = [(X, self._coded(y), _float_array(sample_weight))]
        samples += [(x, self._coded(t), _float_array(w)) for (x, t), w in zip(eval_set, weights, strict=True)]
        self.start_ = start(self.loss_, *samples[0][1:], classes=self._classes())
        self.n_features_in_ = np.shape(X)[1]
        self.evals_result_: dict[str, list[float]] = {}
        module = import_module(f"rashin.adapters.{self.library}")
        self.booster_, self.best_iteration_ = module.fitted(self, samples)
        return self

    def _classes(self) -> int | None:
        return None

    def raw_predict(self, X: Any) -> Array:
        """The sums of start and leaves: logits, logarithms of means, or the numbers themselves."""
        check_is_fitted(self, "booster_")
        raw: Array = import_module(f"rashin.adapters.{self.library}").raw(self, X)
        return raw

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _float_array(numbers: Any) -> Array | None:
    return None if numbers is None else np.asarray(numbers, np.float64)


class _Regressor(RegressorMixin, _Trees):  # type: ignore[misc]
    """Trees for a number, or for the numbers of a distribution.

    ``predict`` returns means for losses with a logarithmic link, and the predicted numbers themselves otherwise: (n, P)
    for losses of several numbers, such as location and log-scale.
    """

    def _chosen_loss(self, y: Any) -> Loss | str:
        return losses.half_squared_error if self.loss is None else self.loss

    def _coded(self, y: Any) -> Array:
        if self.loss_.prediction.has_classes:
            raise ValueError(
                f"loss: got {self.loss_.name}, a loss of classes; expected one of numbers; fix: use a Classifier"
            )
        numbers = np.asarray(y, np.float64)
        return numbers[:, 0] if numbers.ndim == 2 and numbers.shape[1] == 1 else numbers

    def predict(self, X: Any) -> Array:
        """Means, or the predicted numbers, (n,) or (n, k)."""
        raw = self.raw_predict(X)
        return linked(self.loss_, raw)


def _has_probabilities(estimator: Any) -> bool:
    loss = getattr(estimator, "loss_", None) or (boosted(estimator.loss) if estimator.loss is not None else None)
    return loss is None or link_of(loss) in ("logit", "softmax")


class _Classifier(ClassifierMixin, _Trees):  # type: ignore[misc]
    """Trees for classes, with losses of one logit or number for two classes, or of a row of them.

    ``classes_`` are the sorted classes. Probabilities are those of logistic or softmax links; margin losses, such as
    ``hinge``, have none.
    """

    def _chosen_loss(self, y: Any) -> Loss | str:
        self.classes_ = np.unique(np.asarray(y))
        if len(self.classes_) < 2:
            raise ValueError(f"y: got {len(self.classes_)} class; expected at least two")
        if self.loss is not None:
            return self.loss
        return losses.sigmoid_cross_entropy if len(self.classes_) == 2 else losses.softmax_cross_entropy

    def _classes(self) -> int | None:
        return len(self.classes_) if self.loss_.prediction.has_classes else None

    def _coded(self, y: Any) -> Array:
        """The classes as the loss takes them: labels, or the two ends of its targets."""
        labels = np.asarray(y).reshape(len(y))
        places = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        if np.any(self.classes_[places] != labels):
            raise ValueError(
                f"eval_set: got the class {labels[self.classes_[places] != labels].tolist()[0]!r}; expected those of y"
            )
        if self.loss_.prediction.has_classes:
            return places
        ends = self.loss_.target.entry()
        if len(self.classes_) != 2 or not ends.is_choice:
            raise ValueError(
                f"loss: got {self.loss_.name} for {len(self.classes_)} classes; expected a loss of two classes for 2, "
                f"or of rows of classes, such as softmax_cross_entropy or focal"
            )
        return np.where(places == 1, ends.high, ends.low)

    def predict(self, X: Any) -> Array:
        """The classes (n,) with the highest number."""
        raw = self.raw_predict(X)
        places = raw.argmax(axis=1) if raw.ndim == 2 else (raw > 0.0).astype(int)
        return np.asarray(self.classes_[places])

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Probabilities (n, classes), in the order of ``classes_``."""
        raw = self.raw_predict(X).astype(np.float64)
        p = linked(self.loss_, raw)
        return p if p.ndim == 2 else np.column_stack([linked(self.loss_, -raw), p])


class XGBoostRegressor(_Regressor):
    """Trees of XGBoost for numbers, with any loss; parameters as in ``rashin.adapters.sklearn_boosting``."""

    library = "xgboost"


class XGBoostClassifier(_Classifier):
    """Trees of XGBoost for classes, with any loss; parameters as in ``rashin.adapters.sklearn_boosting``."""

    library = "xgboost"


class LightGBMRegressor(_Regressor):
    """Trees of LightGBM for numbers, with any loss; parameters as in ``rashin.adapters.sklearn_boosting``."""

    library = "lightgbm"


class LightGBMClassifier(_Classifier):
    """Trees of LightGBM for classes, with any loss; parameters as in ``rashin.adapters.sklearn_boosting``."""

    library = "lightgbm"


class CatBoostRegressor(_Regressor):
    """Trees of CatBoost for numbers, with any loss; parameters as in ``rashin.adapters.sklearn_boosting``."""

    library = "catboost"


class CatBoostClassifier(_Classifier):
    """Trees of CatBoost for classes, with any loss; parameters as in ``rashin.adapters.sklearn_boosting``."""

    library = "catboost"
