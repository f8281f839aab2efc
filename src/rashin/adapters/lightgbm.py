"""For LightGBM: any loss as objective and metric, started at its best constant, with predictions through its link.

LightGBM starts custom objectives at 0, whatever ``boost_from_average`` says, and an ``init_score`` is not part of the
model: it must be given to every data set and added to every prediction. :func:`train` gives it to the data sets and
adds it to the leaves of the first trees, so that the model predicts with it and without rashin.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rashin.adapters import boosting
from rashin.adapters.boosting import FLOOR, Derivatives, start
from rashin.adapters.lightgbm_objective import LIBRARY, Metric, Objective
from rashin.extras import needs

with needs("lightgbm", "lightgbm", "rashin.adapters.lightgbm"):
    import lightgbm

if TYPE_CHECKING:
    from rashin.adapters.sklearn_boosting import LightGBMClassifier as Classifier
    from rashin.adapters.sklearn_boosting import LightGBMRegressor as Regressor
    from rashin.loss import Loss

__all__ = ["Classifier", "Metric", "Objective", "Regressor", "cv", "finish", "metric", "objective", "start", "train"]

Array = NDArray[Any]


_LINKS = {"log": "poisson", "logit": "binary sigmoid:1", "softmax": "multiclass num_class:{outputs}"}


def objective(loss: Loss | str, hessian: str | None = None, floor: float = FLOOR) -> Objective:
    """The loss as LightGBM's objective.

    Parameters
    ----------
    loss : loss of real numbers or logits, or its name.
    hessian : ``"exact"``, ``"library"``, ``"majorized"``, ``"unit"`` or ``"fisher"``, see ``rashin.adapters.boosting``.
        By default ``"library"`` if LightGBM has the loss, otherwise ``"exact"``.
    floor : least curvature of a sample of weight 1.

    Examples
    --------
    >>> import numpy as np, lightgbm, rashin
    >>> from rashin.adapters.lightgbm import objective
    >>> data = lightgbm.Dataset(np.zeros((2, 1)), label=[0.0, 1.0], weight=[1.0, 2.0], params={"verbose": -1})
    >>> objective(rashin.sigmoid_cross_entropy)(np.zeros(2), data.construct())
    (array([ 0.5, -1. ]), array([0.25, 0.5 ]))
    """
    return Objective(Derivatives(loss, hessian, floor, LIBRARY))


def metric(loss: Loss | str) -> Metric:
    """The exact weighted mean loss as LightGBM's metric; smaller is better."""
    return Metric(boosting.boosted(loss))


def train(
    params: Mapping[str, Any],
    train_set: lightgbm.Dataset,
    num_boost_round: int = 100,
    valid_sets: Sequence[lightgbm.Dataset] | None = None,
    *,
    loss: Loss | str,
    hessian: str | None = None,
    floor: float = FLOOR,
    start: Any = None,
    **options: Any,
) -> lightgbm.Booster:
    """``lightgbm.train`` with a loss: from its best constant, with its exact metric.

    The model contains the start, predicts means or probabilities if the loss has a link, and needs nothing of rashin.
    While it trains, the start is the ``init_score`` of the data sets. If the training set has an ``init_score`` of its
    own, as an offset, every set keeps its own, and the model contains no start, as always in LightGBM.

    Parameters
    ----------
    params : parameters of LightGBM, without an objective.
    train_set, num_boost_round, valid_sets : as in ``lightgbm.train``.
    loss, hessian, floor : as in :func:`objective`.
    start : constant to start from, on the scale of the trees' predictions; by default :func:`start` of the training
        set. Pass the one of all data if its labels lack a class.
    **options : passed to ``lightgbm.train``: ``callbacks``, ``valid_names`` and so on.

    Examples
    --------
    >>> import numpy as np, lightgbm, rashin
    >>> from rashin.adapters.lightgbm import train
    >>> x, y = np.arange(80.0)[:, None], np.repeat([0.0, 1.0, 4.0, 5.0], 20)
    >>> model = train({"verbose": -1}, lightgbm.Dataset(x, y), 100, loss=rashin.poisson)
    >>> model.predict([[10.0], [70.0]]).round(2)
    array([0.39, 4.97])
    """
    own, data = objective(loss, hessian, floor), [train_set, *(valid_sets or ())]
    loss = own.derivatives.loss
    with_offset = _has_offset(train_set)
    if start is None:
        start = 0.0 if with_offset else _start_of(loss, train_set, params.get("num_class"))
    settings = _settings(params, own, params.get("num_class") if with_offset else np.size(start))
    with contextlib.nullcontext() if with_offset else _started(data, start):
        model = lightgbm.train(settings, train_set, num_boost_round, valid_sets, feval=metric(loss), **options)
    return finish(model, loss, start)


