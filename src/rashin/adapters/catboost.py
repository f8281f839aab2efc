"""For CatBoost: any loss as objective and metric, started at its best constant.

CatBoost calls an objective for blocks of some thousand rows, tens of thousands of times in a training, and wants the
derivatives of minus the loss. Single numbers are computed by one call of compiled code per block. Losses of classes and
of several numbers, and several targets, are called for one row at a time, with a matrix of second derivatives: that is
CatBoost's interface, and is slow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rashin.adapters import boosting
from rashin.adapters.boosting import FLOOR, Derivatives, start
from rashin.adapters.catboost_objective import (
    LIBRARY,
    Metric,
    Objective,
    RowObjective,
    TableMetric,
    TableObjective,
    takes_gradient_steps,
)
from rashin.extras import needs

with needs("catboost", "catboost", "rashin.adapters.catboost"):
    import catboost

if TYPE_CHECKING:
    from rashin.adapters.sklearn_boosting import CatBoostClassifier as Classifier
    from rashin.adapters.sklearn_boosting import CatBoostRegressor as Regressor
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


class _TableObjective(TableObjective, catboost.MultiTargetCustomObjective):
    """By its class CatBoost tells objectives of several targets."""


class _TableMetric(TableMetric, catboost.MultiTargetCustomMetric):
    """The same for metrics."""


def objective(loss: Loss | str, hessian: str | None = None, floor: float = FLOOR, start: Any = 0.0) -> Objective:
    """The loss as CatBoost's ``loss_function``.

    Parameters
    ----------
    loss : loss of real numbers or logits, or its name: one per row, one for each class, or several numbers per row.
    hessian : ``"exact"``, ``"library"``, ``"majorized"``, ``"unit"`` or ``"fisher"``, see ``rashin.adapters.boosting``.
        By default ``"library"`` if CatBoost has the loss, otherwise ``"exact"``. For classes the two are the whole
        matrix.
    floor : least curvature of a sample of weight 1, for single numbers.
    start : constant that is added to CatBoost's predictions; for several targets one for each.

    Examples
    --------
    >>> import numpy as np, rashin
    >>> from rashin.adapters.catboost import objective
    >>> objective(rashin.sigmoid_cross_entropy).calc_ders_range(np.zeros(2), np.array([0.0, 1.0]), None)
    array([[-0.5 , -0.25],
           [ 0.5 , -0.25]])
    """
    derivatives = Derivatives(loss, hessian, floor, LIBRARY)
    made = RowObjective if derivatives.loss.prediction.has_classes else Objective
    return (_TableObjective if _is_table(derivatives.loss, start) else made)(derivatives, _array(start))


def _is_table(loss: Loss, start: Any) -> bool:
    """Whether CatBoost has several targets: those of the data, or a column for each number of a sample."""
    return loss.prediction.is_joint or (loss.prediction.axes == 0 and np.ndim(start) == 1)


def metric(loss: Loss | str, start: Any = 0.0) -> Metric:
    """The exact weighted mean loss as CatBoost's ``eval_metric``; smaller is better."""
    loss = boosting.boosted(loss)
    return (_TableMetric if _is_table(loss, start) else Metric)(loss, _array(start))


def _array(start: Any) -> Any:
    return float(start) if np.ndim(start) == 0 else np.asarray(start, np.float64)


def settings(loss: Loss | str, hessian: str | None = None, floor: float = FLOOR, start: Any = 0.0) -> dict[str, Any]:
    """The parameters of CatBoost that belong to the loss: objective, metric, and how leaves are estimated.

    CatBoost's own objectives estimate leaves by Newton steps, ten of them for the logistic loss, and custom ones by
    other defaults; ``hessian="library"`` takes what its own do, other choices one step.
    """
    own = objective(loss, hessian, floor, start)
    derivatives = own.derivatives
    ten = derivatives.hessian == "library" and derivatives.loss.name == "sigmoid_cross_entropy"
    made = {
        "loss_function": own,
        "eval_metric": metric(derivatives.loss, start),
        "leaf_estimation_method": "Gradient" if takes_gradient_steps(derivatives) else "Newton",
        "leaf_estimation_iterations": 10 if ten else 1,
    }
    return made | ({"classes_count": len(start)} if derivatives.loss.prediction.has_classes else {})


