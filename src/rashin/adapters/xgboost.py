"""For XGBoost: any loss as objective and metric, started at its best constant, with predictions through its link.

XGBoost starts custom objectives at 0.5 on the scale of its own objective, multiplies nothing by the weights, accepts
NaN as a gradient, and rounds metrics to six decimals. :func:`train` and the estimators take care of all that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rashin.adapters import boosting
from rashin.adapters.boosting import FLOOR, Derivatives, start
from rashin.extras import needs
from rashin.logits import sigmoid

with needs("xgboost", "xgboost", "rashin.adapters.xgboost"):
    import xgboost

if TYPE_CHECKING:
    from rashin.adapters.sklearn_boosting import XGBoostClassifier as Classifier
    from rashin.adapters.sklearn_boosting import XGBoostRegressor as Regressor
    from rashin.loss import Loss

__all__ = [
    "Classifier",
    "Metric",
    "Objective",
    "Regressor",
    "finish",
    "metric",
    "objective",
    "settings",
    "start",
    "train",
]

Array = NDArray[Any]


def _twice(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """2 p (1 - p), which bounds the whole matrix by a diagonal one."""
    return h + h


def _above(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """1; a prediction equal to its target counts as above it."""
    ones = boosting.unit(loss, z, t, w, g, h)
    g[...] = np.where(z == t, (1.0 - loss.parameters["quantile"]) * ones, g)
    return ones


LIBRARY: Mapping[str, boosting.Curvature] = MappingProxyType(
    {
        "half_squared_error": boosting.exact,
        "sigmoid_cross_entropy": boosting.exact,
        "softmax_cross_entropy": _twice,
        "poisson": boosting.overestimated,
        "gamma": boosting.exact,
        "tweedie": boosting.exact,
        "pseudo_huber": boosting.exact,
        "absolute_error": boosting.unit,
        "quantile": _above,
    }
)
_BY_LINK = {"identity": "reg:squarederror", "log": "reg:gamma", "logit": "binary:logistic", "softmax": "multi:softprob"}


class Objective:
    """What XGBoost calls for the derivatives: ``obj`` of ``xgboost.train``, ``objective`` of its estimators.

    It takes (prediction, DMatrix), or (target, prediction, sample_weight) from an estimator, and returns the gradient
    and the curvature of each sample. It can be pickled.
    """

    def __init__(self, derivatives: Derivatives) -> None:
        self.derivatives = derivatives

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> tuple[Array, Array]:
        return self.derivatives(*_samples(first, second, sample_weight))


class Metric:
    """What XGBoost calls for the mean loss: ``custom_metric`` of ``xgboost.train``, ``eval_metric`` of its estimators.

    ``latest`` contains the means since the last reading, before XGBoost rounds them to six decimals.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss, self.__name__ = loss, loss.name
        self.latest: list[float] = []

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> Any:
        prediction, target, weight = _samples(first, second, sample_weight)
        if weight is not None and not self.loss.prediction.axes and prediction.ndim == 2:
            weight = np.broadcast_to(weight[:, None], prediction.shape)
        value = float(self.loss(prediction, target, weight=weight))
        self.latest.append(value)
        return (self.__name__, value) if isinstance(second, xgboost.DMatrix) else value


def _samples(first: Any, second: Any, weight: Any) -> tuple[Array, Array, Array | None]:
    """Prediction, target and weight, from either interface."""
    if not isinstance(second, xgboost.DMatrix):
        return np.asarray(second), np.asarray(first), None if weight is None else np.asarray(weight)
    given = second.get_weight()
    return first, second.get_label(), given if given.size else None