def cv(
    params: Mapping[str, Any],
    train_set: lightgbm.Dataset,
    num_boost_round: int = 100,
    *,
    loss: Loss | str,
    hessian: str | None = None,
    floor: float = FLOOR,
    fpreproc: Any = None,
    **options: Any,
) -> dict[str, Any]:
    """``lightgbm.cv`` with a loss: each fold starts at the best constant of its own training rows.

    The history has the keys of LightGBM, such as ``"valid poisson-mean"``. With ``return_cvbooster=True``, the models
    contain start and link, as those of :func:`train`. If the data have an ``init_score``, that replaces the starts.

    Parameters
    ----------
    params, train_set, num_boost_round : as in :func:`train`.
    loss, hessian, floor : as in :func:`objective`.
    fpreproc, **options : passed to ``lightgbm.cv``: ``folds``, ``nfold``, ``callbacks`` and so on. ``stratified`` is
        True by default for losses of classes only, as numbers cannot be stratified.

    Examples
    --------
    >>> import numpy as np, lightgbm, rashin
    >>> from rashin.adapters.lightgbm import cv
    >>> x, y = np.arange(80.0)[:, None], np.repeat([0.0, 1.0, 4.0, 5.0], 20)
    >>> history = cv({"verbose": -1}, lightgbm.Dataset(x, y), 20, loss=rashin.poisson, nfold=4)
    >>> history["valid poisson-mean"][0] > history["valid poisson-mean"][-1]
    True
    """
    own = objective(loss, hessian, floor)
    loss, with_offset, starts = own.derivatives.loss, _has_offset(train_set), []
    classes = params.get("num_class") if with_offset else np.size(_start_of(loss, train_set, params.get("num_class")))

    def begun(fit: lightgbm.Dataset, held: lightgbm.Dataset, settings: dict[str, Any]) -> Any:
        if fpreproc is not None:
            fit, held, settings = fpreproc(fit, held, settings)
        fit.construct()
        starts.append(0.0 if with_offset else start(loss, fit.get_label(), fit.get_weight(), classes=classes))
        for one in () if with_offset else (fit, held.construct()):
            _begin(one, starts[-1])
        return fit, held, settings

    options.setdefault("stratified", boosting.link_of(loss) in ("logit", "softmax"))
    settings = _settings(params, own, classes)
    found = lightgbm.cv(settings, train_set, num_boost_round, feval=metric(loss), fpreproc=begun, **options)
    if "cvbooster" in found:
        models = zip(found["cvbooster"].boosters, starts, strict=True)
        found["cvbooster"].boosters = [finish(model, loss, constant) for model, constant in models]
    return found


def _has_offset(data: lightgbm.Dataset) -> bool:
    """Whether there is an initial score; that of a subset is in LightGBM's memory alone."""
    if data.init_score is not None:
        return True
    return data._handle is not None and data.get_field("init_score") is not None


def _settings(params: Mapping[str, Any], own: Objective, outputs: int | None) -> dict[str, Any]:
    """The parameters, with those that belong to the loss."""
    if "objective" in params:
        raise ValueError("params: got 'objective'; expected none, as the loss sets it")
    made = {"metric": "None", **params, "objective": own}
    return made | ({"num_class": outputs} if own.derivatives.loss.prediction.axes else {})


def _start_of(loss: Loss, data: lightgbm.Dataset, classes: int | None) -> Any:
    label, weight = data.label, data.weight  # a set that is not constructed yet has no more
    if label is None:
        raise ValueError("train_set: got no labels in memory; expected some; fix: call train_set.construct() first")
    label = np.asarray(label, np.float32).reshape(-1)  # as LightGBM keeps them
    return start(loss, label, None if weight is None else np.asarray(weight, np.float32), classes=classes)