def train(
    params: Mapping[str, Any],
    pool: catboost.Pool,
    *,
    loss: Loss | str,
    hessian: str | None = None,
    floor: float = FLOOR,
    start: Any = None,
    **options: Any,
) -> catboost.CatBoost:
    """A model of CatBoost, trained with a loss from its best constant.

    The model contains the start and needs nothing of rashin. Its link is a ``prediction_type`` of ``predict``:
    ``"Probability"`` or ``"Exponent"``.

    Parameters
    ----------
    params : parameters of CatBoost, without ``loss_function`` and ``eval_metric``.
    pool : training data with labels, which are 0, 1, ... for classes. For losses of several numbers the target stands
        in as many columns as a sample has numbers, since CatBoost predicts one number for each column.
    loss, hessian, floor : as in :func:`objective`.
    start : constant to start from, on the scale of the trees' predictions; by default :func:`start` of the pool. Pass 0
        if the pool has a baseline.
    **options : passed to ``catboost.CatBoost.fit``: ``eval_set``, ``early_stopping_rounds`` and so on.

    Examples
    --------
    >>> import catboost, rashin
    >>> from rashin.adapters.catboost import train
    >>> pool = catboost.Pool([[float(k)] for k in range(80)], [0.0] * 40 + [4.0] * 40)
    >>> params = {"iterations": 200, "depth": 1, "learning_rate": 0.2, "verbose": False, "allow_writing_files": False}
    >>> model = train(params, pool, loss=rashin.poisson)
    >>> model.predict([[70.0]], prediction_type="Exponent").round(1)
    array([4.])
    """
    of_user = [name for name in ("loss_function", "eval_metric", "objective", "custom_loss") if name in params]
    if of_user:
        raise ValueError(f"params: got {of_user[0]!r}; expected none, as the loss sets it")
    if start is None:
        start = _start_of(boosting.boosted(loss), pool, params.get("classes_count"))
    model = catboost.CatBoost({**settings(loss, hessian, floor, start), **params})
    model.fit(pool, **options)
    return finish(model, loss, start)


def _start_of(loss: Loss, pool: catboost.Pool, classes: int | None) -> Any:
    label, weight = np.asarray(pool.get_label(), np.float64), np.asarray(pool.get_weight(), np.float64)
    target = label[:, 0] if loss.prediction.is_joint and label.ndim == 2 else label
    found = boosting.start(loss, target, weight if weight.size else None, classes=classes)
    if loss.prediction.is_joint and label.shape[1:] != (np.size(found),):
        raise ValueError(
            f"pool: got labels of shape {label.shape}; expected {np.size(found)} columns for {loss.name}, as CatBoost "
            f"predicts one number for each; fix: repeat the target, np.column_stack([t] * {np.size(found)})"
        )
    return found


def finish(model: catboost.CatBoost, loss: Loss | str, start: Any = 0.0) -> catboost.CatBoost:
    """The model with the start in it, and without the objective, so that it predicts and pickles by itself.

    Parameters
    ----------
    model : model trained with ``objective(loss, start=start)``, or with the start as the pools' baseline.
    loss : its loss.
    start : the start.
    """
    boosting.boosted(loss)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.cbm")
        model.save_model(path)
        made = catboost.CatBoost().load_model(path)
    made.set_scale_and_bias(1.0, np.asarray(start, np.float64).tolist())
    return made


def fitted(estimator: Any, samples: Sequence[tuple[Any, Array, Array | None]]) -> tuple[catboost.CatBoost, int | None]:
    """The model of an estimator, and the number of rounds that predict best."""
    columns = {name: value for name, value in estimator.settings.items() if name.endswith("_features")}
    copies = np.size(estimator.start_) if estimator.loss_.prediction.is_joint else 0
    pools = [
        catboost.Pool(x, np.column_stack([t] * copies) if copies else t, weight=w, **columns) for x, t, w in samples
    ]
    own = {name: value for name, value in estimator.settings.items() if name not in columns}
    model = train(
        {"verbose": False, "allow_writing_files": False, "iterations": estimator.n_estimators, **own},
        pools[0],
        loss=estimator.loss_,
        hessian=estimator.hessian,
        floor=estimator.floor,
        start=estimator.start_,
        eval_set=pools[1:] or None,
        early_stopping_rounds=estimator.early_stopping_rounds,
    )
    kind = type(metric(estimator.loss_, estimator.start_)).__name__  # CatBoost calls a metric by its class
    history = [values[kind] for name, values in model.get_evals_result().items() if name != "learn"]
    estimator.evals_result_ = {f"eval{place}": values for place, values in enumerate(history)}
    return model, model.tree_count_ if estimator.early_stopping_rounds else None


def raw(estimator: Any, x: Any) -> Array:
    """The raw values that an estimator predicts."""
    values: Array = estimator.booster_.predict(x, prediction_type="RawFormulaVal")
    return values


def __getattr__(name: str) -> Any:
    if name not in ("Classifier", "Regressor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rashin.adapters import sklearn_boosting

    return getattr(sklearn_boosting, f"CatBoost{name}")