def objective(loss: Loss | str, hessian: str | None = None, floor: float = FLOOR) -> Objective:
    """The loss as XGBoost's objective.

    Parameters
    ----------
    loss : loss of real numbers or logits, or its name.
    hessian : ``"exact"``, ``"library"``, ``"majorized"``, ``"unit"`` or ``"fisher"``, see ``rashin.adapters.boosting``.
        By default ``"library"`` if XGBoost has the loss, otherwise ``"exact"``.
    floor : least curvature of a sample of weight 1.

    Examples
    --------
    >>> import numpy as np, rashin, xgboost
    >>> from rashin.adapters.xgboost import objective
    >>> data = xgboost.DMatrix(np.zeros((2, 1)), label=[0.0, 1.0], weight=[1.0, 2.0])
    >>> objective(rashin.sigmoid_cross_entropy)(np.zeros(2, np.float32), data)
    (array([ 0.5, -1. ], dtype=float32), array([0.25, 0.5 ], dtype=float32))
    """
    return Objective(Derivatives(loss, hessian, floor, LIBRARY))


def metric(loss: Loss | str) -> Metric:
    """The exact weighted mean loss as XGBoost's metric; smaller is better.

    XGBoost prints six decimals of it, and stops early by these; :func:`train` puts all digits into the history first.
    """
    return Metric(boosting.boosted(loss))


def settings(loss: Loss | str, start: Any, hessian: str | None = None) -> dict[str, Any]:
    """The parameters of XGBoost that belong to the loss: its start, and the objective that has its link.

    Pass them beside ``obj=objective(loss)`` if you call ``xgboost.train``, ``xgboost.cv`` or ``xgboost.dask.train``
    yourself.

    Examples
    --------
    >>> import rashin
    >>> settings(rashin.sigmoid_focal, 0.0)
    {'objective': 'binary:logistic', 'base_score': 0.5, 'disable_default_eval_metric': True}
    """
    derivatives = Derivatives(loss, hessian, FLOOR, LIBRARY)
    loss, name = derivatives.loss, _BY_LINK[boosting.link_of(derivatives.loss)]
    if derivatives.hessian == "library":
        name = _OWN.get(loss.name, name)
    own: dict[str, Any] = {"objective": name, "base_score": _on_scale(name, start), "disable_default_eval_metric": True}
    if loss.prediction.axes:
        own["num_class"] = len(start)
    if name == "reg:quantileerror":
        own["quantile_alpha"] = loss.parameters["quantile"]
    return own


# With these XGBoost does more than the derivatives say: it limits steps, and sets leaves to medians and quantiles.
_OWN = {"poisson": "count:poisson", "absolute_error": "reg:absoluteerror", "quantile": "reg:quantileerror"}


def _on_scale(name: str, start: Any) -> Any:
    """The start as the objective of that name takes it."""
    raw = np.asarray(start, np.float64)
    if name == "binary:logistic":
        raw = np.clip(sigmoid(raw), np.finfo(np.float32).tiny, 1.0 - 2.0**-24)  # float32 must not round to 1
    elif name in ("reg:gamma", "count:poisson"):
        raw = np.exp(raw)
    return raw.tolist()