@contextlib.contextmanager
def _started(data: Sequence[lightgbm.Dataset], start: Any) -> Iterator[None]:
    """The start as the initial score of all data sets, until training ends."""
    for one in data:
        _begin(one, start)
    try:
        yield
    finally:
        for one in data:
            one.init_score = None
            if one._handle is not None:
                one.set_field("init_score", None)


def _begin(data: lightgbm.Dataset, start: Any) -> None:
    constant, n = np.asarray(start, np.float64), data.num_data() if data.label is None else len(data.label)
    data.set_init_score(np.broadcast_to(constant, (n, *constant.shape)).copy())


def finish(model: lightgbm.Booster, loss: Loss | str, start: Any = 0.0) -> lightgbm.Booster:
    """The model with the start and the link of the loss in it, so that it predicts means or probabilities by itself.

    The start is added to the leaves of the first tree of each output. ``best_iteration`` and ``best_score`` are kept.

    Parameters
    ----------
    model : model trained with ``objective(loss)`` and the start as ``init_score``.
    loss : its loss.
    start : the start.
    """
    link = boosting.link_of(boosting.boosted(loss))
    text = model.model_to_string(num_iteration=-1)
    if link in _LINKS and "\nobjective=" not in text:
        line = "objective=" + _LINKS[link].format(outputs=model.num_model_per_iteration())
        head, mark, tail = text.partition("\nfeature_names=")
        text = f"{head}\n{line}{mark}{tail}"
    made = lightgbm.Booster(model_str=text)
    made.params, made.best_iteration, made.best_score = dict(model.params), model.best_iteration, model.best_score
    _raise_first_trees(made, text, np.atleast_1d(np.asarray(start, np.float64)))
    return made


def _raise_first_trees(model: lightgbm.Booster, text: str, constants: Array) -> None:
    if not constants.any():
        return
    if "\nis_linear=1" in text:
        raise ValueError(
            "model: got linear trees, whose leaves cannot take a start; expected constant leaves, or start=0"
        )
    leaves = [int(count) for count in re.findall(r"\nnum_leaves=(\d+)", text)]
    for tree, constant in enumerate(constants):
        for leaf in range(leaves[tree]):
            model.set_leaf_output(tree, leaf, model.get_leaf_output(tree, leaf) + constant)


def fitted(estimator: Any, samples: Sequence[tuple[Any, Array, Array | None]]) -> tuple[lightgbm.Booster, int | None]:
    """The model of an estimator, and the number of rounds that predict best."""
    if samples[0][1].ndim != 1:
        raise ValueError(f"y: got an array of shape {samples[0][1].shape}; expected (n,), as LightGBM has one target")
    first, *others = [lightgbm.Dataset(x, label=t, weight=w) for x, t, w in samples]
    for one in others:
        one.set_reference(first)
    history: dict[str, dict[str, list[float]]] = {}
    callbacks = [lightgbm.record_evaluation(history)]
    if estimator.early_stopping_rounds:
        callbacks.append(lightgbm.early_stopping(estimator.early_stopping_rounds, verbose=False))
    model = train(
        {"verbosity": -1, **estimator.settings},
        first,
        estimator.n_estimators,
        others,
        loss=estimator.loss_,
        hessian=estimator.hessian,
        floor=estimator.floor,
        start=estimator.start_,
        valid_names=[f"eval{place}" for place in range(len(others))],
        callbacks=callbacks,
    )
    estimator.evals_result_ = {name: values[estimator.loss_.name] for name, values in history.items()}
    return model, model.best_iteration if estimator.early_stopping_rounds else None


def raw(estimator: Any, x: Any) -> Array:
    """The raw scores that an estimator predicts."""
    scores: Array = estimator.booster_.predict(x, raw_score=True, num_iteration=estimator.best_iteration_)
    return scores


def __getattr__(name: str) -> Any:
    if name not in ("Classifier", "Regressor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rashin.adapters import sklearn_boosting

    return getattr(sklearn_boosting, f"LightGBM{name}")
