"""The rows of docs/how-right.md: which function of which library computes which loss, and how boosters are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ROWS", "Row"]

_TORCH, _PYTORCH = "torch.nn.functional", "https://github.com/pytorch/pytorch/issues/"
_OPTAX, _KERAS = "https://github.com/google-deepmind/optax/issues/", "https://github.com/keras-team/keras/issues/"


class Row(NamedTuple):
    """One function of a library.

    ``group`` names the loss in the field's words, ``name`` the function as readers know it, ``target`` what is checked:
    a text, or a function; ``links`` are threads about a fault. ``least`` is the smallest result that it shows in full.
    """

    group: str
    library: str
    name: str
    target: Any
    choices: dict[str, Any]
    links: tuple[str, ...] = ()
    least: float = 0.0


# ------------------------------------------------------------------------------------------------ boosters


def xgboost_metric(metric: str, objective: str, **parameters: Any) -> Callable[[Any, Any], float]:
    """The metric that XGBoost prints for these margins, from a model without trees."""

    def value(prediction: Any, target: Any) -> float:
        import xgboost

        data = xgboost.DMatrix(np.zeros((len(target), 1)), label=target)
        data.set_base_margin(prediction)
        model = xgboost.Booster({"objective": objective, "eval_metric": metric, "verbosity": 0, **parameters}, [data])
        return float(model.eval_set([(data, "x")], 0).rpartition(":")[2])

    return value


def lightgbm_metric(metric: str, objective: str, **parameters: Any) -> Callable[[Any, Any], float]:
    """The metric that LightGBM computes for these scores, from a model without trees."""

    def value(prediction: Any, target: Any) -> float:
        import lightgbm

        score = np.ravel(np.asarray(prediction, np.float64), order="F")
        quiet = {"verbosity": -1, "min_data_in_bin": 1, "feature_pre_filter": False, "num_threads": 1}
        data = lightgbm.Dataset(np.zeros((len(target), 1)), label=target, init_score=score, params=quiet)
        model = lightgbm.Booster({"metric": metric, "objective": objective, "verbosity": -1, **parameters}, data)
        return float(model.eval_train()[0][2])

    return value


# ------------------------------------------------------------------------------------------------ the rows

_LOGITS = {"from_logits": True}


def _booster(group: str, library: str, metric: str, objective: str, like: str, domain: str, **parameters: Any) -> Row:
    made = {"XGBoost": xgboost_metric, "LightGBM": lightgbm_metric}[library]
    choices = {"like": like, "domain": domain, "order": "prediction,target", "library": "numpy"}
    least = 1e-9 if library == "XGBoost" else 0.0  # it prints 17 decimals
    return Row(group, library, f"metric {metric}", made(metric, objective, **parameters), choices, least=least)


def _ours(group: str, target: str, **choices: Any) -> Row:
    return Row(group, "rashin", f"rashin.{target}", f"rashin:{target}", choices)


def _rows_of(group: str, *rows: tuple[Any, ...]) -> list[Row]:
    return [Row(group, library, name, target, *rest) for library, name, target, *rest in rows]


_BINARY = "binary cross-entropy of logits"
_LABELS, _SOFT = "cross-entropy of logits, labels", "cross-entropy of logits, distributions"

ROWS: tuple[Row, ...] = (
    _ours(_BINARY, "sigmoid_cross_entropy"),
    *_rows_of(
        _BINARY,
        ("PyTorch", "binary_cross_entropy_with_logits", f"{_TORCH}:binary_cross_entropy_with_logits", {},
         (f"{_PYTORCH}195529", f"{_PYTORCH}195677", f"{_PYTORCH}135359")),
        ("PyTorch", "soft_margin_loss", f"{_TORCH}:soft_margin_loss", {}, (f"{_PYTORCH}77529",)),
        ("JAX (optax)", "sigmoid_binary_cross_entropy", "optax:sigmoid_binary_cross_entropy", {}),
        ("Keras", "BinaryCrossentropy(from_logits=True)", "keras.losses:BinaryCrossentropy", {"settings": _LOGITS}),
        ("scikit-learn", "_loss.HalfBinomialLoss", "sklearn._loss:HalfBinomialLoss", {}),
    ),
    _booster(_BINARY, "XGBoost", "logloss", "binary:logistic", "sigmoid_cross_entropy", "binary"),
    _booster(_BINARY, "LightGBM", "binary_logloss", "binary", "sigmoid_cross_entropy", "binary"),
    *_rows_of(_BINARY, ("skglm", "datafits.Logistic", "skglm.datafits:Logistic", {})),
    _ours(_LABELS, "softmax_cross_entropy", domain="labels"),
    *_rows_of(
        _LABELS,
        ("PyTorch", "cross_entropy", f"{_TORCH}:cross_entropy", {}),
        ("JAX (optax)", "softmax_cross_entropy_with_integer_labels",
         "optax:softmax_cross_entropy_with_integer_labels", {}),
        ("Keras", "SparseCategoricalCrossentropy(from_logits=True)", "keras.losses:SparseCategoricalCrossentropy",
         {"settings": _LOGITS, "domain": "labels"}),
        ("scikit-learn", "_loss.HalfMultinomialLoss", "sklearn._loss:HalfMultinomialLoss",
         {"settings": {"n_classes": 4}}),
    ),
    _booster(_LABELS, "XGBoost", "mlogloss", "multi:softprob", "softmax_cross_entropy", "labels", num_class=4),
    _booster(_LABELS, "LightGBM", "multi_logloss", "multiclass", "softmax_cross_entropy", "labels", num_class=4),
    _ours(_SOFT, "softmax_cross_entropy"),
    *_rows_of(
        _SOFT,
        ("PyTorch", "cross_entropy", f"{_TORCH}:cross_entropy", {"domain": "distributions"}),
        ("JAX (optax)", "softmax_cross_entropy", "optax:softmax_cross_entropy", {}, (f"{_OPTAX}896",)),
        ("Keras", "CategoricalCrossentropy(from_logits=True)", "keras.losses:CategoricalCrossentropy",
         {"settings": _LOGITS, "domain": "distributions"}),
    ),
    _ours("focal loss of logits", "sigmoid_focal"),
    *_rows_of(
        "focal loss of logits",
        ("JAX (optax)", "sigmoid_focal_loss", "optax:sigmoid_focal_loss", {}),
        ("Keras", "BinaryFocalCrossentropy(from_logits=True)", "keras.losses:BinaryFocalCrossentropy",
         {"settings": _LOGITS}),
    ),
    _ours("binary cross-entropy of probabilities", "binary_cross_entropy"),
    *_rows_of(
        "binary cross-entropy of probabilities",
        ("PyTorch", "binary_cross_entropy", f"{_TORCH}:binary_cross_entropy", {}, (f"{_PYTORCH}103316",)),
        ("Keras", "BinaryCrossentropy()", "keras.losses:BinaryCrossentropy", {}),
        ("scikit-learn", "metrics.log_loss", "sklearn.metrics:log_loss", {"domain": "probability"}),
    ),
    _ours("Kullback-Leibler divergence", "softmax_kullback_leibler"),
    *_rows_of(
        "Kullback-Leibler divergence",
        ("PyTorch", "kl_div", f"{_TORCH}:kl_div", {}),
        ("JAX (optax)", "kl_divergence", "optax:kl_divergence", {}),
        ("Keras", "KLDivergence()", "keras.losses:KLDivergence", {"domain": "probability-distributions"}),
        ("torchmetrics", "functional.kl_divergence", "torchmetrics.functional:kl_divergence", {}),
    ),
    _ours("squared error", "squared_error"),
    *_rows_of(
        "squared error",
        ("PyTorch", "mse_loss", f"{_TORCH}:mse_loss", {}),
        ("JAX (optax)", "squared_error", "optax:squared_error", {}),
        ("Keras", "MeanSquaredError()", "keras.losses:MeanSquaredError", {}, (f"{_KERAS}15791",)),
        ("scikit-learn", "metrics.mean_squared_error", "sklearn.metrics:mean_squared_error", {}),
        ("scikit-learn", "_loss.HalfSquaredError", "sklearn._loss:HalfSquaredError", {}),
    ),
    _booster("squared error", "XGBoost", "rmse", "reg:squarederror", "squared_error", "real"),
    _booster("squared error", "LightGBM", "l2", "l2", "squared_error", "real"),
    *_rows_of("squared error", ("torchmetrics", "MeanSquaredError", "torchmetrics:MeanSquaredError", {})),
    _ours("absolute error", "absolute_error"),
    *_rows_of(
        "absolute error",
        ("PyTorch", "l1_loss", f"{_TORCH}:l1_loss", {}),
        ("Keras", "MeanAbsoluteError()", "keras.losses:MeanAbsoluteError", {}),
        ("scikit-learn", "metrics.mean_absolute_error", "sklearn.metrics:mean_absolute_error", {}),
    ),
    _booster("absolute error", "XGBoost", "mae", "reg:absoluteerror", "absolute_error", "real"),
    _booster("absolute error", "LightGBM", "l1", "l1", "absolute_error", "real"),
    _ours("Huber's loss", "huber"),
    *_rows_of(
        "Huber's loss",
        ("PyTorch", "huber_loss", f"{_TORCH}:huber_loss", {}),
        ("JAX (optax)", "huber_loss", "optax:huber_loss", {}),
        ("Keras", "Huber()", "keras.losses:Huber", {}),
    ),
    _booster("Huber's loss", "LightGBM", "huber", "huber", "huber(delta=0.9)", "real", alpha=0.9),
    _ours("log-cosh", "log_cosh"),
    *_rows_of(
        "log-cosh",
        ("JAX (optax)", "log_cosh", "optax:log_cosh", {}),
        ("Keras", "LogCosh()", "keras.losses:LogCosh", {}),
    ),
    _ours("pinball loss", "quantile"),
    *_rows_of(
        "pinball loss",
        ("scikit-learn", "metrics.mean_pinball_loss", "sklearn.metrics:mean_pinball_loss", {"like": "quantile"}),
        ("scikit-learn", "_loss.PinballLoss", "sklearn._loss:PinballLoss", {"like": "quantile"}),
    ),
    _ours("hinge loss", "hinge"),
    *_rows_of(
        "hinge loss",
        ("JAX (optax)", "hinge_loss", "optax:hinge_loss", {}),
        ("Keras", "Hinge()", "keras.losses:Hinge", {"like": "hinge"}),
        ("scikit-learn", "metrics.hinge_loss", "sklearn.metrics:hinge_loss", {}),
    ),
    _ours("Poisson loss", "poisson"),
    *_rows_of(
        "Poisson loss",
        ("PyTorch", "poisson_nll_loss", f"{_TORCH}:poisson_nll_loss", {}),
        ("Keras", "Poisson()", "keras.losses:Poisson", {}),
        ("scikit-learn", "_loss.HalfPoissonLoss", "sklearn._loss:HalfPoissonLoss", {"like": "poisson"}),
        ("scikit-learn", "metrics.mean_poisson_deviance", "sklearn.metrics:mean_poisson_deviance", {}),
    ),
    _booster("Poisson loss", "LightGBM", "poisson", "poisson", "poisson", "count"),
    *_rows_of("Poisson loss", ("skglm", "datafits.Poisson", "skglm.datafits:Poisson", {})),
    _ours("gamma loss", "gamma"),
    *_rows_of(
        "gamma loss",
        ("scikit-learn", "_loss.HalfGammaLoss", "sklearn._loss:HalfGammaLoss", {"like": "gamma"}),
        ("scikit-learn", "metrics.mean_gamma_deviance", "sklearn.metrics:mean_gamma_deviance", {}),
        ("skglm", "datafits.Gamma", "skglm.datafits:Gamma", {}),
    ),
    _ours("absolute percentage error", "absolute_percentage_error"),
    *_rows_of(
        "absolute percentage error",
        ("Keras", "MeanAbsolutePercentageError()", "keras.losses:MeanAbsolutePercentageError", {}),
        ("scikit-learn", "metrics.mean_absolute_percentage_error",
         "sklearn.metrics:mean_absolute_percentage_error", {}),
    ),
    _ours("squared log error", "squared_log_error"),
    *_rows_of(
        "squared log error",
        ("Keras", "MeanSquaredLogarithmicError()", "keras.losses:MeanSquaredLogarithmicError", {"domain": "above"}),
        ("scikit-learn", "metrics.mean_squared_log_error", "sklearn.metrics:mean_squared_log_error",
         {"domain": "above"}),
    ),
)  # fmt: skip