class _AllDigits(xgboost.callback.TrainingCallback):
    """Puts the means into the history as they were before XGBoost rounded them."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        for history, value in zip(evals_log.values(), self.metric.latest, strict=True):
            history[self.metric.__name__][-1] = value
        self.metric.latest.clear()
        return False


def train(
    params: Mapping[str, Any],
    dtrain: xgboost.DMatrix,
    num_boost_round: int = 10,
    *,
    loss: Loss | str,
    hessian: str | None = None,
    floor: float = FLOOR,
    start: Any = None,
    callbacks: Sequence[Any] = (),
    **options: Any,
) -> xgboost.Booster:
    """``xgboost.train`` with a loss: from its best constant, with its exact metric.

    The model predicts means or probabilities if the loss has a link, and needs nothing of rashin. A base margin of the
    data replaces the start, as it always does in XGBoost.

    Parameters
    ----------
    params : parameters of XGBoost, without an objective.
    dtrain : data with labels, and weights if there are any.
    num_boost_round : number of rounds.
    loss, hessian, floor : as in :func:`objective`.
    start : constant to start from, on the scale of the trees' predictions; by default :func:`start` of the data. Pass
        the one of all data if labels lack a class.
    callbacks, **options : passed to ``xgboost.train``: ``evals``, ``early_stopping_rounds`` and so on.

    Examples
    --------
    >>> import numpy as np, rashin, xgboost
    >>> from rashin.adapters.xgboost import train
    >>> x, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 1, 0, 1, 1, 1])
    >>> model = train({"max_depth": 1}, xgboost.DMatrix(x, label=y), 5, loss=rashin.sigmoid_focal)
    >>> (model.predict(xgboost.DMatrix(x)) > 0.5).astype(int)
    array([0, 0, 0, 0, 1, 1, 1, 1])
    """
    of_user = [name for name in ("objective", "base_score") if name in params]
    if of_user:
        raise ValueError(
            f"params: got {of_user[0]!r}; expected none, as the loss sets it; fix: pass start= for a start"
        )
    own = objective(loss, hessian, floor)
    if start is None:
        start = _start_of(own.derivatives.loss, dtrain, params.get("num_class"))
    measured = metric(loss)
    return xgboost.train(
        {**settings(loss, start, hessian), **params},
        dtrain,
        num_boost_round,
        obj=own,
        custom_metric=measured,
        callbacks=[_AllDigits(measured), *callbacks],
        **options,
    )


def _start_of(loss: Loss, data: xgboost.DMatrix, classes: int | None) -> Any:
    label, weight = data.get_label(), data.get_weight()
    return start(loss, label, weight if weight.size else None, classes=classes)


def finish(model: xgboost.Booster, loss: Loss | str, start: Any = 0.0) -> xgboost.Booster:
    """The model with the start and the link of the loss in it, so that it predicts means or probabilities by itself.

    Parameters
    ----------
    model : model trained with ``obj=objective(loss)`` from a base margin, or with another ``base_score``.
    loss : its loss.
    start : constant that is added to the trees, on the scale of their predictions.
    """
    loss = boosting.boosted(loss)
    contents = json.loads(bytes(model.save_raw("json")))
    name, learner = _BY_LINK[boosting.link_of(loss)], contents["learner"]
    scores = np.atleast_1d(_on_scale(name, start)).tolist()
    learner["learner_model_param"]["base_score"] = json.dumps(scores)
    learner["objective"] = {"name": name, "reg_loss_param": {"scale_pos_weight": "1"}}
    if name == "multi:softprob":
        learner["objective"] = {"name": name, "softmax_multiclass_param": {"num_class": str(len(scores))}}
    return xgboost.Booster(model_file=bytearray(json.dumps(contents).encode()))


def fitted(estimator: Any, samples: Sequence[tuple[Any, Array, Array | None]]) -> tuple[xgboost.Booster, int | None]:
    """The model of an estimator, and the number of rounds that predict best."""
    data = [xgboost.DMatrix(x, label=t, weight=w, enable_categorical=True) for x, t, w in samples]
    history: dict[str, dict[str, list[float]]] = {}
    model = train(
        estimator.settings,
        data[0],
        estimator.n_estimators,
        loss=estimator.loss_,
        hessian=estimator.hessian,
        floor=estimator.floor,
        start=estimator.start_,
        evals=[(one, f"eval{place}") for place, one in enumerate(data[1:])],
        evals_result=history,
        early_stopping_rounds=estimator.early_stopping_rounds,
        verbose_eval=False,
    )
    estimator.evals_result_ = {name: values[estimator.loss_.name] for name, values in history.items()}
    return model, model.best_iteration + 1 if estimator.early_stopping_rounds else None


def raw(estimator: Any, x: Any) -> Array:
    """The margins that an estimator predicts."""
    data = xgboost.DMatrix(x, enable_categorical=True)
    margins: Array = estimator.booster_.predict(
        data, output_margin=True, iteration_range=(0, estimator.best_iteration_ or 0)
    )
    return margins


def __getattr__(name: str) -> Any:
    if name not in ("Classifier", "Regressor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rashin.adapters import sklearn_boosting

    return getattr(sklearn_boosting, f"XGBoost{name}")
